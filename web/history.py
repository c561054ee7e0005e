"""A mailbox's history: every repair, gap, renewal and cause in plain sentences."""

from dataclasses import dataclass
from datetime import datetime

from flask import Response, abort, render_template, request

from crm.history import sentence
from crm.model import VerdictKind
from crm.store import history
from crm.store.history import Happened
from crm.store.mailboxes import Mailbox
from crm.store.paging import WrongCursor
from providers import causes
from web import live
from web.connect import seen_mailbox
from web.parts import parts
from web.people import me

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    what: str
    sentence: str


def page(mailbox_id: int) -> str:
    """The history of one's own mailbox, or of anybody's for an admin: it names no mail."""
    mailbox = seen_mailbox(mailbox_id)
    after = request.args.get("after", "")
    found, more = _lines(mailbox, after)
    return render_template(
        "history.html",
        mailbox=mailbox,
        own=me().owns(mailbox),
        waiting=VerdictKind.PENDING.value,
        follows=not after,
        **_shown(found, more),
    )


def lines_part(mailbox_id: int) -> Response:
    """The newest lines, for a page that follows itself up."""
    mailbox = seen_mailbox(mailbox_id)
    shown = _shown(*_lines(mailbox, ""))
    version = str(shown.pop("version"))
    return live.part("parts/happenings.html", version, mailbox=mailbox, follows=True, **shown)


def _lines(mailbox: Mailbox, after: str) -> tuple[list[Line], str]:
    with parts().database.read() as conn:
        try:
            found = history.listing(conn, mailbox.account_id, mailbox.id, PER_PAGE, after)
        except WrongCursor:
            abort(404)
    return [Line(each.at, each.what, _told(each)) for each in found.items], found.next


def _told(each: Happened) -> str:
    cause = each.facts.get("cause")
    said = {"sentence": causes.explain(cause).sentence} if isinstance(cause, str) else {}
    return sentence(each.what, said | each.facts)


def _shown(found: list[Line], more: str) -> dict[str, object]:
    return {"lines": found, "more": more, "version": live.version(found)}
