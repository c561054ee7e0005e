"""The parts of a message, by cutting its bytes: no tree is too deep and no header too broken.

The standard library's parser goes line by line (a second for every 20 MB) and raises on some
real mail; this one searches for boundaries and takes what it does not understand for text.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from crm.model import Attachment
from crm.params import Params, filename, params
from crm.text import decode, one_line

_DEEPEST = 50
_MOST_PARTS = 1000
_LONGEST_TEXT = 20_000_000  # bytes of one text part that are read

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_LINE_END = b" \t\r\n"


@dataclass(slots=True)
class Part:
    """A part and, for a multipart, what is in it. `number` counts from 1: '2', '2.1'; '' = all."""

    number: str
    fields: list[tuple[str, str]]
    body: bytes
    kind: str = "text/plain"
    type_params: Params = field(default_factory=dict)
    parts: list["Part"] = field(default_factory=list)

    def header(self, name: str) -> str:
        """The first value of a header, '' when there is none."""
        return next((value for key, value in self.fields if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Content:
    """What people see of a message."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def read(raw: bytes) -> Part:
    """The tree of parts of a whole message. Never raises."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    return _read(raw, "", 0, "text/plain", [_MOST_PARTS])


def content(tree: Part) -> Content:
    """Text, HTML and attachments. Text parts that are no files are joined in their order."""
    texts: list[str] = []
    pages: list[str] = []
    files: list[Attachment] = []
    for part, must_show in _leaves(tree, True):
        shown = {"text/plain": texts, "text/html": pages}.get(part.kind)
        if shown is None or not (must_show or _is_text(part)):
            files.append(_attachment(part))
        else:
            text = decode(decoded(part)[:_LONGEST_TEXT], part.type_params.get("charset", ""))
            shown.append(text.replace("\r\n", "\n"))
    return Content("\n".join(texts), "\n".join(pages), tuple(files))


def part_bytes(tree: Part, number: str) -> bytes | None:
    """The decoded bytes of the part with this number, None where there is none."""
    for part, _ in _leaves(tree, True):
        if (part.number or "1") == number:
            return decoded(part)
    return None


def decoded(part: Part) -> bytes:
    """The bytes of a part, its transfer encoding undone as far as it can be."""
    encoding = one_line(part.header("content-transfer-encoding")).lower()
    if encoding.startswith("base64"):
        return _base64(part.body)
    if encoding.startswith("quoted-printable"):
        return binascii.a2b_qp(part.body)
    return part.body


def _read(raw: bytes, number: str, depth: int, default: str, left: list[int]) -> Part:
    fields, start = _fields(raw)
    part = Part(number, fields, raw[start:])
    value = one_line(part.header("content-type"))
    part.kind, part.type_params = params(value, default)
    boundary = part.type_params.get("boundary", "").rstrip().encode("utf-8", "replace")
    if not part.kind.startswith("multipart/"):
        return part
    inner = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
    pieces = _cut(part.body, boundary) if boundary and depth < _DEEPEST else iter(())
    for index, piece in enumerate(pieces, 1):
        if left[0] <= 0:
            break
        left[0] -= 1
        child = f"{number}.{index}" if number else str(index)
        part.parts.append(_read(piece, child, depth + 1, inner, left))
    if not part.parts:
        part.kind = "text/plain"
    return part


def _fields(raw: bytes) -> tuple[list[tuple[str, str]], int]:
    """Header fields as they are written, and where the body begins."""
    fields: list[tuple[str, list[bytes]]] = []
    position = 0
    while position < len(raw):
        end = raw.find(b"\n", position) + 1 or len(raw)
        line = raw[position:end].rstrip(b"\r\n")
        if not line:
            position = end
            break
        if line[:1] in b" \t" and fields:
            fields[-1][1].append(line)
        elif _FIELD.match(line):
            name, _, value = line.partition(b":")
            fields.append((name.decode("ascii").strip(), [value]))
        elif position or not line.startswith((b"From ", b">From ")):
            break
        position = end
    return [(name, _header_text(lines)) for name, lines in fields], position


def _header_text(lines: list[bytes]) -> str:
    return b" ".join(lines).strip(_LINE_END).decode("ascii", "surrogateescape")


def _cut(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What lies between the boundary lines; the end may be missing."""
    mark, start = b"--" + boundary, -1
    position = body.find(mark)
    while position >= 0:
        after = position + len(mark)
        end = body.find(b"\n", after) + 1 or len(body)
        rest = body[after : min(end, after + 200)].rstrip(_LINE_END)
        if rest in {b"", b"--"} and (position == 0 or body[position - 1 : position] == b"\n"):
            if start >= 0:
                yield body[start:position].removesuffix(b"\n").removesuffix(b"\r")
            if rest:
                return
            start = after = end
        position = body.find(mark, after)
    if 0 <= start < len(body):
        yield body[start:]


def _leaves(part: Part, must_show: bool) -> Iterator[tuple[Part, bool]]:
    """Parts without parts, and whether a text there is the message itself whatever its name."""
    if not part.parts:
        yield part, must_show
        return
    for index, child in enumerate(part.parts):
        choice = part.kind == "multipart/alternative"
        root = part.kind == "multipart/related" and index == 0
        yield from _leaves(child, (choice or root) and _disposition(child) != "attachment")


def _is_text(part: Part) -> bool:
    return _disposition(part) != "attachment" and not filename(
        part.header("content-disposition"), part.header("content-type")
    )


def _disposition(part: Part) -> str:
    return one_line(part.header("content-disposition")).partition(";")[0].strip().lower()


def _attachment(part: Part) -> Attachment:
    name = filename(part.header("content-disposition"), part.header("content-type"))
    content_id = one_line(part.header("content-id")).strip("<> ")[:998]
    return Attachment(
        part=part.number or "1",
        filename=name or _invented_name(part.kind, part.number or "1"),
        content_type=part.kind,
        size=len(decoded(part)),
        inline=_disposition(part) == "inline" or (bool(content_id) and not _disposition(part)),
        content_id=content_id,
    )


_ENDINGS = {
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/plain": "txt",
    "text/html": "html",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "application/pdf": "pdf",
    "application/pkcs7-signature": "p7s",
    "application/pgp-signature": "asc",
}


def _invented_name(kind: str, number: str) -> str:
    return f"part-{number}.{_ENDINGS.get(kind, 'bin')}"


def _base64(data: bytes) -> bytes:
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        whole = letters[: len(letters) - (len(letters) % 4 == 1)]
        return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))
