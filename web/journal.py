"""The journal of a mailbox: what became of every message, and why. For its owner alone."""

from dataclasses import dataclass, replace
from datetime import timedelta

from flask import Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.model import MailboxStatus, VerdictKind
from crm.rules.registry import BY_ID
from crm.rules.rule import Effect
from crm.store import journal, mailboxes
from crm.store.journal import Entry, Filter
from crm.store.mailboxes import Mailbox
from crm.store.paging import WrongCursor
from crm.store.visibility import may_see
from web import live
from web.connect import owned_mailbox
from web.parts import parts
from web.people import me

NEWEST = 5
PENDING = "It could not be read yet and is tried again."
_WORDS = {
    VerdictKind.LOGGED: "logged",
    VerdictKind.REFUSED: "not logged",
    VerdictKind.PENDING: "waiting",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A journal row in words."""

    entry: Entry
    verdict: str
    title: str
    sentence: str
    remedy: str


def why() -> str | AnyResponse:
    """The journal of the person's first mailbox; a hint when there is none."""
    own = _own()
    if own:
        return redirect(url_for("journal", mailbox_id=own[0].id))
    return render_template("why.html")


def page(mailbox_id: int) -> str:
    mailbox = owned_mailbox(mailbox_id)
    wanted = _filter()
    lines, more = _lines(mailbox, wanted, request.args.get("after", ""))
    return render_template(
        "journal.html",
        mailbox=mailbox,
        own=_own(),
        wanted=wanted,
        rules=_refusing_rules(),
        lines=lines,
        more=more,
        version=_version(lines),
        today=_today(mailbox),
        first_page="after" not in request.args,
    )


def lines_part(mailbox_id: int) -> Response:
    """The rows of the first page, for a page that follows itself up."""
    mailbox = owned_mailbox(mailbox_id)
    wanted = _filter()
    lines, more = _lines(mailbox, wanted)
    return live.part(
        "parts/journal_lines.html",
        _version(lines),
        mailbox=mailbox,
        wanted=wanted,
        lines=lines,
        more=more,
        first_page=True,
    )


def newest_part(mailbox_id: int) -> Response:
    """The newest verdicts, for the test on the page after connecting."""
    mailbox = owned_mailbox(mailbox_id)
    lines, _ = _lines(mailbox, Filter(), limit=NEWEST)
    shown = live.version(_version(lines), mailbox.last_synced_at is None)
    return live.part("parts/newest.html", shown, mailbox=mailbox, lines=lines)


def _own() -> list[Mailbox]:
    with parts().database.read() as conn:
        found = mailboxes.list_mailboxes(conn, me().account_id)
    own = [each for each in found if me().owns(each)]
    return sorted(own, key=lambda each: each.status is not MailboxStatus.CONNECTED)


def _filter() -> Filter:
    verdict = request.args.get("verdict", "")
    return Filter(
        sender=request.args.get("sender", "").strip()[:320],
        rule=request.args.get("rule", "")[:40],
        verdict=verdict if verdict in set(VerdictKind) else "",
    )


def _lines(
    mailbox: Mailbox, wanted: Filter, after: str = "", limit: int = 50
) -> tuple[list[Line], str]:
    with parts().database.read() as conn:
        try:
            found = journal.rows(conn, mailbox.account_id, mailbox.id, wanted, after, limit)
        except WrongCursor:
            abort(404)
        seen = may_see(conn, me().viewer, [each.email_id for each in found.items if each.email_id])
    entries = (
        each if each.email_id in seen else replace(each, email_id=None) for each in found.items
    )
    return [_line(each) for each in entries], found.next


def _line(entry: Entry) -> Line:
    verdict = VerdictKind(entry.verdict)
    rule = BY_ID.get(entry.rule)
    if verdict is VerdictKind.PENDING:
        return Line(entry, _WORDS[verdict], "Waiting", PENDING, "Nothing to do.")
    if rule is None:
        return Line(entry, _WORDS[verdict], entry.rule, f"Rule {entry.rule}.", "")
    remedy = rule.remedy if verdict is VerdictKind.REFUSED else ""
    return Line(entry, _WORDS[verdict], rule.title, rule.summary, remedy)


def _refusing_rules() -> list[tuple[str, str]]:
    return [(rule.id, rule.title) for rule in BY_ID.values() if rule.effect is Effect.REFUSES]


def _today(mailbox: Mailbox) -> mailboxes.Counts:
    since = parts().clock() - timedelta(hours=24)
    with parts().database.read() as conn:
        counts = mailboxes.counts(conn, mailbox.account_id, since)
    return counts.get(mailbox.id, mailboxes.Counts())


def _version(lines: list[Line]) -> str:
    return live.version(*((each.entry.id, each.entry.decided_at, each.verdict) for each in lines))
