"""Mail as bytes: making, reading and threading RFC 5322 messages with the standard library."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.utils import format_datetime, getaddresses, make_msgid
from itertools import pairwise

_PREFIX = re.compile(
    r"^\s*(?:(?:re|fwd?|aw|wg|sv|vs|antw|tr|r)\s*(?:\[\d+\])?\s*[::]\s*)+", re.IGNORECASE
)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:", re.MULTILINE)


@dataclass(frozen=True)
class Attachment:
    name: str
    mime: str
    content: bytes


@dataclass(frozen=True)
class Draft:
    """What a person types; addresses are whole header values ("Bob <bob@globex.test>")."""

    sender: str
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    message_id: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


def _split_addresses(values: list[str]) -> list[tuple[str, str]]:
    try:
        return getaddresses(values)
    except RecursionError:  # a header made to break parsers
        return []


def _addresses(values: tuple[str, ...]) -> list[Address]:
    found = []
    for name, address in _split_addresses(list(values)):
        if "@" in address:
            found.append(Address(display_name=name, addr_spec=address))
    return found


def compose(draft: Draft, now: datetime) -> bytes:
    """The message as bytes with CRLF, with a Message-ID and a Date."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = _addresses((draft.sender,))
    for name, values in (("To", draft.to), ("Cc", draft.cc), ("Bcc", draft.bcc)):
        if values:
            message[name] = _addresses(values)
    message["Subject"] = draft.subject
    message["Date"] = format_datetime(now)
    domain = draft.sender.rpartition("@")[2].strip("> ") or "sandbox.test"
    message["Message-ID"] = draft.message_id or make_msgid(domain=domain)
    if draft.in_reply_to:
        message["In-Reply-To"] = draft.in_reply_to
    references = draft.references or ((draft.in_reply_to,) if draft.in_reply_to else ())
    if references:
        message["References"] = " ".join(references)
    for name, value in draft.headers.items():
        del message[name]
        message[name] = value
    message.set_content(draft.text)
    if draft.html is not None:
        message.add_alternative(draft.html, subtype="html")
    for one in draft.attachments:
        _attach(message, one)
    return message.as_bytes()


def _attach(message: EmailMessage, one: Attachment) -> None:
    main, _, sub = one.mime.partition("/")
    if one.mime == "message/rfc822":  # as it is: MIME allows no base64 there
        inner = message_from_bytes(one.content, policy=policy.SMTP)
        message.add_attachment(inner, filename=one.name)
    else:
        message.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name)


def parse(raw: bytes) -> Message:
    """Headers and parts, leniently."""
    return message_from_bytes(raw, policy=policy.compat32)


def header(raw: bytes, name: str) -> str:
    """The first header of that name, unfolded and decoded; "" when there is none."""
    head, _, _ = split(raw)
    message = message_from_bytes(head + b"\r\n", policy=policy.default)
    try:
        value = message.get(name)
        return " ".join(str(value).split()) if value is not None else ""
    except (
        ValueError,
        IndexError,
        AttributeError,
        TypeError,
        RecursionError,
    ):  # the parser chokes on junk
        found = message_from_bytes(head + b"\r\n", policy=policy.compat32).get(name, "")
        return " ".join(str(found).split())


def split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Header block (with its last line end), the empty line, body."""
    found = re.search(rb"(\r?\n)(\r?\n)", raw)
    if raw[:1] in b"\r\n" and raw:
        end = 2 if raw.startswith(b"\r\n") else 1
        return b"", raw[:end], raw[end:]
    if not found:
        return raw, b"\r\n", b""
    return raw[: found.end(1)], found.group(2), raw[found.end() :]


def fields(raw: bytes) -> list[tuple[str, bytes]]:
    """Header fields in order: (name, whole field with folding and line end)."""
    head, _, _ = split(raw)
    if head and not head.endswith(b"\n"):
        head += b"\r\n"
    starts = [m.start() for m in _FIELD.finditer(head)]
    pieces = [head[a:b] for a, b in pairwise([*starts, len(head)])]
    return [(piece.split(b":", 1)[0].strip().decode("ascii"), piece) for piece in pieces]


def without_bcc(raw: bytes) -> bytes:
    """The message as recipients get it."""
    found = fields(raw)
    kept = [piece for name, piece in found if name.lower() != "bcc"]
    if len(kept) == len(found):
        return raw
    _, gap, body = split(raw)
    return b"".join(kept) + gap + body


def with_headers(raw: bytes, pairs: list[tuple[str, str]]) -> bytes:
    """Put header lines in front, as servers on the way do."""
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return head.encode() + raw


def recipients(raw: bytes) -> list[str]:
    """Bare addresses of To, Cc and Bcc, lower case, in order, without repeats."""
    message = parse(raw)
    values = [str(v) for name in ("To", "Cc", "Bcc") for v in message.get_all(name, [])]
    found = [address.lower() for _, address in _split_addresses(values) if "@" in address]
    return list(dict.fromkeys(found))


def sender(raw: bytes) -> str:
    """The From address, lower case; "" when there is none."""
    found = _split_addresses([str(v) for v in parse(raw).get_all("From", [])])
    return found[0][1].lower() if found else ""


def message_id(raw: bytes) -> str:
    """The Message-ID with its angle brackets; "" when there is none."""
    found = _MESSAGE_ID.search(header(raw, "Message-ID"))
    return found.group() if found else ""


def refers_to(raw: bytes) -> list[str]:
    """Message-IDs of References and In-Reply-To, oldest first, without repeats."""
    text = f"{header(raw, 'References')} {header(raw, 'In-Reply-To')}"
    return list(dict.fromkeys(_MESSAGE_ID.findall(text)))


def base_subject(subject: str) -> str:
    """The subject without "Re:", "Fwd:" and the like, lower case."""
    return " ".join(_PREFIX.sub("", subject).split()).lower()


def body_text(raw: bytes) -> str:
    """The text a person reads: the first text part (plain before HTML); "" when there is none."""
    parts = [p for p in parse(raw).walk() if p.get_content_maintype() == "text"]
    for subtype in ("plain", "html"):
        for part in parts:
            if part.get_content_subtype() == subtype and not part.get_filename():
                return decoded(part)
    return ""


def decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def reply(raw: bytes, sender_line: str, text: str, subject: str | None = None) -> Draft:
    """An answer as a mail program makes it: to the sender, "Re:", In-Reply-To, References."""
    old = header(raw, "Subject")
    prefixed = old if old.lower().startswith("re:") else f"Re: {old}"
    answered = message_id(raw)
    target = header(raw, "Reply-To") or header(raw, "From")
    quoted = "\n".join(f"> {line}" for line in body_text(raw).splitlines())
    head = f"On {header(raw, 'Date')}, {header(raw, 'From')} wrote:"
    return Draft(
        sender=sender_line,
        to=(target,),
        subject=subject or prefixed,
        text=f"{text}\n\n{head}\n{quoted}\n",
        in_reply_to=answered or None,
        references=(*refers_to(raw), answered) if answered else (),
    )


def bare(line: str) -> str:
    """The address of "Bob <bob@globex.test>", lower case; "" when there is none."""
    found = _split_addresses([line])
    return found[0][1].lower() if found else ""
