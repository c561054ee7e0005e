"""What sort of message it is: written by a person, or by a machine, and by which sort of machine."""

import re

from crm.model import Headers, Kind, Message
from crm.subjects import AUTOMATIC
from crm.text import comparable

_DAEMONS = frozenset({"mailer-daemon", "mail-daemon"})
_EXCHANGE = "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e"  # its own mailbox, everywhere
_BULK = frozenset({"bulk", "list", "junk"})
_AUTO_PRECEDENCE = frozenset({"auto_reply", "auto-reply"})
_NEGATIVE = frozenset({"", "no", "false", "0"})
CALENDAR_CLASS = "urn:content-classes:calendarmessage"
_GOOGLE_CALENDAR = re.compile(r"calendar-[^@]*@google\.com")

# A sentence that only begins like an automatic reply is a person's.
_AUTO_SUBJECT = re.compile(
    rf"(?:{AUTOMATIC})(?: ?(?:[:∶,.;!(–—]|- )| re:|$)"
    r"|(?:auto ?: ?)?.{1,100} is out of (?:the )?office(?:[.(,]| \(|$)"  # Lotus Notes
)
_AUTO_BEGINNING = re.compile(rf"(?:{AUTOMATIC})\b")


def kind(headers: Headers) -> Kind:
    """The kind by the headers alone (rule `automatic`); an ordinary new e-mail is `reply` too.

    Order matters: a delivery report is also auto-submitted; the answer of a calendar too; an
    automatic reply also has an empty Return-Path (RFC 3834 section 3.3), and Gmail's Precedence bulk.
    """
    if _bounce(headers):
        return Kind.BOUNCE
    if _calendar(headers):
        return Kind.CALENDAR
    if _auto_reply(headers):
        return Kind.AUTO_REPLY
    if _returns_nowhere(headers):
        return Kind.BOUNCE
    return Kind.LIST if _list(headers) else Kind.REPLY


def kind_of(message: Message) -> Kind:
    """The kind of a whole message: one that holds an invitation, or the answer to one, beside its
    text (as Outlook and Google write them) does not always say so in its headers."""
    found = kind(message.headers)
    return Kind.CALENDAR if message.calendar and found is not Kind.BOUNCE else found


def _bounce(headers: Headers) -> bool:
    """A report of mail that was not delivered, or late. A postmaster may also write as a person."""
    signs = headers.signs
    if _is_report(headers) and "delivery-status" in signs.content_type.lower():
        return True
    if signs.list_id:
        return False
    local = headers.sender.address.partition("@")[0]
    machine = _submitted(headers) or _returns_nowhere(headers)
    return bool(
        local in _DAEMONS
        or local == _EXCHANGE
        or signs.failed_recipients
        or (local == "postmaster" and machine)
    )


def _calendar(headers: Headers) -> bool:
    signs = headers.signs
    return bool(
        _media_type(signs.content_type) == "text/calendar"
        or signs.content_class.strip().lower() == CALENDAR_CLASS
        or _GOOGLE_CALENDAR.fullmatch(headers.message_id)
    )


def _auto_reply(headers: Headers) -> bool:
    signs = headers.signs
    return bool(
        _submitted(headers)
        or signs.auto_reply.strip().lower() not in _NEGATIVE
        or signs.precedence.strip().lower() in _AUTO_PRECEDENCE
        or _is_report(headers)  # a read receipt
        or (not _list(headers) and _auto_subject(headers))
    )


def _auto_subject(headers: Headers) -> bool:
    """Whether the subject alone says so. Newsletters suppress automatic answers too, so that header
    proves nothing by itself; beside such a subject it does."""
    subject = comparable(headers.subject)
    suppressed = headers.signs.auto_response_suppress.strip().lower() not in {"", "none"}
    return bool(_AUTO_SUBJECT.match(subject) or (suppressed and _AUTO_BEGINNING.match(subject)))


def _submitted(headers: Headers) -> bool:
    """Auto-Submitted with any word but no (RFC 3834, RFC 5436); comments and parameters aside."""
    word = re.split(r"[\s;(]", headers.signs.auto_submitted.strip().lower(), maxsplit=1)[0]
    return word not in {"", "no"}


def _is_report(headers: Headers) -> bool:
    return _media_type(headers.signs.content_type) == "multipart/report"


def _returns_nowhere(headers: Headers) -> bool:
    """Return-Path `<>`; some servers write MAILER-DAEMON for it."""
    path = headers.signs.return_path
    return path is not None and path.strip("<> ").lower() in {"", "mailer-daemon"}


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _list(headers: Headers) -> bool:
    """Mail to many. List-Unsubscribe counts alone: what a program sends to one person in a
    salesperson's name with it cannot be told from a newsletter."""
    signs = headers.signs
    return bool(
        signs.list_id
        or signs.list_unsubscribe
        or signs.list_post
        or signs.precedence.strip().lower() in _BULK
    )
