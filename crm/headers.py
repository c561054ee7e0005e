"""`Headers` out of raw header fields; every provider's adapter comes through here."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crm.addresses import parse_list
from crm.message_ids import MADE_BY_GMAIL, message_id, message_ids
from crm.model import Address, AutomaticSigns, Headers, Place, Ref
from crm.text import clean, decode_words, one_line
from crm.times import utc

_COMMENT = re.compile(r"\([^()]*\)")
_LONGEST_DATE = 200
_LONGEST_RESULT = 10_000
_MOST_RESULTS = 20  # Authentication-Results that are kept; the topmost counts


AUTO_REPLY = ("X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Mail-Autoreply", "X-Autoreply-From",
              "X-FC-MachineGenerated")  # fmt: skip
# All header fields that are read, for providers that want to be told which ones to give.
FIELDS = (
    "From", "Sender", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
    "X-Google-Original-Message-ID",
    "Auto-Submitted", "List-Id", "List-Unsubscribe", "List-Post", "Precedence", "X-Precedence",
    "Content-Type", "Content-Class", "Return-Path", "X-Auto-Response-Suppress", "X-Failed-Recipients",
    "Authentication-Results", *AUTO_REPLY,
)  # fmt: skip


def read_headers(
    pairs: Iterable[tuple[str, str]],
    ref: Ref,
    place: Place,
    received_at: datetime,
    labels: Iterable[str] = (),
    folder: str = "",
) -> Headers:
    """`Headers` out of raw header fields: (name, value), any case, folded or not, in order.

    Of a header that may occur once, the first that is not empty counts; addresses and ids of
    repeated ones add up. Never raises. Nothing but listed headers is read.
    """
    fields: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        fields[name.strip().lower()].append(value)
    return Headers(
        ref=ref,
        place=place,
        received_at=utc(received_at),
        sender=_sender(fields),
        message_id=_message_id(fields),
        in_reply_to=message_ids(fields.get("in-reply-to", ())),
        references=message_ids(fields.get("references", ())),
        subject=read_subject(_first(fields, "subject")),
        sent_at=read_date(_first(fields, "date")),
        to=parse_list(fields.get("to", ())),
        cc=parse_list(fields.get("cc", ())),
        bcc=parse_list(fields.get("bcc", ())),
        labels=frozenset(clean(label) for label in labels),
        folder=folder,
        signs=_signs(fields),
        authentication=tuple(
            map(_result, fields.get("authentication-results", ())[:_MOST_RESULTS])
        ),
    )


def read_subject(value: str) -> str:
    """A subject header decoded (RFC 2047) and in one line."""
    return one_line(decode_words(one_line(value)))


def read_date(value: str) -> datetime | None:
    """A Date header in UTC; one without a zone is taken for UTC. None where it cannot be read."""
    text = _COMMENT.sub(" ", one_line(value[:_LONGEST_DATE]))
    try:
        return utc(parsedate_to_datetime(text)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def _message_id(fields: dict[str, list[str]]) -> str:
    """Where Gmail replaced an id that it found broken when the message came in, the one that
    everybody else saw. What it replaces when a message goes out is what others see."""
    own = message_id(_first(fields, "message-id"))
    if MADE_BY_GMAIL not in own:
        return own
    return message_id(_first(fields, "x-google-original-message-id")) or own


def _sender(fields: dict[str, list[str]]) -> Address:
    """From; where it has no address, Sender."""
    for name in ("from", "sender"):
        found = parse_list(fields.get(name, ()))
        if found:
            return found[0]
    return Address("", one_line(decode_words(one_line(_first(fields, "from")))))


def _result(value: str) -> str:
    return one_line(value[:_LONGEST_RESULT])


def _signs(fields: dict[str, list[str]]) -> AutomaticSigns:
    return_path = fields.get("return-path")
    return AutomaticSigns(
        auto_submitted=one_line(_first(fields, "auto-submitted")),
        list_id=one_line(_first(fields, "list-id")),
        list_unsubscribe=one_line(_first(fields, "list-unsubscribe")),
        list_post=one_line(_first(fields, "list-post")),
        precedence=one_line(_first(fields, "precedence") or _first(fields, "x-precedence")),
        content_type=one_line(_first(fields, "content-type")),
        return_path=one_line(return_path[0]) if return_path else None,
        auto_response_suppress=one_line(_first(fields, "x-auto-response-suppress")),
        auto_reply=one_line(
            next(filter(None, (_first(fields, one.lower()) for one in AUTO_REPLY)), "")
        ),
        failed_recipients=one_line(_first(fields, "x-failed-recipients")),
        content_class=one_line(_first(fields, "content-class")),
    )


def _first(fields: dict[str, list[str]], name: str) -> str:
    return next((value for value in fields.get(name, ()) if value.strip()), "")
