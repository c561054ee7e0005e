"""Gmail's JSON of a message into `Headers` and `Message`, by way of the reader that all share."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from crm import mime
from crm.messages import plain_text, read_headers
from crm.model import Headers, Message, Ref
from providers.gmail.history import place_of

Json: TypeAlias = Mapping[str, Any]
Fetch: TypeAlias = Callable[[str], bytes]  # the bytes behind an attachmentId

_ENCODING = "content-transfer-encoding"  # Gmail has undone it already


@dataclass(slots=True)
class Leaf:
    """A part's body as the JSON has it: its bytes are in `part`, or apart, or (of an attached message
    without a name) nowhere in it."""

    part: mime.Part
    size: int
    attachment: str  # attachmentId: where the bytes are, when they are not here


def headers_of(message: Json, labels: Iterable[str]) -> Headers:
    """Out of formats metadata and full. `labels`: display names of the user's labels on it."""
    label_ids = message.get("labelIds", ())
    return read_headers(
        _fields(message.get("payload", {})),
        Ref(message["id"], message.get("threadId", "")),
        place_of(label_ids),
        _received(message),
        labels,
    )


def leaves_of(message: Json) -> dict[str, Leaf]:
    """The parts of a message in format full by their numbers, as `Attachment.part` has them."""
    return {leaf.part.number or "1": leaf for leaf in _read(message)[1]}


def message_of(message: Json, labels: Iterable[str], fetch: Fetch) -> Message:
    """Out of format full. Text that Gmail keeps apart is asked for with `fetch`, files are not."""
    tree, leaves = _read(message)
    content = mime.content(tree)
    files = {file.part for file in content.attachments}
    apart = [leaf for leaf in leaves if leaf.attachment and (leaf.part.number or "1") not in files]
    for leaf in apart:
        _fill(leaf.part, fetch(leaf.attachment))
    if apart:
        content = mime.content(tree)
    sizes = {leaf.part.number or "1": leaf.size for leaf in leaves}
    return Message(
        headers=headers_of(message, labels),
        text=plain_text(content.html) if content.html else content.text,
        html=content.html,
        attachments=tuple(
            replace(file, size=sizes.get(file.part, file.size)) for file in content.attachments
        ),
        size=int(message.get("sizeEstimate", 0)),
        calendar=content.calendar,
        plain=content.text,
    )


def _read(message: Json) -> tuple[mime.Part, list[Leaf]]:
    leaves: list[Leaf] = []
    tree = mime.Part()
    _grow(tree, message.get("payload", {}), leaves)
    return tree, leaves


def decoded(data: str) -> bytes:
    """Base64url, with or without padding; what is none of it is left out."""
    try:
        return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return b""


def _grow(part: mime.Part, payload: Json, leaves: list[Leaf]) -> None:
    """Give `part` what `payload` has, and the same for all that is in it."""
    for name, value in _fields(payload):
        part.set_raw(name, value)
    children = payload.get("parts", ()) if part.get_content_maintype() == "multipart" else ()
    for child in children:
        inner = mime.Part()
        if part.kind == "multipart/digest":
            inner.set_default_type("message/rfc822")
        part.attach(inner)
        _grow(inner, child, leaves)
    if not part.parts:
        body = payload.get("body", {})
        _fill(part, decoded(body.get("data", "")))
        apart = "" if body.get("data") else body.get("attachmentId", "")
        leaves.append(Leaf(part, int(body.get("size", 0)), apart))


def _fill(part: mime.Part, data: bytes) -> None:
    part.fill(data)
    if part.kind.startswith("text/") and _is_utf8(data):
        # Gmail may have turned the text into UTF-8 and left the header as it was.
        part.charset = "utf-8"


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fields(payload: Json) -> list[tuple[str, str]]:
    return list(_kept(payload.get("headers", ())))


def _kept(headers: Iterable[Json]) -> Iterator[tuple[str, str]]:
    for header in headers:
        if header["name"].lower() != _ENCODING:
            yield header["name"], header.get("value", "")


def _received(message: Json) -> datetime:
    """`internalDate`, epoch milliseconds as text: when Gmail took the message in."""
    return datetime.fromtimestamp(int(message["internalDate"]) / 1000, UTC)
