"""Pages that go on where the last one ended, whatever was added meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

T = TypeVar("T")
Column: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]


class WrongCursor(ValueError):
    """The text is no cursor that a page gave."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items; `next` asks for those that follow, '' at the end."""

    items: tuple[T, ...]
    next: str = ""


def cursor(when: datetime, row_id: int) -> str:
    return f"{when.isoformat()}~{row_id}"


def after(text: str, when: Column, row_id: Column) -> ColumnElement[bool]:
    """What follows a cursor where the newest comes first. Raises WrongCursor."""
    written, _, number = text.rpartition("~")
    try:
        moment, last = datetime.fromisoformat(written), int(number)
    except ValueError:
        raise WrongCursor(text) from None
    if moment.tzinfo is None or not 0 <= last < 2**63:
        raise WrongCursor(text)
    return or_(when < moment, and_(when == moment, row_id < last))


def page(found: Sequence[T], limit: int, cursors: Sequence[str]) -> Page[T]:
    """A page of `limit` items, from a query that asked for one more; `cursors` of each."""
    more = len(found) > limit
    return Page(tuple(found[:limit]), cursors[limit - 1] if more else "")
