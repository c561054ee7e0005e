"""Settling messages: one transaction for all that a run found out about a batch of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from crm.database import alone
from crm.model import Ref, VerdictKind
from crm.store import accounts, again, entries, sql, verdicts
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
from crm.store.runs import LeaseLost, renew_lease
from crm.tables import JournalRow, PendingMessage
from crm.tables import Mailbox as MailboxTable


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
    renew_lease(conn, mailbox, run.lease, now, run.ttl)
    _advance(conn, mailbox, cursor, settled_at)
    if not outcomes:
        return Committed()
    digests = accounts.digests(conn, mailbox.account_id, run.secrets)
    written = entries.write(conn, mailbox, outcomes, now)
    touched = verdicts.write(conn, mailbox, written.outcomes, digests, now)
    new_ids = {digests.of(each) for each in written.message_ids if each}
    touched |= again.after_logging(conn, mailbox.account_id, new_ids, now)
    if written.addresses:
        touched |= again.after_new_addresses(conn, mailbox.account_id, written.addresses, now)
    woken = again.wake(conn, mailbox.account_id, touched, now)
    return Committed(email_ids=written.email_ids, woken=frozenset(woken))


def _advance(
    conn: Connection, mailbox: Mailbox, cursor: str | None, settled_at: datetime | None
) -> None:
    values: dict[str, Any] = {}
    if cursor is not None:
        values["cursor"] = cursor
    if settled_at is not None:
        values["settled_at"] = settled_at
    if values:
        conn.execute(
            update(MailboxTable)
            .where(MailboxTable.account_id == mailbox.account_id, MailboxTable.id == mailbox.id)
            .values(values)
        )


def seen(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref]) -> set[str]:
    """Provider ids of those messages that are logged: nothing can change for these copies. A
    refused one may be judged again, because labels and places change."""
    found: set[str] = set()
    for some in sql.chunks(ref.id for ref in refs):
        query = select(JournalRow.provider_id).where(
            JournalRow.account_id == mailbox.account_id,
            JournalRow.mailbox_id == mailbox.id,
            JournalRow.provider_id.in_(some),
            JournalRow.verdict == VerdictKind.LOGGED,
        )
        found.update(conn.scalars(query))
    return found


def waiting(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref]) -> set[str]:
    """Provider ids of those messages that are pending and will be judged in their own time."""
    found: set[str] = set()
    for some in sql.chunks(ref.id for ref in refs):
        query = select(PendingMessage.provider_id).where(
            PendingMessage.account_id == mailbox.account_id,
            PendingMessage.mailbox_id == mailbox.id,
            PendingMessage.provider_id.in_(some),
            PendingMessage.next_at.is_not(None),
        )
        found.update(conn.scalars(query))
    return found


def pending_due(conn: Connection, mailbox: Mailbox, now: datetime, limit: int) -> list[PendingRow]:
    """Messages of the mailbox that are due to be judged (again), longest due first."""
    table = PendingMessage
    query = (
        select(table.provider_id, table.provider_thread, table.reason, table.attempts)
        .where(
            table.account_id == mailbox.account_id,
            table.mailbox_id == mailbox.id,
            table.next_at <= now,
        )
        .order_by(table.next_at, table.id)
        .limit(limit)
    )
    return [
        PendingRow(Ref(row.provider_id, row.provider_thread), row.reason, row.attempts)
        for row in conn.execute(query)
    ]


def next_pending(conn: Connection, mailbox: Mailbox) -> datetime | None:
    """When the next pending message of the mailbox is due; None when there is none."""
    table = PendingMessage
    return conn.scalar(
        select(func.min(table.next_at)).where(
            table.account_id == mailbox.account_id, table.mailbox_id == mailbox.id
        )
    )


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
    "next_pending",
    "pending_due",
    "seen",
    "waiting",
]
