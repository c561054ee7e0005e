"""Graph's messages as ours."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

from crm.kinds import CALENDAR_CLASS
from crm.messages import plain_text, read_headers
from crm.model import Attachment, Content, Headers, Message, Place, Ref
from crm.text import clean, one_line
from crm.times import utc
from providers.graph.requests import IN_REPLY_TO, REFERENCES, SIZE
from providers.graph.transport import Json
from providers.graph.wrapped import written_text

RECIPIENTS = (("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients"))
ITEM = "#microsoft.graph.itemAttachment"
LINK = "#microsoft.graph.referenceAttachment"
# What stands in the place of files while Safe Attachments scans them (Dynamic Delivery).
_PLACEHOLDER = re.compile(
    r"(atp|safe attachments?) scan in progress\b.*", re.IGNORECASE | re.DOTALL
)
EVENT = "#microsoft.graph.eventMessage"  # what the types of invitations and answers begin with


def ref_of(raw: Json) -> Ref:
    return Ref(raw["id"], raw.get("conversationId") or "")


def place_of(raw: Json, place: Place) -> Place:
    """`place` of its folder, but what is not sent yet is a draft wherever it lies."""
    return Place.DRAFT if raw.get("isDraft") else place


def is_whole(raw: Json) -> bool:
    """Whether a listing tells all of a message's headers, so that nothing need be asked for.

    An entry for a change has only what changed. Sent mail and drafts have no header fields in any
    listing, which is as much as there is.
    """
    return "internetMessageId" in raw and "receivedDateTime" in raw


def has_fields(raw: Json) -> bool:
    return bool(raw.get("internetMessageHeaders"))


def headers(raw: Json, place: Place) -> Headers:
    """`Headers` of a message that was asked for with `requests.HEADER_FIELDS`."""
    return read_headers(
        _pairs(raw),
        ref_of(raw),
        place_of(raw, place),
        received(raw),
        raw.get("categories") or (),
        raw.get("parentFolderId") or "",
    )


def received(raw: Json) -> datetime:
    """When Exchange received it. A message that does not say is taken for older than any other."""
    when = raw.get("receivedDateTime") or raw.get("sentDateTime")
    return utc(datetime.fromisoformat(when)) if when else datetime.fromtimestamp(0, UTC)


def message(raw: Json, place: Place) -> Message:
    """A whole message. One that was written as plain text has no HTML, whatever Exchange made."""
    head = headers(raw, place)
    body = raw.get("body") or {}
    content = _lines(body.get("content") or "")
    files = tuple(_attachment(one) for one in raw.get("attachments") or ())
    size = _size(raw) or len(content) + sum(file.size for file in files)
    if str(body.get("contentType")).lower() != "html":
        return Message(head, content, "", files, size)
    written = written_text(content)
    if written is not None:
        return Message(head, written, "", files, size)
    return Message(head, plain_text(content), content, files, size)


def _lines(text: str) -> str:
    return clean(text).replace("\r\n", "\n")


def _attachment(raw: Json) -> Attachment:
    kind = raw.get("contentType") or ""
    if raw.get("@odata.type") == ITEM:
        kind = "message/rfc822"
    return Attachment(
        part=raw["id"],
        filename=one_line(raw.get("name") or ""),
        content_type=kind.partition(";")[0].strip().lower() or "application/octet-stream",
        size=int(raw.get("size") or 0),
        inline=bool(raw.get("isInline")),
        content_id=(raw.get("contentId") or "").strip().strip("<>"),
        content=_content(raw),
    )


def _content(raw: Json) -> Content:
    if raw.get("@odata.type") == LINK:
        return Content.LINK
    scanned = _PLACEHOLDER.match(one_line(raw.get("name") or ""))
    return Content.SCANNED if scanned else Content.BYTES


def _size(raw: Json) -> int:
    told = str(_properties(raw).get(SIZE) or "")
    return int(told) if told.isdecimal() else 0


def _properties(raw: Json) -> dict[str, str]:
    found = raw.get("singleValueExtendedProperties") or ()
    return {one.get("id") or "": one.get("value") or "" for one in found}


def _pairs(raw: Json) -> Iterator[tuple[str, str]]:
    """Header fields: those of the message as it came, or made from what Graph read of it.

    Sent mail has no fields in Graph; its threading is in two extended properties where they were
    asked for. Bcc is never among the fields: only the sender's copy has it.
    """
    fields = [
        (one.get("name") or "", one.get("value") or "")
        for one in raw.get("internetMessageHeaders") or ()
    ]
    names = {name.lower() for name, _ in fields}
    yield from fields
    if str(raw.get("@odata.type")).startswith(EVENT):
        yield "Content-Class", CALENDAR_CLASS
    if "from" not in names:
        yield from ((name, value) for name, value in _made(raw) if name.lower() not in names)
    elif "bcc" not in names and raw.get("bccRecipients"):
        yield "Bcc", _addresses(raw["bccRecipients"])


def _made(raw: Json) -> Iterator[tuple[str, str]]:
    sender = raw.get("from") or raw.get("sender")
    if sender:
        yield "From", _addresses([sender])
    for name, key in RECIPIENTS:
        if raw.get(key):
            yield name, _addresses(raw[key])
    for name, value in (
        ("Subject", raw.get("subject")),
        ("Message-ID", raw.get("internetMessageId")),
        ("Date", _date(raw.get("sentDateTime"))),
    ):
        if value:
            yield name, value
    properties = _properties(raw)
    for name, key in (("In-Reply-To", IN_REPLY_TO), ("References", REFERENCES)):
        if properties.get(key):
            yield name, properties[key]


def _addresses(parties: list[Json]) -> str:
    return ", ".join(_address(party.get("emailAddress") or {}) for party in parties)


def _address(party: Json) -> str:
    """An address with its name, quoted, so that no name can end it or begin another."""
    address, name = party.get("address") or "", party.get("name") or ""
    if not name or name == address:
        return f"<{address}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _date(sent: str | None) -> str:
    return format_datetime(utc(datetime.fromisoformat(sent))) if sent else ""
