"""Reading a message's bytes into what Exchange keeps of them."""

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from sandbox import mail

_QUOTE = re.compile(
    r"(^|\n)(On .{5,200}wrote:|-{2,} ?Original Message ?-{2,}|From: .*\nSent: |_{20,}|>)", re.DOTALL
)
_HTML_QUOTE = re.compile(
    r'<blockquote|<div id="?(divRplyFwdMsg|appendonsend)|<div class="?gmail_quote', re.IGNORECASE
)
_UNSAFE = re.compile(
    r"<(script|object|iframe|form)\b.*?</\1\s*>|<(script|object|embed)\b[^>]*>|\son\w+\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Part:
    """An attachment. `kind` is "file" or "item" (a message in the message)."""

    kind: str
    name: str
    content_type: str
    content: bytes
    inline: bool
    content_id: str


@dataclass
class Parsed:
    subject: str = ""
    message_id: str = ""
    sent_at: datetime | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    addresses: dict[str, list[tuple[str, str]]] = field(
        default_factory=dict
    )  # "to" -> name, address
    text: str = ""
    html: str = ""
    parts: list[Part] = field(default_factory=list)
    meeting: str = ""  # method of a calendar part

    def header(self, name: str) -> str:
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")

    @property
    def plain(self) -> str:
        """The body as text."""
        return to_text(self.html) if self.html else self.text


def parse(raw: bytes) -> Parsed:
    """Never raises: what cannot be read is left out."""
    message = mail.parse(raw)
    parsed = Parsed(mail.header(raw, "Subject"), mail.message_id(raw), _date(raw))
    parsed.headers = [(name, _unfold(piece)) for name, piece in mail.fields(raw)]
    there = {name.lower() for name, _ in parsed.headers}
    for name in ("From", "Sender", "Reply-To", "To", "Cc", "Bcc"):
        parsed.addresses[name.lower()] = _addresses(raw, name) if name.lower() in there else []
    _walk(message, parsed)
    return parsed


def _unfold(piece: bytes) -> str:
    value = piece.split(b":", 1)[1].decode("utf-8", "replace")
    return re.sub(r"\r?\n[ \t]", " ", value).strip()


def _date(raw: bytes) -> datetime | None:
    try:
        when = parsedate_to_datetime(mail.header(raw, "Date"))
    except (ValueError, TypeError, IndexError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _addresses(raw: bytes, name: str) -> list[tuple[str, str]]:
    text = mail.header(raw, name)
    return [(n, a) for n, a in getaddresses([text]) if a] if text else []


def _walk(message: Message, parsed: Parsed) -> None:
    for part in _leaves(message):
        kind = part.get_content_type()
        named = bool(part.get_filename()) or part.get_content_disposition() == "attachment"
        if kind == "text/calendar" and not named:
            parsed.meeting = str(part.get_param("method", "REQUEST"))
        elif kind == "text/html" and not named and not parsed.html:
            parsed.html = mail.decoded(part)
        elif kind == "text/plain" and not named and not parsed.text:
            parsed.text = mail.decoded(part)
        else:
            parsed.parts.append(_part(part, parsed.html))


def _leaves(message: Message) -> list[Message]:
    """Parts without parts; a message within is one leaf."""
    if message.get_content_maintype() == "message" or not message.is_multipart():
        return [message]
    found: list[Message] = []
    for part in message.get_payload():
        if isinstance(part, Message):
            found += _leaves(part)
    return found


def _part(part: Message, body: str) -> Part:
    kind = part.get_content_type()
    content_id = str(part.get("Content-ID", "")).strip().strip("<>")
    name = mail.header(
        b"Subject: " + str(part.get_filename() or "").encode() + b"\r\n\r\n", "Subject"
    )
    inline = part.get_content_disposition() == "inline" or (content_id != "" and content_id in body)
    if kind == "message/rfc822":
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else None
        within = first.as_bytes() if isinstance(first, Message) else b""
        title = name or mail.header(within, "Subject") or "message"
        return Part("item", title, kind, within, False, content_id)
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    return Part("file", name or f"{kind.replace('/', '.')}", kind, content, inline, content_id)


def to_text(markup: str) -> str:
    """A plain rendering of HTML, as coarse as Exchange's."""
    text = re.sub(r"<(head|style|script)\b.*?</\1\s*>", "", markup, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"<(br|/p|/div|/tr|/li|/h\d|hr)\b[^>]*>", "\r\n", text, flags=re.IGNORECASE)
    text = html.unescape(re.sub(r"<[^>]+>", "", text))
    return re.sub(r"[ \t]*\r\n[ \t]*", "\r\n", text).strip()


def to_html(text: str) -> str:
    """A plain body in the HTML clothes Exchange puts on it."""
    inner = html.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>\r\n")
    head = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
    return f'<html><head>\r\n{head}</head><body><div class="PlainText">{inner}</div></body></html>'


def safe_html(markup: str) -> str:
    """Without script and the like, which Graph takes out unless asked not to."""
    return _UNSAFE.sub("", markup)


def unique_text(text: str) -> str:
    """What is new in a plain body: all before the first quotation."""
    found = _QUOTE.search(text.replace("\r\n", "\n"))
    return text.replace("\r\n", "\n")[: found.start()].rstrip() if found else text


def unique_html(markup: str) -> str:
    found = _HTML_QUOTE.search(markup)
    return markup[: found.start()] if found else markup
