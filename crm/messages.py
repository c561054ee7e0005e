"""Reading mail: the same message gives the same `Headers` and `Message` through every provider.

Nothing here raises on any input: mail is written by strangers.
"""

from collections.abc import Iterable
from datetime import datetime

from crm.model import Headers, Message, Place, Ref


def read_headers(
    pairs: Iterable[tuple[str, str]],
    ref: Ref,
    place: Place,
    received_at: datetime,
    labels: Iterable[str] = (),
    folder: str = "",
) -> Headers:
    """`Headers` out of raw header fields: (name, value), any case, folded or not, in order."""
    raise NotImplementedError


def parse(
    raw: bytes,
    ref: Ref,
    place: Place,
    received_at: datetime,
    labels: Iterable[str] = (),
    folder: str = "",
) -> Message:
    """A whole message out of its RFC 5322 bytes; attachments as metadata."""
    raise NotImplementedError


def attachment(raw: bytes, part: str) -> bytes | None:
    """The decoded bytes of the attachment with this part number, None where there is none."""
    raise NotImplementedError


def plain_text(html: str) -> str:
    """`html` as plain text."""
    raise NotImplementedError


def snippet(text: str, length: int = 200) -> str:
    """The first characters of what is new in `text`, in one line, quoted history left out."""
    raise NotImplementedError


def fold(text: str) -> tuple[str, str]:
    """`text` as (what is new, quoted history); joined they are `text` again."""
    raise NotImplementedError
