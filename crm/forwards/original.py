"""The original of a forwarded message: from an attached message, else from the text."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from crm.forwards import body, dates, people
from crm.forwards.marks import Mark, first_mark
from crm.forwards.words import Field
from crm.message_ids import message_id
from crm.messages import parse
from crm.model import Address, Attachment, AutomaticSigns, Message, Place, Ref
from crm.text import one_line

_LONGEST = 2_000_000  # characters of text that are looked at
_LONGEST_SUBJECT = 998
_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The message that was forwarded, as far as it can be known. `sender` has an address."""

    sender: Address
    date: datetime | None = None
    subject: str = ""
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    text: str = ""
    html: str = ""
    message_id: str = ""
    references: tuple[str, ...] = ()  # of the original, oldest first, what it answers last
    signs: AutomaticSigns = field(default_factory=AutomaticSigns)
    attached: bool = False  # it is there whole, as its sender wrote it


def enclosed(message: Message) -> Attachment | None:
    """The attached message, for its bytes to be given to `original`. None where there is none, or
    several: which of them is meant?"""
    found = [one for one in message.attachments if one.content_type == "message/rfc822"]
    return found[0] if len(found) == 1 else None


def original(message: Message, attached: bytes = b"") -> Forwarded | None:
    """The message that was forwarded with `message`: the attached one whose bytes are given, else
    the one in its plain text, else in its HTML made plain. None where it is not sure. Never raises.
    """
    if attached:
        return _attached(attached)
    texts = dict.fromkeys(text[:_LONGEST] for text in (message.plain, message.text) if text)
    return next((one for text in texts if (one := in_text(message, text))), None)


def in_text(message: Message, text: str) -> Forwarded | None:
    """The message that was forwarded in `text`, which belongs to `message`."""
    subject = message.headers.subject
    mark = first_mark(subject)
    found = body.find(text, mark, message.headers.sender.address)
    sender = found.head.sender if found else None
    if found is None or sender is None:
        return None
    fields = found.head.fields
    own = subject.partition(":")[2] if mark is Mark.FORWARD else subject
    return Forwarded(
        sender=sender,
        date=dates.read(fields.get(Field.DATE, ""), found.head.english),
        subject=one_line(fields.get(Field.SUBJECT, own))[:_LONGEST_SUBJECT],
        to=people.recipients(fields.get(Field.TO, "")),
        cc=people.recipients(fields.get(Field.CC, "")),
        text=found.body,
        message_id=message_id(fields.get(Field.MESSAGE_ID, "")),
    )


def _attached(raw: bytes) -> Forwarded | None:
    message = parse(raw, Ref(""), Place.FOLLOWED, _UNDATED)
    headers = message.headers
    if "." not in headers.sender.domain:
        return None
    answered = [one for one in headers.in_reply_to if one not in headers.references]
    return Forwarded(
        sender=headers.sender,
        date=headers.sent_at,
        subject=headers.subject,
        to=headers.to,
        cc=headers.cc,
        text=message.text,
        html=message.html,
        message_id=headers.message_id,
        references=(*headers.references, *answered),
        signs=headers.signs,
        attached=True,
    )
