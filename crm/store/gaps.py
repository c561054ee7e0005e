"""Gaps: times during which a mailbox was not connected. What arrived in one is counted, and read where
its owner chooses so; the choice is made each time and is never a default."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from crm.history import What
from crm.model import GapState, VerdictKind
from crm.store import again, history, sql
from crm.tables import ConnectedPeriod, Gap, JournalRow, Mailbox

DISCONNECTED = "disconnected"  # the rule
MOST_COUNTED = 5_000  # messages; beyond, there are "more than" so many
MOST_ATTEMPTS = 5  # to count; then its owner decides without the number
_SHOWN = (GapState.COUNTING, GapState.OPEN, GapState.READING)


@dataclass(frozen=True, slots=True)
class GapRow:
    """One gap. `arrived`: how many messages are known to have arrived; where counting ended early,
    there are more. `found` and `logged`: how many were read since its owner chose so.
    `provider_since`: when the mailbox was connected with another provider than before."""

    id: int
    mailbox_id: int
    since: datetime
    until: datetime
    state: GapState
    arrived: int
    attempts: int
    read_to: datetime | None
    found: int
    logged: int
    chosen_at: datetime | None
    provider_since: datetime | None

    @property
    def moved(self) -> bool:
        """Whether the mailbox was connected all the time, but with another provider."""
        since = self.provider_since
        return since is not None and since.replace(microsecond=0) == self.until


_COLUMNS = (
    Gap.id,
    Gap.mailbox_id,
    Gap.since,
    Gap.until,
    Gap.state,
    Gap.arrived,
    Gap.attempts,
    Gap.read_to,
    Gap.found,
    Gap.logged,
    Gap.chosen_at,
    Mailbox.provider_since,
)


def begin(
    conn: Connection, account_id: int, mailbox_id: int, since: datetime, until: datetime
) -> None:
    """The mailbox was not connected from `since` to `until`; what arrived is to be counted."""
    row = {
        "account_id": account_id,
        "mailbox_id": mailbox_id,
        "since": since,
        "until": until,
        "state": GapState.COUNTING,
    }
    sql.add_missing(conn, Gap, [row])


def undecided(conn: Connection, account_id: int, mailbox_ids: Collection[int]) -> list[GapRow]:
    """Gaps that their owner has to decide about, or that are being read; oldest first."""
    return _rows(conn, account_id, Gap.mailbox_id.in_(sorted(mailbox_ids)), Gap.state.in_(_SHOWN))


def latest(conn: Connection, account_id: int, mailbox_id: int) -> GapRow | None:
    """The newest gap of a mailbox, whatever became of it."""
    found = _rows(conn, account_id, Gap.mailbox_id == mailbox_id)
    return found[-1] if found else None


def work(conn: Connection, account_id: int, mailbox_id: int) -> list[GapRow]:
    """Gaps of a mailbox that a run has something to do for."""
    doing = Gap.state.in_((GapState.COUNTING, GapState.READING))
    return _rows(conn, account_id, Gap.mailbox_id == mailbox_id, doing)


def counted(
    conn: Connection, account_id: int, gap_id: int, arrived: int, *, done: bool = False
) -> None:
    """So many messages arrived in it, as far as is known; `done`: its owner may decide."""
    state = (GapState.OPEN if arrived else GapState.EMPTY) if done else GapState.COUNTING
    _change(conn, account_id, gap_id, GapState.COUNTING, arrived=arrived, state=state)


def not_counted(conn: Connection, account_id: int, gap_id: int, attempts: int) -> None:
    """Counting failed for the `attempts`th time; after some its owner decides without the number."""
    over = attempts >= MOST_ATTEMPTS
    state = GapState.OPEN if over else GapState.COUNTING
    _change(conn, account_id, gap_id, GapState.COUNTING, attempts=attempts, state=state)


def read(conn: Connection, account_id: int, gap_id: int, now: datetime) -> set[int]:
    """Its owner wants it read: from now on the mailbox counts as connected all that time, and the
    next run judges what arrived. Gives the mailboxes that are rung, for the queue."""
    row = _one(conn, account_id, gap_id)
    if row is None or row.state not in {GapState.OPEN, GapState.COUNTING}:
        return set()
    _join_periods(conn, account_id, row)
    values = {"state": GapState.READING, "chosen_at": now, "read_to": row.since}
    _change(conn, account_id, gap_id, row.state, **values)
    return again.wake(conn, account_id, [row.mailbox_id], now)


def leave(conn: Connection, account_id: int, gap_id: int, now: datetime) -> None:
    """Its owner wants it left as it is."""
    row = _one(conn, account_id, gap_id)
    if row is None or row.state not in {GapState.OPEN, GapState.COUNTING}:
        return
    _change(conn, account_id, gap_id, row.state, state=GapState.LEFT, chosen_at=now)
    history.note(conn, account_id, row.mailbox_id, What.GAP_LEFT, now)


def judged(
    conn: Connection, account_id: int, mailbox_id: int, message_ids: Collection[str]
) -> set[str]:
    """Which of these messages (provider ids) need not be judged again: another rule than that of the
    gap decided about them."""
    found: set[str] = set()
    for some in sql.chunks(sorted(message_ids)):
        query = select(JournalRow.provider_id).where(
            JournalRow.account_id == account_id,
            JournalRow.mailbox_id == mailbox_id,
            JournalRow.provider_id.in_(some),
            JournalRow.rule != DISCONNECTED,
        )
        found.update(conn.scalars(query))
    return found


def read_up_to(
    conn: Connection, account_id: int, gap_id: int, up_to: datetime, found: int, now: datetime
) -> None:
    """All that was received before `up_to` is judged; `found` more messages were looked at."""
    row = _one(conn, account_id, gap_id)
    if row is None:
        return
    logged = conn.scalar(
        select(func.count()).where(
            JournalRow.account_id == account_id,
            JournalRow.mailbox_id == row.mailbox_id,
            JournalRow.verdict == VerdictKind.LOGGED,
            JournalRow.at >= row.since,
            JournalRow.at < row.until,
            JournalRow.decided_at >= (row.chosen_at or row.until),
        )
    )
    done = up_to >= row.until
    values = {
        "read_to": up_to,
        "found": row.found + found,
        "logged": logged or 0,
        "state": GapState.READ if done else GapState.READING,
    }
    changed = _change(conn, account_id, row.id, GapState.READING, **values)
    if done and changed:
        facts = {"found": row.found + found, "logged": logged or 0}
        history.note(conn, account_id, row.mailbox_id, What.GAP_READ, now, **facts)


def _join_periods(conn: Connection, account_id: int, row: GapRow) -> None:
    """The period before the gap and the one after it become one: `disconnected` refuses no more."""
    table = ConnectedPeriod
    mine = (table.account_id == account_id, table.mailbox_id == row.mailbox_id)
    after = conn.execute(
        select(table.id, table.until).where(*mine, table.since == row.until)
    ).first()
    if after is None:
        return
    conn.execute(delete(table).where(*mine, table.id == after.id))
    conn.execute(update(table).where(*mine, table.until == row.since).values(until=after.until))


def _one(conn: Connection, account_id: int, gap_id: int) -> GapRow | None:
    found = _rows(conn, account_id, Gap.id == gap_id)
    return found[0] if found else None


def _rows(conn: Connection, account_id: int, *where: ColumnElement[bool]) -> list[GapRow]:
    query = (
        select(*_COLUMNS)
        .join(Mailbox, Mailbox.id == Gap.mailbox_id)
        .where(Gap.account_id == account_id, Mailbox.account_id == account_id, *where)
        .order_by(Gap.since)
    )
    rows = [row._asdict() for row in conn.execute(query)]
    return [GapRow(**row | {"state": GapState(row["state"])}) for row in rows]


def _change(
    conn: Connection, account_id: int, gap_id: int, was: GapState, **values: object
) -> bool:
    """Change a gap that is still in the state `was`; whether it was."""
    done = conn.execute(
        update(Gap)
        .where(Gap.account_id == account_id, Gap.id == gap_id, Gap.state == was)
        .values(**values)
    )
    return done.rowcount == 1
