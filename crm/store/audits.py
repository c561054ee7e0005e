"""Audits: a mailbox's last days are compared with its journal, and what is missing is judged.

An audit goes on from run to run: it is under way while its row has no end, and everything that was
received before `reached` is compared. Numbers alone are kept of the messages.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import aliased

from crm.columns import UtcDateTime
from crm.history import What
from crm.model import MailboxStatus, VerdictKind
from crm.store import again, history, sql
from crm.store.mailbox_rows import Mailbox
from crm.store.nights import next_night
from crm.store.outcomes import Run
from crm.store.runs import renew_lease
from crm.tables import Audit, ConnectedPeriod, JournalRow, MailboxEvent, PendingMessage
from crm.tables import Mailbox as Table

DAYS = 3  # that an audit of the night looks back
MOST_DAYS = 28  # the journal knows no more of refused mail
NIGHTLY, PERSON = "night", "person"
_OPEN = Audit.ended_at.is_(None)
_LEFT_BY_PLACE = ("junk", "trash", "folder")  # a verdict that holds only while it lies there


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit. `looked` messages were compared; of those that were not in the journal, `missed`
    should have been, `logged` of them are now, and `left_out` are rightly not on any timeline."""

    id: int
    asked: str
    began_at: datetime
    ended_at: datetime | None
    since: datetime
    until: datetime | None
    reached: datetime
    tries: int
    failures: int
    looked: int
    missed: int
    logged: int
    left_out: int
    reasons: Mapping[str, int]
    given_up: bool

    @property
    def known(self) -> int:
        """How many were in the journal already."""
        return max(0, self.looked - self.missed - self.left_out)

    @property
    def days(self) -> int:
        return max(1, round(((self.until or self.began_at) - self.since) / timedelta(days=1)))

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        if self.ended_at is not None or self.until is None or self.until <= self.since:
            return 0.0 if self.ended_at is None else 1.0
        return min(1.0, (self.reached - self.since) / (self.until - self.since))


_COLUMNS = tuple(getattr(Audit, name) for name in AuditRow.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Found:
    """What the journal says of a message by now. `received_at` is None where it was refused by its
    place alone; `copied` where it was known by another id, as after a move to another provider."""

    provider_id: str
    verdict: str
    rule: str
    received_at: datetime | None
    copied: bool


@dataclass(frozen=True, slots=True)
class Known:
    """`ids` of messages that the journal knows. Those that are `stale` were refused for their place,
    and lie elsewhere now."""

    ids: frozenset[str]
    stale: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages in no journal: missing ones, a reason for each, and how many of them are logged now;
    `left_out` others rightly were in none."""

    reasons: Sequence[str]
    logged: int
    left_out: int


def begin(
    conn: Connection, account_id: int, mailbox_id: int, days: int, now: datetime
) -> int | None:
    """Somebody wants a connected mailbox's last `days` audited now: it is rung. Gives the audit's id;
    one that is under way goes on, from further back where it must."""
    wanted = Table.account_id == account_id, Table.id == mailbox_id
    reads = Table.status == MailboxStatus.CONNECTED
    due = update(Table).where(*wanted, reads).values(audit_due_at=now).returning(Table.id)
    if conn.scalar(due) is None:
        return None
    again.wake(conn, account_id, [mailbox_id], now)
    under_way = open_one(conn, account_id, mailbox_id)
    if under_way is None:
        return open_new(conn, account_id, mailbox_id, min(days, MOST_DAYS), PERSON, now)
    values: sql.Row = {"asked": PERSON}
    since = _since(conn, account_id, mailbox_id, min(days, MOST_DAYS), now)
    if since < under_way.since:
        values |= {"since": since, "reached": since, "looked": 0}
    _change(conn, account_id, under_way.id, values)
    return under_way.id


def open_new(
    conn: Connection, account_id: int, mailbox_id: int, days: int, who: str, now: datetime
) -> int:
    """Open an audit of what came in the last `days`, but not before the mailbox was connected."""
    since = _since(conn, account_id, mailbox_id, days, now)
    row = {"account_id": account_id, "mailbox_id": mailbox_id, "asked": who}
    values = row | {"began_at": now, "since": since, "reached": since, "reasons": {}}
    return conn.execute(insert(Audit).values(values).returning(Audit.id)).scalar_one()


def _since(
    conn: Connection, account_id: int, mailbox_id: int, days: int, now: datetime
) -> datetime:
    first = conn.scalar(
        select(func.min(ConnectedPeriod.since)).where(
            ConnectedPeriod.account_id == account_id, ConnectedPeriod.mailbox_id == mailbox_id
        )
    )
    return max(now - timedelta(days=days), first or now).replace(microsecond=0)


def open_one(conn: Connection, account_id: int, mailbox_id: int) -> AuditRow | None:
    """The audit that is under way."""
    query = select(*_COLUMNS).where(
        Audit.account_id == account_id, Audit.mailbox_id == mailbox_id, _OPEN
    )
    row = conn.execute(query.order_by(Audit.id).limit(1)).first()
    return AuditRow(*row) if row else None


def one(conn: Connection, account_id: int, audit_id: int) -> AuditRow | None:
    query = select(*_COLUMNS).where(Audit.account_id == account_id, Audit.id == audit_id)
    row = conn.execute(query).first()
    return AuditRow(*row) if row else None


def listing(conn: Connection, account_id: int, mailbox_id: int, limit: int) -> list[AuditRow]:
    """The last audits of a mailbox, the newest first."""
    query = select(*_COLUMNS).where(Audit.account_id == account_id, Audit.mailbox_id == mailbox_id)
    found = conn.execute(query.order_by(Audit.began_at.desc(), Audit.id.desc()).limit(limit))
    return [AuditRow(*row) for row in found]


def known(conn: Connection, mailbox: Mailbox, lying: Mapping[str, bool | None]) -> Known:
    """Which of these messages (provider ids) the journal or the pending list knows. `lying` says of
    each whether it lies where it is followed, None where the listing does not tell."""
    mine = JournalRow.account_id == mailbox.account_id, JournalRow.mailbox_id == mailbox.id
    found: set[str] = set()
    stale: set[str] = set()
    for some in sql.chunks(sorted(lying)):
        rows = conn.execute(
            select(JournalRow.provider_id, JournalRow.verdict, JournalRow.rule).where(
                *mine, JournalRow.provider_id.in_(some)
            )
        )
        for provider_id, verdict, rule in rows:
            by_place = verdict == VerdictKind.REFUSED and rule in _LEFT_BY_PLACE
            kept = stale if by_place and lying.get(provider_id) is not False else found
            kept.add(provider_id)
        waiting = select(PendingMessage.provider_id).where(
            PendingMessage.account_id == mailbox.account_id,
            PendingMessage.mailbox_id == mailbox.id,
            PendingMessage.provider_id.in_(some),
        )
        found.update(conn.scalars(waiting))
    return Known(frozenset(found), frozenset(stale - found))


def known_otherwise(
    conn: Connection, mailbox: Mailbox, digests: Collection[str]
) -> set[tuple[str, str]]:
    """(digest of its Message-ID, sender) of messages that the journal knows, whatever their ids: at
    some providers a message that is moved gets another."""
    found: set[tuple[str, str]] = set()
    for some in sql.chunks(sorted(digests)):
        rows = conn.execute(
            select(JournalRow.message_digest, JournalRow.sender).where(
                JournalRow.account_id == mailbox.account_id,
                JournalRow.mailbox_id == mailbox.id,
                JournalRow.message_digest.in_(some),
                JournalRow.rule.not_in(_LEFT_BY_PLACE),
            )
        )
        found.update((digest, sender) for digest, sender in rows)
    return found


def found(conn: Connection, mailbox: Mailbox, provider_ids: Collection[str]) -> list[Found]:
    """What the journal says of these messages."""
    rows: list[Found] = []
    before = aliased(JournalRow)
    copied = exists().where(
        before.account_id == mailbox.account_id,
        before.mailbox_id == mailbox.id,
        before.message_digest == JournalRow.message_digest,
        before.sender == JournalRow.sender,
        before.message_digest != "",
        before.id < JournalRow.id,
    )
    row = JournalRow
    for some in sql.chunks(sorted(provider_ids)):
        query = select(row.provider_id, row.verdict, row.rule, row.received_at, copied).where(
            JournalRow.account_id == mailbox.account_id,
            JournalRow.mailbox_id == mailbox.id,
            JournalRow.provider_id.in_(some),
        )
        rows += [Found(*row) for row in conn.execute(query)]
    return rows


def happened(
    conn: Connection, mailbox: Mailbox, what: What, since: datetime
) -> list[tuple[datetime, Mapping[str, Any]]]:
    """When something happened to the mailbox since then, with its facts."""
    query = select(MailboxEvent.at, MailboxEvent.facts).where(
        MailboxEvent.account_id == mailbox.account_id,
        MailboxEvent.mailbox_id == mailbox.id,
        MailboxEvent.what == what.value,
        MailboxEvent.at >= since,
    )
    return [(at, facts) for at, facts in conn.execute(query)]


def repaired(conn: Connection, account_id: int, audit_id: int, tally: Tally) -> None:
    """Count what was found in no journal."""
    audit = one(conn, account_id, audit_id)
    if audit is None:
        return
    counted = dict(audit.reasons)
    for reason in tally.reasons:
        counted[reason] = counted.get(reason, 0) + 1
    values = {
        "missed": audit.missed + len(tally.reasons),
        "logged": audit.logged + tally.logged,
        "left_out": audit.left_out + tally.left_out,
        "reasons": counted,
    }
    _change(conn, account_id, audit_id, values)


def reach(
    conn: Connection, run: Run, audit: AuditRow, reached: datetime, looked: int, now: datetime
) -> AuditRow | None:
    """Everything received before `reached` is compared, `looked` messages more; the audit as it is
    then. None where somebody wants it from further back meanwhile. Raises LeaseLost."""
    renew_lease(conn, run.mailbox, run.lease, now + run.ttl)
    values = {"reached": reached, "looked": Audit.looked + looked, "tries": 0, "failures": 0}
    where = (
        Audit.account_id == run.mailbox.account_id,
        Audit.id == audit.id,
        Audit.reached == audit.reached,
    )
    if not conn.execute(update(Audit).where(*where).values(values)).rowcount:
        return None
    return one(conn, run.mailbox.account_id, audit.id)


def set_until(conn: Connection, account_id: int, audit_id: int, until: datetime) -> None:
    """The audit begins, and compares what was received before then."""
    _change(conn, account_id, audit_id, {"until": until})


def put_off(
    conn: Connection, run: Run, audit: AuditRow, due_at: datetime, *, failed: bool = False
) -> None:
    """Go on at `due_at`: it gave way, or the provider failed."""
    name = "failures" if failed else "tries"
    _change(conn, run.mailbox.account_id, audit.id, {name: getattr(audit, name) + 1})
    _due(conn, run.mailbox, due_at)


def later(conn: Connection, run: Run, due_at: datetime) -> None:
    """Go on at `due_at`."""
    _due(conn, run.mailbox, due_at)


def end(
    conn: Connection, run: Run, audit_id: int, now: datetime, *, given_up: bool = False
) -> AuditRow | None:
    """The audit is over, the next one comes in a night. Told where it found something, or where
    somebody asked for it."""
    mailbox = run.mailbox
    _change(conn, mailbox.account_id, audit_id, {"ended_at": now, "given_up": given_up})
    _due(conn, mailbox, next_night(now))
    audit = one(conn, mailbox.account_id, audit_id)
    if audit is not None and not given_up and (audit.missed or audit.asked == PERSON):
        facts = {"days": audit.days, "looked": audit.looked, "missed": audit.missed}
        facts["logged"] = audit.logged
        history.note(conn, mailbox.account_id, mailbox.id, What.AUDITED, now, **facts)
    return audit


def rung(conn: Connection, mailbox: Mailbox) -> bool:
    """Whether somebody rang while the run holds the mailbox."""
    query = select(Table.rung).where(
        Table.account_id == mailbox.account_id, Table.id == mailbox.id
    )  # fmt: skip
    return bool(conn.scalar(query))


def unannounced(
    conn: Connection, mailbox: Mailbox, since: datetime, until: datetime, decided: datetime
) -> int:
    """How many messages that were received in that time have been decided upon since `decided`."""
    query = select(func.count()).where(
        JournalRow.account_id == mailbox.account_id,
        JournalRow.mailbox_id == mailbox.id,
        JournalRow.at >= since,
        JournalRow.at < until,
        JournalRow.received_at.is_not(None),
        JournalRow.decided_at >= decided,
    )
    return conn.scalar(query) or 0


def _change(conn: Connection, account_id: int, audit_id: int, values: sql.Row) -> None:
    conn.execute(
        update(Audit).where(Audit.account_id == account_id, Audit.id == audit_id).values(values)
    )


def _due(conn: Connection, mailbox: Mailbox, when: datetime) -> None:
    """Unless somebody has asked for an audit meanwhile, which the row that is open tells."""
    conn.execute(
        update(Table)
        .where(Table.account_id == mailbox.account_id, Table.id == mailbox.id)
        .values(audit_due_at=literal(when, UtcDateTime()))
    )
