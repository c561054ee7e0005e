"""Searching logged e-mails, on a timeline or all that one may see, and what narrows a timeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from flask import abort, render_template, request, url_for

from crm import words
from crm.model import Direction, Kind
from crm.store import search
from crm.store.paging import WrongCursor
from crm.store.search import Asked, Result
from crm.store.timeline import On, Only
from web.forms import line
from web.parts import parts
from web.people import me


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody asks for in the address of a page."""

    text: str
    only: Only
    directions: ClassVar[Mapping[str, str]] = {
        Direction.INCOMING: "Received",
        Direction.OUTGOING: "Sent",
        Direction.FORWARDED: "Forwarded",
    }
    kinds: ClassVar[Mapping[str, str]] = {
        Kind.REPLY: "Written by people",
        Kind.AUTO_REPLY: "Automatic replies",
        Kind.BOUNCE: "Not delivered",
        Kind.CALENDAR: "Calendar",
        Kind.LIST: "Mailing lists",
    }

    def url(self, endpoint: str, after: str = "", **which: object) -> str:
        """The address of a page that asks for the same."""
        asked = {"q": self.text, "direction": self.only.direction, "kind": self.only.kind}
        given = {name: value for name, value in {**asked, "after": after}.items() if value}
        return url_for(endpoint, **which, **given)  # type: ignore[arg-type]


def form() -> Form:
    """What the address of this page asks for."""
    direction, kind = request.args.get("direction", ""), request.args.get("kind", "")
    only = Only(
        direction if direction in Form.directions else "", kind if kind in Form.kinds else ""
    )
    return Form(line("q"), only)


def page() -> str:
    """What fits among all e-mails that the person may see."""
    asked = form()
    result = results(asked)
    more = asked.url("search", result.page.next) if result and result.page.next else ""
    return render_template("search.html", form=asked, result=result, more=more)


def results(asked: Form, timeline: tuple[On, int] | None = None) -> Result | None:
    """What fits; None where there is nothing to look for."""
    wanted = words.wanted(asked.text)
    if not wanted:
        return None
    with parts().database.read() as conn:
        try:
            return search.emails(
                conn,
                me().viewer,
                Asked(wanted, asked.only, timeline),
                request.args.get("after", ""),
            )
        except WrongCursor:
            abort(404)
