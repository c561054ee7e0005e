"""Settling messages: one transaction for all that a run found out about a batch of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, exists, func, or_, select

from crm.database import alone
from crm.model import Ref, VerdictKind
from crm.store import accounts, again, enrolments, entries, sql, switched, threads, verdicts
from crm.store.context import Contexts, load_context, logged_already
from crm.store.mailbox_rows import Mailbox
from crm.store.outcomes import (
    Committed,
    Later,
    Logged,
    Outcome,
    PendingRow,
    Refused,
    Run,
    Seen,
)
from crm.store.runs import LeaseLost, note_spent, renew_lease
from crm.tables import JournalRow, PendingMessage, Sighting

_MAILBOX: BindParameter[int] = bindparam("mailbox")
_SEEN = select(JournalRow.provider_id).where(
    sql.held(JournalRow),
    JournalRow.mailbox_id == _MAILBOX,
    sql.among(JournalRow.provider_id),
    or_(
        and_(
            JournalRow.verdict == VerdictKind.LOGGED,
            ~exists().where(
                sql.held(Sighting),
                Sighting.mailbox_id == JournalRow.mailbox_id,
                Sighting.provider_id == JournalRow.provider_id,
                ~Sighting.carries,
            ),
        ),
        JournalRow.rule == again.FATAL,
    ),
)
_NAMED = select(JournalRow.provider_id).where(
    sql.held(JournalRow),
    JournalRow.mailbox_id == _MAILBOX,
    sql.among(JournalRow.provider_id),
    JournalRow.received_at.is_not(None),
)
_WAITING = select(PendingMessage.provider_id).where(
    sql.held(PendingMessage),
    PendingMessage.mailbox_id == _MAILBOX,
    sql.among(PendingMessage.provider_id),
    or_(PendingMessage.next_at.is_not(None), PendingMessage.reason == again.FATAL),
)
_DUE = (
    select(
        PendingMessage.provider_id,
        PendingMessage.provider_thread,
        PendingMessage.reason,
        PendingMessage.attempts,
    )
    .where(
        sql.held(PendingMessage),
        PendingMessage.mailbox_id == _MAILBOX,
        PendingMessage.next_at <= bindparam("now"),
    )
    .order_by(PendingMessage.next_at, PendingMessage.id)
    .limit(bindparam("most"))
)
_NEXT = select(func.min(PendingMessage.next_at)).where(
    sql.held(PendingMessage), PendingMessage.mailbox_id == _MAILBOX
)


def commit(
    conn: Connection,
    run: Run,
    outcomes: Sequence[Outcome],
    now: datetime,
    cursor: str | None = None,
    settled_at: datetime | None = None,
) -> Committed:
    """Store what `outcomes` say, the cursor that they lead to, and `settled_at`: the time before
    which everything received is settled (None: as before).

    Safe to repeat, and safe when copies of one message are settled from several mailboxes at once:
    one becomes the entry, the others its sightings. Works in the caller's transaction (of
    `Database.begin`), in which it must come first; raises LeaseLost when another run has the
    mailbox, and then nothing of the transaction may stay.
    """
    mailbox = run.mailbox
    alone(conn, mailbox.account_id)
    blocked = renew_lease(conn, mailbox, run.lease, now + run.ttl, cursor, settled_at)
    note_spent(conn, mailbox, run.lease, run.spent(), now)
    if not outcomes:
        return Committed(blocked_until=blocked)
    account = accounts.for_settling(conn, mailbox.account_id, run.secrets)
    digests = account.digests
    written = entries.write(conn, mailbox, outcomes, now)
    touched = verdicts.write(conn, mailbox, written.outcomes, digests, now)
    if account.tells_refused:
        verdicts.tell_refused(conn, mailbox, written.outcomes, now)
    touched |= switched.after_settling(conn, run, written.outcomes, now)
    moved = threads.mend(conn, mailbox.account_id, written.changed, digests, now)
    named = {digests.of(each) for each in written.message_ids}
    changed = named | {digests.of(each) for each in moved if each}
    touched |= again.after_logging(conn, mailbox.account_id, changed, now)
    touched |= again.copies_of(conn, mailbox.account_id, named, now)
    if written.addresses:
        touched |= again.after_new_addresses(conn, mailbox.account_id, written.addresses, now)
    enrolments.after_logging(conn, mailbox.account_id, written.touched, now)
    woken = again.wake(conn, mailbox.account_id, touched, now)
    return Committed(written.email_ids, frozenset(woken), blocked)


def seen(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref]) -> set[str]:
    """Provider ids of those messages that are logged: nothing can change for these copies; and of
    those that are never to be read by themselves again. One that is refused, or is there by another
    copy alone, may be judged again: labels and places change."""
    return _ids(conn, _SEEN, mailbox, refs)


def named(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref]) -> set[str]:
    """Provider ids of those messages whose headers the journal has read: it knows their senders."""
    return _ids(conn, _NAMED, mailbox, refs)


def waiting(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref]) -> set[str]:
    """Provider ids of those messages that are pending and will be judged in their own time, or when
    a person says so."""
    return _ids(conn, _WAITING, mailbox, refs)


def _ids(conn: Connection, query: Select[str], mailbox: Mailbox, refs: Sequence[Ref]) -> set[str]:
    found: set[str] = set()
    for some in sql.chunks(ref.id for ref in refs):
        values = {"account": mailbox.account_id, "mailbox": mailbox.id, "some": some}
        found.update(conn.scalars(query, values))
    return found


def pending_due(conn: Connection, mailbox: Mailbox, now: datetime, limit: int) -> list[PendingRow]:
    """Messages of the mailbox that are due to be judged (again), longest due first."""
    values = {"account": mailbox.account_id, "mailbox": mailbox.id, "now": now, "most": limit}
    return [
        PendingRow(Ref(row.provider_id, row.provider_thread), row.reason, row.attempts)
        for row in conn.execute(_DUE, values)
    ]


def next_pending(conn: Connection, mailbox: Mailbox) -> datetime | None:
    """When the next pending message of the mailbox is due; None when there is none."""
    return conn.scalar(_NEXT, {"account": mailbox.account_id, "mailbox": mailbox.id})


__all__ = [
    "Committed",
    "Contexts",
    "Later",
    "LeaseLost",
    "Logged",
    "Outcome",
    "PendingRow",
    "Refused",
    "Run",
    "Seen",
    "commit",
    "load_context",
    "logged_already",
    "named",
    "next_pending",
    "pending_due",
    "seen",
    "waiting",
]
