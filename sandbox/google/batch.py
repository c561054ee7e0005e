"""Gmail's batch endpoint: many requests in one multipart body, each with its own answer."""

import json
import re
import secrets
from contextlib import ExitStack
from email import message_from_bytes
from http import HTTPStatus

import flask

from sandbox.google.errors import GoogleError, invalid, limited
from sandbox.google.gmail import Answer, Request, handle
from sandbox.google.state import Google

LIMIT = 100


def respond(google: Google) -> flask.Response:
    """The current batch request of Flask, answered."""
    google.world.count("gmail.batch")
    try:
        parts = _parts(flask.request.content_type or "", flask.request.get_data())
    except GoogleError as error:
        content = Answer(error.code, error.body(), {}).content(pretty=True)
        return flask.Response(content, error.code, content_type="application/json; charset=UTF-8")
    outer = flask.request.headers.get("Authorization", "")
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    pieces = []
    allowed = int(str(google.world.switches["gmail.concurrency"]))
    with ExitStack() as flying:
        for number, (content_id, text) in enumerate(parts):
            answer = _inner(google, text, outer, number < allowed, flying)
            pieces.append(_written(content_id, answer))
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), p) for p in pieces)
    body += b"--%s--\r\n" % boundary.encode()
    return flask.Response(body, 200, content_type=f'multipart/mixed; boundary="{boundary}"')


def _parts(content_type: str, content: bytes) -> list[tuple[str, bytes]]:
    """(Content-ID, inner HTTP request) of each part."""
    if not content_type.startswith("multipart/mixed"):
        raise invalid(
            "Failed to parse batch request, error: content type is not multipart/mixed",
            "badRequest",
        )
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    boundary = message_from_bytes(head).get_boundary()
    if not boundary:
        raise invalid("Failed to parse batch request, error: Missing boundary.", "badRequest")
    pieces = re.split(
        rb"\r?\n?--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*\r?\n?", content
    )
    found = []
    for piece in pieces:
        if not piece.strip():
            continue
        outer, _, inner = _split(piece)
        headers = message_from_bytes(outer + b"\r\n\r\n")
        if headers.get_content_type() != "application/http":
            raise invalid(
                "Failed to parse batch request, error: part is not application/http", "badRequest"
            )
        found.append((str(headers.get("Content-ID", "")), inner))
    if not found:
        raise invalid("Failed to parse batch request, error: no parts.", "badRequest")
    if len(found) > LIMIT:
        raise invalid(
            f"Inner request count exceeds the limit. Received: {len(found)}, Limit: {LIMIT}",
            "badRequest",
        )
    return found


def _split(content: bytes) -> tuple[bytes, bytes, bytes]:
    match = re.search(rb"\r?\n\r?\n", content)
    if not match:
        return content, b"", b""
    return content[: match.start()], match.group(), content[match.end() :]


def _inner(google: Google, text: bytes, outer: str, allowed: bool, flying: ExitStack) -> Answer:
    head, _, content = _split(text)
    line, _, rest = head.partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        error = invalid("Failed to parse batch request, error: bad request line.", "badRequest")
        return Answer(400, error.body(), {})
    headers = message_from_bytes(rest + b"\r\n\r\n")
    authorization = str(headers.get("Authorization", outer))
    access = google.accounts.live(authorization.partition(" ")[2])
    try:
        if not allowed:
            raise limited("concurrent", google.world.now())
        flying.enter_context(google.quota.flying(access.address if access else ""))
    except GoogleError as error:
        google.world.count("gmail.refused.concurrent")
        return Answer(error.code, error.body(), {})
    target = re.sub(r"^https?://[^/]+", "", words[1])
    fault = google.world.faults.take(words[0].upper(), target, inner=True)
    if fault is not None:
        return Answer(fault.status, json.loads(fault.body or "{}"), dict(fault.headers))
    kind = str(headers.get("Content-Type", ""))
    return handle(
        google, Request(words[0].upper(), target, authorization, kind, content.rstrip(b"\r\n"))
    )


def _written(content_id: str, answer: Answer) -> bytes:
    content = answer.content()
    status = 204 if answer.body is None else answer.status
    lines = ["Content-Type: application/http"]
    if content_id:
        lines.append(f"Content-ID: <response-{content_id.strip('<> ')}>")
    lines += ["", f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    if content:
        lines.append("Content-Type: application/json; charset=UTF-8")
    lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
