"""Small helpers that the store's functions share: upserts on both databases, and long lists."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from crm.tables import Base

T = TypeVar("T")
Row: TypeAlias = dict[str, Any]
Insert: TypeAlias = postgresql.Insert | sqlite.Insert
CHUNK = 500  # values in one IN (...)


def insert(conn: Connection, table: type[Base]) -> Insert:
    """An INSERT that can carry ON CONFLICT, in the dialect of `conn`."""
    if conn.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def add_missing(conn: Connection, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert `rows`; those that are there already (by any unique key) stay as they are."""
    if rows:
        conn.execute(insert(conn, table).on_conflict_do_nothing(), rows)


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """`values` without repetition, in order, in lists that fit into one IN (...)."""
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), CHUNK):
        yield unique[start : start + CHUNK]
