"""Reading mail: the same message gives the same `Headers` and `Message` through every provider.

Nothing here raises on any input: mail is written by strangers.
"""

from collections.abc import Iterable
from datetime import datetime

from crm.headers import read_headers
from crm.html_text import plain_text
from crm.mime import content, part_bytes, read
from crm.model import Message, Place, Ref
from crm.quotes import fold, snippet

__all__ = ["attachment", "fold", "parse", "plain_text", "read_headers", "snippet"]


def parse(
    raw: bytes,
    ref: Ref,
    place: Place,
    received_at: datetime,
    labels: Iterable[str] = (),
    folder: str = "",
) -> Message:
    """A whole message out of its RFC 5322 bytes; attachments as metadata."""
    tree = read(raw)
    found = content(tree)
    return Message(
        headers=read_headers(tree.raw_items(), ref, place, received_at, labels, folder),
        text=plain_text(found.html) if found.html else found.text,
        html=found.html,
        attachments=found.attachments,
        calendar=found.calendar,
        plain=found.text,
    )


def attachment(raw: bytes, part: str) -> bytes | None:
    """The decoded bytes of the attachment with this part number, None where there is none."""
    return part_bytes(read(raw), part)
