"""The database: SQLite or PostgreSQL behind one URL, with the transactions the store needs.

A write transaction of SQLite is BEGIN IMMEDIATE: it waits for its turn at the start instead of
failing in the middle, so what it reads cannot change before it writes. PostgreSQL runs READ
COMMITTED; where two writers must not miss each other, `alone` makes them take turns.
A database that goes away is an ordinary `OperationalError`; it and `Connection` are handed out from
here, because nobody outside `crm` imports SQLAlchemy.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger(__name__)

BUSY_SECONDS = 15  # SQLite serves waiting writers in no order: one may wait long
UPGRADE_SECONDS = 60  # a second starter waits so long for the first one's migration
_UPGRADE_LOCK = 7_263_001  # a number of our own for pg_advisory_lock
_ACCOUNT_LOCK = 7_263_002


class Database:
    """One database and its pool of connections; safe to share between threads, not over a fork
    (call `close(fork=True)` in the child)."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        """`url`: sqlite:///path or postgresql+psycopg://…"""
        self.engine = _engine(url, pool_size)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back by an exception."""
        with self.engine.connect() as conn:
            if self.dialect == "sqlite":
                conn = conn.execution_options(immediate=True)
            with conn.begin():
                yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.engine.connect() as conn:
            if self.dialect == "postgresql":
                conn = conn.execution_options(postgresql_readonly=True)
            with conn.begin():
                yield conn

    def upgrade(self) -> None:
        """Bring the tables to the newest revision. Safe when several processes start at once: the
        first migrates, the others wait and find nothing to do. Tables that newer code has brought
        further are left as they are: during a deployment both work on them."""
        self._migrate("upgrade", "head")

    def is_current(self) -> bool:
        """Whether the tables are there as this code has them, or as newer code does."""
        from alembic.config import Config
        from alembic.runtime.migration import MigrationContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", "crm:migrations")
        with self.engine.connect() as conn:
            found = MigrationContext.configure(conn).get_current_heads()
            newest = ScriptDirectory.from_config(config).get_heads()
            return bool(found) and (
                set(found) == set(newest) or bool(_unknown_revisions(config, conn))
            )

    def downgrade(self, revision: str) -> None:
        """Bring the tables back to `revision` (`base`: none)."""
        self._migrate("downgrade", revision)

    def close(self, fork: bool = False) -> None:
        """Close all connections; with `fork`, forget those of the parent process instead."""
        self.engine.dispose(close=not fork)

    def _migrate(self, step: Literal["upgrade", "downgrade"], revision: str) -> None:
        # Alembic takes as long to import as all the rest: only who migrates pays for it.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "crm:migrations")
        with self._alone_with_the_schema() as conn:
            if step == "upgrade" and (newer := _unknown_revisions(config, conn)):
                log.warning("the tables are newer than this code, left as they are", newer=newer)
                return
            config.attributes["connection"] = conn
            getattr(command, step)(config, revision)

    def _alone_with_the_schema(self) -> AbstractContextManager[Connection]:
        return _sqlite_schema(self.engine) if self.dialect == "sqlite" else _pg_schema(self.engine)


def _unknown_revisions(config: "Config", conn: Connection) -> list[str]:
    """The revisions that the tables have and this code does not know."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    return sorted(set(MigrationContext.configure(conn).get_current_heads()) - known)


def alone(conn: Connection, account_id: int) -> None:
    """Until its end, let no other transaction that calls this for the account run beside this one.

    SQLite's write transactions take turns anyway. What another one committed before is seen by
    every statement after this call.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(
            text("SELECT pg_advisory_xact_lock(:lock, :account)"),
            {"lock": _ACCOUNT_LOCK, "account": account_id % 2**31},
        )


def _engine(url: str, pool_size: int) -> Engine:
    options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 20, "hide_parameters": True}
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, **options)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _on_sqlite_begin(conn: Connection) -> None:
    immediate = conn.get_execution_options().get("immediate", False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def _sqlite_schema(engine: Engine) -> Iterator[Connection]:
    """Foreign keys are off meanwhile: a migration may have to build a table anew, and dropping the
    old one would cascade."""
    with engine.connect() as conn:
        raw = conn.connection.driver_connection
        assert raw is not None
        raw.execute(f"PRAGMA busy_timeout={UPGRADE_SECONDS * 1000}")
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            conn = conn.execution_options(immediate=True)
            with conn.begin():
                yield conn
                if broken := conn.exec_driver_sql("PRAGMA foreign_key_check").first():
                    message = f"a migration left a dangling foreign key in {broken[0]}"
                    raise RuntimeError(message)
        finally:
            conn.invalidate()  # the settings above must not go back into the pool


@contextmanager
def _pg_schema(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as conn:
        conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        yield conn


__all__ = ["Connection", "Database", "OperationalError", "alone"]
