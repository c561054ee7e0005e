"""What a story leaves in a database, kept and put back: telling it is half a second of computing.

It is told once in a process for each kind of database, time and state before it; later its rows are
written as they were.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from crm.database import Database
from crm.store.mailboxes import Mailbox
from crm.tables import Account, Base
from infra.secrets import Secrets, WrongKey
from tests.web.company import Company

TABLES = {
    table.name: ", ".join(f'"{column.name}"' for column in table.columns)
    for table in Base.metadata.sorted_tables
}
"""The columns of each table."""
LAST_IDS = {"sqlite_sequence": "name, seq"}
RANDOM = Account.digest_key.name  # another in each database, and nobody looks at it


@dataclass
class Kept:
    """All rows after the story, and what the company and the test know of it."""

    rows: dict[str, Any]
    ids: dict[str, Any]
    numbers: int
    boxes: dict[str, Mailbox]
    sealed: bytes


_kept: dict[object, Kept] = {}


def once(company: Company, tell: Callable[[Company], dict[str, Any]]) -> dict[str, Any]:
    """What `tell(company)` gives; it is told, or put back."""
    copier = {"sqlite": _Sqlite, "postgresql": _Postgres}[company.database.dialect]
    with _raw(company.database) as connection:
        before = copier(connection).rows(leave_out=RANDOM)
    key = (copier, company.now, company.numbers, repr(before))
    found = _kept.get(key)
    if found is None or not _opens(company.secrets, found.sealed):
        ids = tell(company)
        with _raw(company.database) as connection:
            rows = copier(connection).rows()
        sealed = company.secrets.encrypt(b"")
        _kept[key] = Kept(rows, dict(ids), company.numbers, dict(company.boxes), sealed)
        return ids
    with _raw(company.database) as connection:
        copier(connection).put_back(found.rows, before)
    company.numbers, company.boxes = found.numbers, dict(found.boxes)
    return dict(found.ids)


def _opens(secrets: Secrets, sealed: bytes) -> bool:
    try:
        return secrets.decrypt(sealed) == b""
    except WrongKey:
        return False


@contextmanager
def _raw(database: Database) -> Iterator[Any]:
    """A connection without SQLAlchemy, in a transaction."""
    pooled = database.engine.raw_connection()
    try:
        connection = pooled.driver_connection
        assert connection is not None
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
    finally:
        pooled.close()


class _Sqlite:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def rows(self, leave_out: str = "") -> dict[str, Any]:
        """All rows of all tables that have some, and the last ids."""
        found = {
            name: self.connection.execute(f'SELECT {_without(columns, leave_out)} FROM "{name}"')
            for name, columns in (TABLES | LAST_IDS).items()
        }
        return {name: rows for name, all in found.items() if (rows := all.fetchall())}

    def put_back(self, rows: dict[str, Any], before: dict[str, Any]) -> None:
        self.connection.execute("PRAGMA defer_foreign_keys = ON")
        for name in rows | before:
            self.connection.execute(f'DELETE FROM "{name}"')
        for name, some in rows.items():
            marks = ", ".join("?" * len(some[0]))
            columns = (TABLES | LAST_IDS)[name]
            statement = f'INSERT INTO "{name}" ({columns}) VALUES ({marks})'
            self.connection.executemany(statement, some)


class _Postgres:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def rows(self, leave_out: str = "") -> dict[str, Any]:
        """All rows of all tables that have some, and the last ids."""
        found: dict[str, Any] = {}
        for name, columns in TABLES.items():
            wanted = f'COPY "{name}" ({_without(columns, leave_out)}) TO STDOUT'
            with self.connection.cursor().copy(wanted) as copy:
                if text := b"".join(bytes(part) for part in copy):
                    found[name] = text
        last = "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
        return found | {"": self.connection.execute(last).fetchall()}

    def put_back(self, rows: dict[str, Any], before: dict[str, Any]) -> None:
        self.connection.execute("SET LOCAL session_replication_role = replica")
        for name in filter(None, rows | before):
            self.connection.execute(f'DELETE FROM "{name}"')
        for name, text in rows.items():
            if name:
                with self.connection.cursor().copy(
                    f'COPY "{name}" ({TABLES[name]}) FROM STDIN'
                ) as copy:
                    copy.write(text)
        values = ", ".join(f"setval('{name}', {last})" for name, last in rows[""])
        self.connection.execute(f"SELECT {values}")


def _without(columns: str, name: str) -> str:
    return columns.replace(f'"{name}", ', "") if name else columns
