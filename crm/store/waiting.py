"""Messages that wait to be read again, as their mailbox's owner sees and decides about them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from crm.model import VerdictKind
from crm.store import again, sql
from crm.tables import JournalRow, PendingMessage

_SAME = (PendingMessage.mailbox_id == JournalRow.mailbox_id) & (
    PendingMessage.provider_id == JournalRow.provider_id
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message on the pending list: tried `attempts` times, `next_at` None when no more."""

    reason: str
    attempts: int
    next_at: datetime | None
    error: str = ""  # class of the last error


def waiting(conn: Connection, account_id: int, journal_ids: Collection[int]) -> dict[int, Waiting]:
    """Which of these journal rows' messages are on the pending list, by the row's id."""
    found: dict[int, Waiting] = {}
    for some in sql.chunks(journal_ids):
        query = (
            select(
                JournalRow.id,
                PendingMessage.reason,
                PendingMessage.attempts,
                PendingMessage.next_at,
                PendingMessage.last_error,
            )
            .join(PendingMessage, _SAME)
            .where(
                JournalRow.account_id == account_id,
                PendingMessage.account_id == account_id,
                JournalRow.id.in_(some),
            )
        )
        for row in conn.execute(query):
            found[row.id] = Waiting(*row[1:])
    return found


def try_again(conn: Connection, account_id: int, journal_id: int, now: datetime) -> set[int]:
    """Judge one message again now: one that waits, one that was given up, or a refused one. Gives
    the mailboxes that are rung, for the queue."""
    key = _key(conn, account_id, journal_id)
    if key is None:
        return set()
    hurried = conn.execute(
        update(PendingMessage)
        .where(PendingMessage.account_id == account_id, PendingMessage.id == key)
        .values(next_at=now, attempts=0)
        .returning(PendingMessage.mailbox_id)
    )
    return again.wake(conn, account_id, set(hurried.scalars()), now)


def judge_again(conn: Connection, account_id: int, journal_id: int, now: datetime) -> set[int]:
    """Judge one refused message again, whatever refused it but its place. Gives the mailboxes that
    are rung, for the queue."""
    touched = again.these(conn, account_id, [journal_id], again.SETTING, now)
    touched |= again.fatal(conn, account_id, journal_id, now)
    return again.wake(conn, account_id, touched, now)


def give_up(conn: Connection, account_id: int, journal_id: int, now: datetime) -> None:
    """Take a message that could not be read off the pending list; its row then says so."""
    key = _key(conn, account_id, journal_id)
    if key is None:
        return
    conn.execute(
        delete(PendingMessage).where(
            PendingMessage.account_id == account_id, PendingMessage.id == key
        )
    )
    conn.execute(
        update(JournalRow)
        .where(
            JournalRow.account_id == account_id,
            JournalRow.id == journal_id,
            JournalRow.verdict == VerdictKind.PENDING,
        )
        .values(verdict=VerdictKind.REFUSED, decided_at=now)
    )


def _key(conn: Connection, account_id: int, journal_id: int) -> int | None:
    """The pending message of a journal row."""
    query = (
        select(PendingMessage.id)
        .join(JournalRow, _SAME)
        .where(
            JournalRow.account_id == account_id,
            PendingMessage.account_id == account_id,
            JournalRow.id == journal_id,
        )
    )
    return conn.scalar(query)
