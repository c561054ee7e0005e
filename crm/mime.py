"""The parts of a message, read by the standard library and guarded where that raises or is slow."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.policy import default as standard
from functools import lru_cache, partial
from typing import Any, cast

from crm.model import Attachment
from crm.text import decode, decode_words, one_line, safe_name

_DEEPEST = 50  # multiparts within each other
_MOST_PARTS = 1000
_MOST_LINES = 1_000_000  # the library goes line by line,
_MOST_LINES_TIMES_DEPTH = 4_000_000  # and each line through every multipart around it
_MOST_BOUNDARIES = 20_000  # lines that may be one
_LONGEST_HEAD = 1_000_000  # bytes of header fields
_LONGEST_VALUE = 2000  # characters of a structured field: the library's time grows with the square
_LONGEST_TEXT = 20_000_000  # bytes of one text part that are read

_HEAD_END = re.compile(rb"(?:\A|\r?\n|\r)(?:\r?\n|\r)")


@lru_cache(maxsize=256)
def _structured(name: str, value: str) -> Any:
    try:
        field = standard.header_fetch_parse(name, value)
    except Exception:  # noqa: BLE001 -- all sorts of errors, for what strangers wrote
        return one_line(value)
    if name == "content-transfer-encoding":
        return field.cte
    return one_line(value) if field.defects else field


class _Guarded(EmailPolicy):
    """The default policy, but a field that it finds broken is text, as in the older `compat32`."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        """The value as the library understands it."""
        return _structured(name.lower(), value[:_LONGEST_VALUE])


_POLICY = _Guarded()


class Part(EmailMessage):
    """A part, with what is in it. `number` counts from 1: '2', '2.1'; '' for the whole message.

    Attached messages stay closed, for they are files; so does what lies deeper than `deepest`.
    """

    def __init__(self, policy: "Policy[Any] | None" = None, deepest: int = _DEEPEST) -> None:
        super().__init__(policy or _POLICY)
        self.number = ""
        self.parts: list[Part] = []
        self.charset = ""  # where somebody knows better than the header
        self._deepest = deepest
        self._left = [_MOST_PARTS]

    def attach(self, payload: Any) -> None:
        """Append a part, unless there are too many; numbers follow from where they are."""
        if self._left[0] <= 0:
            if not self.parts:
                self.set_payload("")
            return
        self._left[0] -= 1
        super().attach(payload)
        self.parts.append(payload)
        payload.number = f"{self.number}.{len(self.parts)}".lstrip(".")
        payload._deepest, payload._left = self._deepest - 1, self._left

    def get_content_type(self) -> str:
        """The media type, for the library, which would open messages."""
        kind = super().get_content_type()
        return "application/octet-stream" if kind.startswith("message/") else kind

    def get_boundary(self, failobj: Any = None) -> Any:
        """What lies between parts; none for what is to stay closed."""
        return _tried(super().get_boundary) or failobj if self._deepest > 0 else failobj

    @property
    def kind(self) -> str:
        """The media type. A multipart without parts is a text."""
        kind = super().get_content_type()
        return "text/plain" if kind.startswith("multipart/") and not self.parts else kind

    @property
    def disposition(self) -> str:
        return one_line(str(self.get("content-disposition", ""))).partition(";")[0].strip().lower()

    @property
    def filename(self) -> str:
        """The name of a file, made safe; '' where there is none."""
        return safe_name(decode_words(one_line(_tried(self.get_filename))))

    @property
    def data(self) -> bytes:
        """The bytes, transfer encoding undone as far as it can be."""
        data = None if self.parts else self.get_payload(decode=True)
        return data if isinstance(data, bytes) else b""

    @property
    def text(self) -> str:
        """The text of a text."""
        charset = self.charset or _tried(self.get_content_charset)
        return decode(self.data[:_LONGEST_TEXT], charset).replace("\r\n", "\n")

    def fill(self, data: bytes) -> None:
        """Give it `data` for a body."""
        self.set_payload(data.decode("ascii", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Content:
    """What people see of a message."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]
    calendar: bool = False  # one of the parts that are no files is a calendar message (RFC 6047)


def read(raw: bytes) -> Part:
    """The tree of parts of a whole message. Never raises.

    A message of more lines, boundaries or header fields than mail programs write is its head and
    the rest of it as text.
    """
    lines = max(raw.count(b"\n"), raw.count(b"\r"))
    found = _HEAD_END.search(raw, 0, _LONGEST_HEAD)
    head = min(found.end() if found else len(raw), _LONGEST_HEAD)
    boundaries = raw.count(b"\n--") + raw.count(b"\r--")
    if lines <= _MOST_LINES and boundaries <= _MOST_BOUNDARIES and head < _LONGEST_HEAD:
        with suppress(Exception):  # this library has raised on mail that people had sent
            return _parsed(raw, min(_DEEPEST, _MOST_LINES_TIMES_DEPTH // (lines + 1)))
    part = _parsed(raw[:head], 0)
    part.fill(raw[head:])
    return part


def _parsed(raw: bytes, deepest: int) -> Part:
    make: Any = partial(Part, deepest=deepest)
    return cast(Part, message_from_bytes(raw, make, policy=_POLICY))


def _tried(get: Callable[[], Any]) -> str:
    """What the library reads out of a parameter; '' where it fails, as on unusable charsets."""
    try:
        return str(get() or "")
    except (LookupError, TypeError, ValueError):
        return ""


def content(tree: Part) -> Content:
    """Text, HTML and attachments. Text parts that are no files are joined in their order."""
    shown: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    files: list[Attachment] = []
    calendar = False
    for part, must_show in _leaves(tree, True):
        file = part.disposition == "attachment" or part.filename
        if part.kind in shown and (must_show or not file):
            shown[part.kind].append(part.text)
        else:
            files.append(_attachment(part))
            calendar |= _is_calendar_message(part)
    text, html = ("\n".join(shown[kind]) for kind in ("text/plain", "text/html"))
    return Content(text, html, tuple(files), calendar)


def _is_calendar_message(part: Part) -> bool:
    """Whether a part is an invitation or an answer: a file of dates has no method, or is attached."""
    if part.kind != "text/calendar" or part.disposition == "attachment":
        return False
    return bool(_tried(partial(part.get_param, "method")))


def part_bytes(tree: Part, number: str) -> bytes | None:
    """The decoded bytes of the part with this number, None where there is none."""
    leaves = (part for part, _ in _leaves(tree, True))
    return next((part.data for part in leaves if (part.number or "1") == number), None)


def _leaves(part: Part, must_show: bool) -> Iterator[tuple[Part, bool]]:
    """Parts without parts, and whether a text there is the message itself whatever its name."""
    if not part.parts:
        yield part, must_show
    for index, child in enumerate(part.parts):
        choice = part.kind == "multipart/alternative"
        root = part.kind == "multipart/related" and index == 0
        yield from _leaves(child, (choice or root) and child.disposition != "attachment")


def _attachment(part: Part) -> Attachment:
    content_id = one_line(str(part.get("content-id", ""))).strip("<> ")[:998]
    number = part.number or "1"
    return Attachment(
        part=number,
        filename=part.filename or f"part-{number}.{_ENDINGS.get(part.kind, 'bin')}",
        content_type=part.kind,
        size=len(part.data),
        inline=part.disposition == "inline" or (bool(content_id) and not part.disposition),
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
