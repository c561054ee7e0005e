"""Opening the database: schema, transactions, text of any kind."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, inspect, text

from crm.columns import KEY_BYTES, key, storable
from crm.database import BUSY_SECONDS, Database, OperationalError
from crm.store import accounts
from crm.tables import Base
from tests.crm.store_world import in_threads


def test_the_migrations_make_the_tables_of_the_models(database):
    with database.read() as conn:
        options = {"compare_server_default": not_json}
        context = MigrationContext.configure(conn, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def not_json(_context, column, *_):
    """False: equal, for PostgreSQL compares no JSON. None: let Alembic compare."""
    return False if isinstance(column.type, JSON) else None


def test_the_schema_goes_down_to_nothing_and_up_again(database):
    database.downgrade("base")
    with database.read() as conn:
        assert set(inspect(conn).get_table_names()) <= {"alembic_version"}
    database.upgrade()
    with database.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), Base.metadata) == []


def test_upgrading_twice_changes_nothing(database, secrets, now):
    with database.begin() as conn:
        made = accounts.ensure_account(conn, "Acme", secrets, now)
    database.upgrade()
    with database.begin() as conn:
        assert accounts.ensure_account(conn, "Acme", secrets, now) == made


def test_several_processes_may_migrate_at_once(database):
    database.downgrade("base")
    url = database.engine.url.render_as_string(hide_password=False)
    others = [Database(url) for _ in range(4)]
    failures = in_threads([other.upgrade for other in others])
    for other in others:
        other.close()
    assert failures == []
    with database.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), Base.metadata) == []


def test_sqlite_keeps_its_settings_after_a_migration(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    database.upgrade()
    with database.read() as conn:
        assert conn.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert conn.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert conn.execute(text("PRAGMA synchronous")).scalar() == 1
        assert conn.execute(text("PRAGMA busy_timeout")).scalar() == BUSY_SECONDS * 1000
    database.close()


def test_an_exception_rolls_everything_back(database, secrets, now):
    def fail_after_writing():
        with database.begin() as conn:
            account = accounts.ensure_account(conn, "Acme", secrets, now)
            accounts.add_domain(conn, account, "acme.test")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    with database.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM account")).scalar() == 0


def test_postgresql_refuses_to_write_in_a_transaction_that_reads(postgres_url, secrets, now):
    database = Database(postgres_url)
    with pytest.raises(Exception, match="read-only"), database.read() as conn:
        accounts.ensure_account(conn, "Acme", secrets, now)
    database.close()


def test_writers_wait_for_their_turn_instead_of_failing(database, secrets, now):
    with database.begin() as conn:
        account = accounts.ensure_account(conn, "Acme", secrets, now)

    def write(number):
        for each in range(10):
            with database.begin() as conn:
                accounts.domains(conn, account)  # read, then write: the order that deadlocks
                accounts.add_domain(conn, account, f"d{number}-{each}.test")

    assert in_threads([lambda number=number: write(number) for number in range(6)]) == []
    with database.read() as conn:
        assert len(accounts.domains(conn, account)) == 60


def test_a_restarted_database_is_an_operational_error_and_then_heals(postgres_url, secrets, now):
    database = Database(postgres_url)
    with pytest.raises(OperationalError), database.begin() as conn:
        conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with database.begin() as conn:
        accounts.ensure_account(conn, "Acme", secrets, now)
    database.close()


def test_text_that_postgresql_refuses_is_stored_on_both(database, secrets, now):
    with database.begin() as conn:
        account = accounts.ensure_account(conn, "a\0b\ud800c \U0001f600", secrets, now)
        name = conn.execute(text("SELECT name FROM account")).scalar()
    assert account
    assert name == "a\ufffdb\ufffdc \U0001f600"


def test_a_key_fits_into_an_index_and_the_same_text_has_the_same_key():
    long = "ä" * 5000
    assert len(key(long).encode()) <= KEY_BYTES
    assert key(long) == key(long)
    assert key(long) != key(long + "x")
    assert key("short") == "short"
    assert storable("plain") == "plain"
