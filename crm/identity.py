"""What makes two copies of a message the same message (rule `duplicate`). Pure."""

from datetime import datetime
from hashlib import sha256

from crm.message_ids import MADE_BY_GMAIL
from crm.model import Headers


def has_own_id(headers: Headers) -> bool:
    """Whether a message has a Message-ID that all its copies share."""
    return bool(headers.message_id) and MADE_BY_GMAIL not in headers.message_id


def identity(headers: Headers, body: str) -> str:
    """A digest that two copies of one message share, wherever they were read.

    It covers Message-ID, sender and date; where there is no Message-ID, date, sender and `body`,
    whose white space does not count because providers change it. Copies of which only the sender
    or only the date was changed on the way have different digests: `same_message` finds those.
    """
    when = "" if headers.sent_at is None else headers.sent_at.isoformat()
    if has_own_id(headers):
        parts = ("id", headers.message_id, headers.sender.address, when)
    else:
        parts = ("body", " ".join(body.split()), headers.sender.address, when)
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def same_message(headers: Headers, sender: str, sent_at: datetime | None) -> bool:
    """Whether a message and a copy with the same Message-ID, `sender` and Date are the same message.

    A copy has the sender or the date of the other; a message with neither only borrowed the
    Message-ID, and is judged by itself. Two copies that are both the same as a third are the same:
    so it does not matter which of them was seen first (`crm.store.entries`).
    """
    same_date = headers.sent_at is not None and headers.sent_at == sent_at
    return same_date or headers.sender.address == sender
