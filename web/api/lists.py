"""Lists: `{"items": [...], "next": cursor or null}`, asked for with `cursor` and `limit`."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import marshmallow as ma

from crm.store.paging import Page, WrongCursor
from web.api.problems import Problem

T = TypeVar("T")
MOST = 200


class Window(ma.Schema):
    """What every list takes."""

    cursor = ma.fields.String(
        load_default="", metadata={"description": "`next` of the page before"}
    )
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, MOST))


@cache  # one schema has one name in the document
def listed(item: type[ma.Schema]) -> type[ma.Schema]:
    """The schema of a page of `item`."""
    fields: dict[str, Any] = {
        "items": ma.fields.List(ma.fields.Nested(item), required=True),
        "next": ma.fields.String(required=True, allow_none=True),
    }
    name = item.__name__.removesuffix("Schema")
    return ma.Schema.from_dict(fields, name=f"{name}List")


def answer(ask: Callable[[], Page[T]], shape: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """A page as JSON. Raises Problem 400 for a cursor that no page gave."""
    try:
        page = ask()
    except WrongCursor:
        raise Problem(400, "`cursor` is none that a page of this list gave.") from None
    return {"items": [shape(each) for each in page.items], "next": page.next or None}
