"""One message of a Gmail mailbox and its JSON in the four formats."""

import html
import random
import re
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message
from functools import cached_property

from sandbox import mail
from sandbox.google.errors import invalid, not_found
from sandbox.google.keys import b64url, un64

Json = dict[str, object]


@dataclass
class GmailMessage:
    id: str
    thread_id: str
    raw: bytes
    internal_date: int  # milliseconds
    history_id: int
    labels: set[str] = field(default_factory=set)
    added_at: float = 0.0  # seconds; when the search index learned of it

    @cached_property
    def parsed(self) -> Message:
        return mail.parse(self.raw)

    @cached_property
    def snippet(self) -> str:
        text = mail.body_text(self.raw[:200_000])
        plain = re.sub(r"<[^>]*>", " ", text) if "<" in text and ">" in text else text
        return html.escape(" ".join(plain.split())[:200], quote=True).replace("&#x27;", "&#39;")

    @cached_property
    def searchable(self) -> str:
        return f"{mail.header(self.raw, 'Subject')} {mail.body_text(self.raw)}".lower()

    def basics(self) -> Json:
        return {"id": self.id, "threadId": self.thread_id}

    def minimal(self) -> Json:
        shown = self.basics()
        if self.labels:
            shown["labelIds"] = sorted(self.labels)
        shown |= {"snippet": self.snippet, "sizeEstimate": len(self.raw)}
        return shown | {
            "historyId": str(self.history_id),
            "internalDate": str(self.internal_date),
        }


@dataclass(frozen=True)
class Shape:
    """How payloads look; from the switches."""

    inline_limit: int  # bytes; larger text bodies hide behind an attachmentId
    decoded: bool  # encoded words of headers are decoded
    changing_ids: bool  # attachment ids differ on each fetch


def in_format(message: GmailMessage, kind: str, wanted: list[str], shape: Shape) -> Json:
    """The message as messages.get answers."""
    shown = message.minimal()
    if kind == "raw":
        shown["raw"] = b64url(message.raw)
    elif kind == "metadata":
        names = {n.lower() for n in wanted}
        pairs = [
            h for h in _headers(message.parsed, shape) if not names or h["name"].lower() in names
        ]
        payload: Json = {"mimeType": message.parsed.get_content_type()}
        shown["payload"] = payload | ({"headers": pairs} if pairs else {})
    elif kind == "full":
        shown["payload"] = _part(message, message.parsed, "", shape)
    return shown


def _headers(part: Message, shape: Shape) -> list[dict[str, str]]:
    return [{"name": k, "value": _value(str(v), shape)} for k, v in part.raw_items()]


def _value(text: str, shape: Shape) -> str:
    plain = re.sub(r"\r?\n[ \t]+", " ", text).strip()
    if plain.isascii():
        if not shape.decoded or "=?" not in plain:
            return plain
        try:
            return str(make_header(decode_header(plain)))
        except (ValueError, LookupError):
            return plain
    return plain.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _part(message: GmailMessage, part: Message, number: str, shape: Shape) -> Json:
    filename = part.get_filename() or ""
    shown: Json = {
        "partId": number,
        "mimeType": part.get_content_type(),
        "filename": filename,
        "headers": _headers(part, shape),
    }
    children = part.get_payload() if part.is_multipart() else []
    if isinstance(children, list) and children:
        shown["body"] = {"size": 0}
        prefix = f"{number}." if number else ""
        if part.get_content_type() == "message/rfc822":
            content = part_content(part)
            shown["body"] = {"size": len(content)}
            if filename:
                shown["body"] = _hidden(message, number, content, shape)
        shown["parts"] = [
            _part(message, child, f"{prefix}{n}", shape)
            for n, child in enumerate(children)
            if isinstance(child, Message)
        ]
        return shown
    content = part_content(part)
    text = part.get_content_maintype() == "text" and not filename
    if not content or (text and len(content) <= shape.inline_limit):
        shown["body"] = {"size": len(content)} | ({"data": b64url(content)} if content else {})
    else:
        shown["body"] = _hidden(message, number, content, shape)
    return shown


def part_content(part: Message) -> bytes:
    """The decoded bytes of a part (of an attached message: its own bytes)."""
    if part.get_content_type() == "message/rfc822" and part.is_multipart():
        inner = part.get_payload(0)
        return inner.as_bytes() if isinstance(inner, Message) else b""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _hidden(message: GmailMessage, number: str, content: bytes, shape: Shape) -> Json:
    salt = random.getrandbits(96) if shape.changing_ids else 0
    text = f"{message.id}|{number}|{salt:024x}"
    return {"attachmentId": f"ANGjdJ{b64url(text.encode())}", "size": len(content)}


def attachment(message: GmailMessage, attachment_id: str) -> Json:
    """What attachments.get answers; raises 400 for an id that is none, 404 for another message's."""
    try:
        text = un64(attachment_id.removeprefix("ANGjdJ")).decode()
        owner, number, _ = text.split("|")
    except ValueError:
        raise invalid("Invalid attachment token") from None
    if owner != message.id:
        raise not_found()
    part = message.parsed
    for index in filter(None, number.split(".")):
        part = part.get_payload(int(index))  # type: ignore[assignment]
    content = part_content(part)
    return {"size": len(content), "data": b64url(content)}
