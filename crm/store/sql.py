"""Small helpers that the store's functions share: upserts on both databases, and long lists.

Building a statement costs several times what SQLite takes to run it. Those of a run over a mailbox
are therefore built once, at import, with `held` and `among` for the values that change.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from crm.tables import Base

T = TypeVar("T")
Row: TypeAlias = dict[str, Any]
Insert: TypeAlias = postgresql.Insert | sqlite.Insert
CHUNK = 500  # values in one IN (...)


def insert(conn: Connection, table: type[Base]) -> Insert:
    """An INSERT that can carry ON CONFLICT, in the dialect of `conn`."""
    return insert_into(conn.dialect.name, table)


def insert_into(dialect: str, table: type[Base]) -> Insert:
    """As `insert`, by the dialect's name: for statements that are built once for each."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def add_missing(conn: Connection, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert `rows`; those that are there already (by any unique key) stay as they are."""
    if rows:
        conn.execute(_missing(conn.dialect.name, table), rows)


@cache
def _missing(dialect: str, table: type[Base]) -> Insert:
    return insert_into(dialect, table).on_conflict_do_nothing()


def held(table: Any) -> ColumnElement[bool]:
    """The rows of one account, for a prebuilt statement: parameter `account`."""
    condition: ColumnElement[bool] = table.account_id == bindparam("account")
    return condition


def among(column: Any) -> ColumnElement[bool]:
    """Those with one of several values, for a prebuilt statement: parameter `some`, a list."""
    condition: ColumnElement[bool] = column.in_(
        bindparam("some", expanding=True, type_=column.type)
    )
    return condition


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """`values` without repetition, in order, in lists that fit into one IN (...)."""
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), CHUNK):
        yield unique[start : start + CHUNK]
