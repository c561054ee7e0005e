"""What Gmail announces through Pub/Sub, pushed or pulled: pure reading of one message."""

import base64
import binascii
from dataclasses import dataclass

import orjson

MAX_ADDRESS = 320


class NotAnAnnouncement(Exception):
    """The message is not one of Gmail's; the text names the part, never its content."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A mailbox has news."""

    address: str  # lower-cased: Gmail's spelling may differ from the stored one


def parse(message: object) -> Announcement:
    """The announcement in a Pub/Sub message (`{"data": …}`). Raises NotAnAnnouncement.

    `historyId` is left alone: it is a hint about time, never a description of work.
    """
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, str):
        raise NotAnAnnouncement("message.data")
    try:
        body = orjson.loads(_decode(data))
    except (binascii.Error, ValueError) as error:
        raise NotAnAnnouncement("message.data") from error
    address = body.get("emailAddress") if isinstance(body, dict) else None
    if not isinstance(address, str) or not 3 <= len(address) <= MAX_ADDRESS or "@" not in address:
        raise NotAnAnnouncement("emailAddress")
    return Announcement(address.lower())


def _decode(data: str) -> bytes:
    """Both base64 alphabets: Gmail's guide says URL-safe, Pub/Sub's own type is the plain one."""
    plain = data.replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
