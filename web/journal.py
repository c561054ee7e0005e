"""The journal over a person's own mailboxes: what became of every message, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.journal_lines import Line, lines
from crm.model import MailboxStatus, VerdictKind
from crm.rules.registry import BY_ID
from crm.rules.rule import Effect
from crm.store import journal, mailboxes
from crm.store.journal import Filter
from crm.store.mailboxes import Mailbox
from crm.store.paging import WrongCursor
from web import journal_chart, live
from web.connect import owned_mailbox
from web.parts import parts
from web.people import me

NEWEST = 5
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the page was asked for; empty fields do not narrow."""

    sender: str = ""
    since: date | None = None
    until: date | None = None  # that day included
    mailbox: int | None = None
    rule: str = ""
    verdict: str = ""

    def link(self, endpoint: str = "why", **changes: Any) -> str:
        """The address of a page that is asked for the same, with some changes."""
        given = {
            "sender": self.sender or None,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "mailbox": self.mailbox,
            "rule": self.rule or None,
            "verdict": self.verdict or None,
        }
        return url_for(endpoint, **given | changes)

    def day(self, day: date) -> str:
        """The page of one day."""
        return self.link(**{"from": day.isoformat(), "to": day.isoformat()})

    @property
    def narrows(self) -> bool:
        return bool(self.sender or self.since or self.until or self.rule or self.verdict)

    @property
    def filter(self) -> Filter:
        """As the store takes it; days are those of UTC."""
        after = self.until + timedelta(days=1) if self.until else None
        return Filter(
            self.sender,
            self.rule,
            self.verdict,
            since=_midnight(self.since),
            until=_midnight(after),
        )


def page() -> str:
    """The journal, its question first."""
    own = _own()
    if not own:
        return render_template("why/none.html")
    wanted = _wanted()
    boxes = _chosen(own, wanted)
    after = request.args.get("after", "")
    found, more = _lines(boxes, wanted.filter, after)
    return render_template(
        "why/journal.html",
        own=own,
        boxes=boxes,
        wanted=wanted,
        rules=refusing_rules(),
        lines=found,
        more=more,
        version=_version(found),
        versions=row_version,
        chart=_chart(boxes, wanted),
        follows=not after and not wanted.rule and not wanted.verdict,
    )


def lines_part() -> Response:
    """The rows of the first page, for a page that follows itself up."""
    own = _own()
    wanted = _wanted()
    boxes = _chosen(own, wanted)
    found, more = _lines(boxes, wanted.filter)
    return live.part(
        "why/lines.html",
        _version(found),
        own=own,
        boxes=boxes,
        wanted=wanted,
        lines=found,
        more=more,
        versions=row_version,
        follows=True,
    )


def of_mailbox(mailbox_id: int) -> AnyResponse:
    """The journal of one mailbox has its address; it is the same page."""
    mailbox = owned_mailbox(mailbox_id)
    given: dict[str, Any] = {**request.args.to_dict(), "mailbox": mailbox.id}
    return redirect(url_for("why", **given))


def newest_part(mailbox_id: int) -> Response:
    """The newest verdicts, for the test on the page after connecting."""
    mailbox = owned_mailbox(mailbox_id)
    found, _ = _lines([mailbox], Filter(), limit=NEWEST)
    shown = live.version(_version(found), mailbox.last_synced_at is None)
    return live.part("parts/newest.html", shown, mailbox=mailbox, lines=found)


def refusing_rules() -> list[tuple[str, str]]:
    return [(rule.id, rule.title) for rule in BY_ID.values() if rule.effect is Effect.REFUSES]


def row_version(line: Line) -> str:
    """A name for what a row shows."""
    return live.version(line.entry.decided_at, line.words, line.again)


def _own() -> list[Mailbox]:
    with parts().database.read() as conn:
        found = mailboxes.list_mailboxes(conn, me().account_id)
    own = [each for each in found if me().owns(each)]
    return sorted(own, key=lambda each: each.status is not MailboxStatus.CONNECTED)


def _chosen(own: Sequence[Mailbox], wanted: Wanted) -> list[Mailbox]:
    chosen = [each for each in own if wanted.mailbox in {None, each.id}]
    return chosen or abort(404)


def _wanted() -> Wanted:
    given = request.args
    verdict = given.get("verdict", "")
    return Wanted(
        sender=" ".join(given.get("sender", "").split())[:2000],
        since=_day(given.get("from", "")),
        until=_day(given.get("to", "")),
        mailbox=given.get("mailbox", type=int),
        rule=given.get("rule", "")[:40],
        verdict=verdict if verdict in {*VerdictKind, journal.GIVEN_UP} else "",
    )


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year < 9999 else None


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _lines(
    boxes: Sequence[Mailbox], wanted: Filter, after: str = "", limit: int = PER_PAGE
) -> tuple[list[Line], str]:
    who = me()
    with parts().database.read() as conn:
        try:
            ids = [each.id for each in boxes]
            found = journal.rows_of(conn, who.account_id, ids, wanted, after, limit)
        except WrongCursor:
            abort(404)
        return lines(conn, who.viewer, found.items, boxes, who.is_admin), found.next


def _chart(boxes: Sequence[Mailbox], wanted: Wanted) -> journal_chart.Chart:
    today = parts().clock().date()
    since = today - timedelta(days=journal_chart.DAYS - 1)
    with parts().database.read() as conn:
        ids = [each.id for each in boxes]
        start = datetime.combine(since, time(), UTC)
        found = journal.counts(conn, me().account_id, ids, start, Filter(sender=wanted.sender))
    return journal_chart.chart(found, today)


def _version(found: Sequence[Line]) -> str:
    return live.version(*((each.entry.id, row_version(each)) for each in found))
