"""The cursor of a Graph mailbox: for each followed folder its place and where its changes go on."""

from dataclasses import dataclass
from typing import TypeAlias

import orjson

from crm.model import Place
from providers.client import Cursor, CursorExpired


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one folder's changes go on: a link that Graph gave, or a first request's URL."""

    place: Place
    link: str


Spots: TypeAlias = dict[str, Spot]


def write(spots: Spots) -> Cursor:
    """`spots` by folder id, as text."""
    data = {
        folder: {"place": spot.place.value, "link": spot.link} for folder, spot in spots.items()
    }
    return orjson.dumps(data).decode()


def read(cursor: Cursor) -> Spots:
    """What `write` wrote. Raises CursorExpired for anything else."""
    try:
        return {
            str(folder): Spot(Place(spot["place"]), str(spot["link"]))
            for folder, spot in orjson.loads(cursor).items()
        }
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        raise CursorExpired("not a cursor of this adapter") from None
