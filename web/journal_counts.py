"""Counts of all mailboxes for admins: how many messages, by reason; never whose."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from flask import render_template

from crm.model import VerdictKind
from crm.rules.registry import BY_ID
from crm.store import accounts, journal, mailboxes
from crm.store.journal import Count
from web.journal_chart import chart
from web.parts import parts
from web.people import admin_only, me

_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """How one mailbox did in the last 30 days."""

    address: str
    owner: str
    logged: int
    refused: int
    waiting: int
    reasons: tuple[tuple[str, int], ...]  # the commonest


def page() -> str:
    admin_only()
    here, account = parts(), me().account_id
    today = here.clock().date()
    since = datetime.combine(today - timedelta(days=journal.KEPT_DAYS), time(), UTC)
    with here.database.read() as conn:
        boxes = mailboxes.list_mailboxes(conn, account)
        owners = {each.id: each.name or each.address for each in accounts.users(conn, account)}
        counts = journal.counts(conn, account, [each.id for each in boxes], since)
    rows = [
        _row(
            box.address,
            owners.get(box.user_id or 0, ""),
            [c for c in counts if c.mailbox_id == box.id],
        )
        for box in boxes
    ]
    return render_template("why/counts.html", rows=rows, chart=chart(counts, today))


def _row(address: str, owner: str, counts: list[Count]) -> Row:
    by = Counter[str]()
    rules = Counter[str]()
    for each in counts:
        by[each.verdict] += each.number
        if each.verdict == VerdictKind.REFUSED:
            rules[each.rule] += each.number
    reasons = tuple(
        (BY_ID[rule].title if rule in BY_ID else rule, number)
        for rule, number in rules.most_common(_MOST_REASONS)
    )
    return Row(
        address,
        owner,
        by[VerdictKind.LOGGED],
        by[VerdictKind.REFUSED],
        by[VerdictKind.PENDING],
        reasons,
    )
