"""Gmail over HTTP: finds the method of a request, checks it, runs it; also for parts of a batch."""

import gzip
import json
import re
from dataclasses import dataclass
from email import message_from_bytes
from urllib.parse import parse_qs, unquote, urlsplit

import flask
from flask.typing import ResponseReturnValue

from sandbox.google import masks
from sandbox.google.accounts import Access
from sandbox.google.calls import Call, Method, check_names
from sandbox.google.errors import (
    GoogleError,
    bad_credentials,
    invalid,
    login_required,
    not_found,
    scope_missing,
)
from sandbox.google.mailbox import Mailbox
from sandbox.google.message import Json
from sandbox.google.methods import FIELDS, METHODS, UPLOADS
from sandbox.google.state import Google

_ROOT = re.compile(r"^(/resumable)?(/upload)?/gmail/v1/users/([^/]+)/(.+)$")
_PATHS = [
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", method.path) + "$"))
    for method in METHODS
]


@dataclass(frozen=True)
class Request:
    """What a request says, whether it came alone or in a batch."""

    verb: str
    target: str  # path and query
    authorization: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: Json | None
    headers: dict[str, str]

    def content(self, pretty: bool = False) -> bytes:
        if self.body is None:
            return b""
        indent = 2 if pretty else None
        separators = None if pretty else (",", ":")
        return json.dumps(self.body, indent=indent, separators=separators).encode()


def handle(google: Google, request: Request) -> Answer:
    """The answer, an error's included."""
    try:
        return Answer(200, *_run(google, request))
    except GoogleError as error:
        google.world.count(f"gmail.errors.{error.code}")
        return Answer(error.code, error.body(), dict(error.headers))


def _run(google: Google, request: Request) -> tuple[Json | None, dict[str, str]]:
    parts = urlsplit(request.target)
    found = _ROOT.match(parts.path)
    if not found:
        raise not_found()
    method, names = _method(request.verb, found[4])
    if found[2] and method.name not in UPLOADS:
        raise not_found()
    args = parse_qs(parts.query, keep_blank_values=True)
    mask = masks.parse(args["fields"][0]) if args.get("fields") else {}
    masks.check(mask, FIELDS, args.get("fields", [""])[0])
    with google.world.lock:
        access = _access(google, request, args)
        box = _box(google, access, unquote(found[3]))
        google.world.count(f"gmail.{method.name}")
        if not access.scopes & method.scopes:
            raise scope_missing(f"gmail.v1.{method.name}")
        google.quota.spend(box.address, method.units)
        upload, body = _content(request, bool(found[2]))
        call = Call(google, box, access, args, body, names, upload)
        check_names(method, call)
        answer = method.handler(call)
    if answer is None:
        return None, {}
    masked = masks.apply(mask, answer)
    return (masked if isinstance(masked, dict) else {}), {}


def _method(verb: str, path: str) -> tuple[Method, dict[str, str]]:
    for method, pattern in _PATHS:
        match = pattern.match(path) if method.verb == verb else None
        if match:
            return method, {k: unquote(v) for k, v in match.groupdict().items()}
    raise not_found()


def _access(google: Google, request: Request, args: dict[str, list[str]]) -> Access:
    kind, _, token = request.authorization.partition(" ")
    if kind.lower() != "bearer" or not token:
        token = args.get("access_token", [""])[0]
    if not token:
        raise login_required()
    access = google.accounts.live(token.strip())
    if access is None:
        raise bad_credentials()
    return access


def _box(google: Google, access: Access, user: str) -> Mailbox:
    if user not in ("me", access.address) and user.lower() != access.address:
        raise GoogleError(403, f"Delegation denied for {access.address}", "forbidden")
    box = google.boxes.get(access.address)
    if box is None:
        raise GoogleError(400, "Mail service not enabled", "failedPrecondition")
    return box


def _content(request: Request, is_upload: bool) -> tuple[bytes | None, Json]:
    if is_upload:
        return _uploaded(request)
    if not request.content.strip():
        return None, {}
    if not request.content_type.startswith("application/json"):
        raise invalid(f"Invalid content type {request.content_type}", "badRequest")
    try:
        body = json.loads(request.content)
    except ValueError:
        raise invalid("Invalid JSON payload received.", "parseError") from None
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Unknown name", "badRequest")
    return None, body


def _uploaded(request: Request) -> tuple[bytes, Json]:
    """Media (message/rfc822) or multipart/related with JSON first."""
    if not request.content_type.startswith("multipart/"):
        return request.content, {}
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    whole = message_from_bytes(head + request.content)
    boundary = (whole.get_boundary() or "").encode()
    pieces = request.content.split(b"--" + boundary)
    if not boundary or len(pieces) < 4:
        raise invalid("Missing end boundary in multipart body.", "badRequest")
    texts = [re.split(rb"\r?\n\r?\n", p, maxsplit=1)[-1] for p in pieces[1:-1]]
    try:
        return re.sub(rb"\r?\n$", b"", texts[1]), json.loads(texts[0] or b"{}")
    except ValueError:
        raise invalid("Invalid JSON payload received.", "parseError") from None


def respond(google: Google) -> ResponseReturnValue:
    """The current request of Flask, answered."""
    asked = flask.request
    verb, content = asked.method, asked.get_data()
    target = asked.full_path
    if asked.headers.get("X-Http-Method-Override") == "GET":  # long queries come as POST
        verb, target, content = "GET", f"{asked.path}?{content.decode()}", b""
    request = Request(
        verb, target, asked.headers.get("Authorization", ""), asked.content_type or "", content
    )
    user = _user(google, request)
    try:
        with google.quota.flying(user):
            answer = handle(google, request)
    except GoogleError as error:
        answer = Answer(error.code, error.body(), {})
    return _response(answer, pretty=asked.args.get("prettyPrint") != "false")


def _user(google: Google, request: Request) -> str:
    access = google.accounts.live(request.authorization.partition(" ")[2])
    return access.address if access else ""


def _response(answer: Answer, pretty: bool) -> flask.Response:
    content = answer.content(pretty)
    headers = {"Cache-Control": "private", "Vary": "Origin, X-Origin, Referer", **answer.headers}
    accepted = flask.request.headers.get("Accept-Encoding", "")
    agent = flask.request.headers.get("User-Agent", "")
    if "gzip" in accepted and "gzip" in agent and len(content) > 1000:
        content = gzip.compress(content, 1)
        headers["Content-Encoding"] = "gzip"
    if answer.body is None:
        return flask.Response(b"", 204 if answer.status == 200 else answer.status, headers)
    headers["Content-Type"] = "application/json; charset=UTF-8"
    return flask.Response(content, answer.status, headers)
