"""Never Log lists: of the account, and of each user."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, or_, select

from crm.addresses import never_log_entry
from crm.model import NeverLog
from crm.store import sql
from crm.tables import NeverLogEntry

MOST = 20_000  # entries on one list: all of them are read for every batch of messages

_ROWS = (
    select(NeverLogEntry.id, NeverLogEntry.user_id, NeverLogEntry.entry)
    .where(
        sql.held(NeverLogEntry),
        or_(NeverLogEntry.user_id.is_(None), NeverLogEntry.user_id == bindparam("user")),
    )
    .order_by(NeverLogEntry.entry, NeverLogEntry.id)
)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of a list; `user_id` None: the account's own list."""

    id: int
    user_id: int | None
    entry: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of entries that were to be added: new ones, and those that were there."""

    new: tuple[Row, ...] = ()
    known: tuple[Row, ...] = ()


class ListFull(Exception):
    """There is no room for so many entries; nothing was added."""


def listed(conn: Connection, account_id: int, user_id: int | None) -> NeverLog:
    """The account's list together with the user's own."""
    return NeverLog(frozenset(row.entry for row in rows(conn, account_id, user_id)))


def of_all(conn: Connection, account_id: int) -> NeverLog:
    """All lists together: who is on none of these is on nobody's."""
    query = select(NeverLogEntry.entry).where(NeverLogEntry.account_id == account_id)
    return NeverLog(frozenset(conn.scalars(query)))


def rows(conn: Connection, account_id: int, user_id: int | None) -> list[Row]:
    """The entries of the account's list and of the user's own, by entry."""
    found = conn.execute(_ROWS, {"account": account_id, "user": user_id})
    return [Row(*row) for row in found]


def row(conn: Connection, account_id: int, user_id: int | None, entry_id: int) -> Row | None:
    """An entry that the user sees, by its id."""
    return next((each for each in rows(conn, account_id, user_id) if each.id == entry_id), None)


def add(
    conn: Connection, account_id: int, user_id: int | None, entries: Sequence[str], now: datetime
) -> Added:
    """Add entries of `crm.never_log_input` to the user's list or (None) to the account's. Two ways
    to write one thing are one entry. Raises ListFull."""
    own = [each for each in rows(conn, account_id, user_id) if each.user_id == user_id]
    there = {never_log_entry(each.entry): each for each in own}
    missing = {never_log_entry(each): each for each in entries}
    known = tuple(there[name] for name in missing.keys() & there.keys())
    new = [entry for name, entry in missing.items() if name not in there]
    if len(own) + len(new) > MOST:
        raise ListFull
    values = {"account_id": account_id, "user_id": user_id, "created_at": now}
    sql.add_missing(conn, NeverLogEntry, [values | {"entry": entry} for entry in new])
    wanted = {*new}
    after = rows(conn, account_id, user_id)
    added = tuple(row for row in after if row.user_id == user_id and row.entry in wanted)
    return Added(added, known)


def remove(conn: Connection, account_id: int, user_id: int | None, entry_id: int) -> bool:
    """Remove an entry from the list of this user (None: of the account); whether it was there."""
    owner = NeverLogEntry.user_id
    gone = conn.execute(
        delete(NeverLogEntry).where(
            NeverLogEntry.account_id == account_id,
            owner.is_(None) if user_id is None else owner == user_id,
            NeverLogEntry.id == entry_id,
        )
    )
    return gone.rowcount > 0
