"""`replylog doctor` against a sandbox, with each thing broken."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from werkzeug.serving import make_server

from crm.database import Database
from crm.store import accounts, leases
from crm.tables import Lease
from infra.secrets import Secrets
from infra.settings import load
from replylog.cli import main
from replylog.doctor import CHECKS
from replylog.pretend import Pretend
from webhooks.app import create_app

KEY = "0" * 43 + "="
NOWHERE = "http://127.0.0.1:1"
BROKEN = [  # what is broken, which setting, its value
    ("database", "DATABASE_URL", "postgresql+psycopg://a:b@127.0.0.1:1/c"),
    ("database", "DATABASE_URL", "sqlite:////nowhere/there.db"),
    ("secret keys", "SECRET_KEYS", "1" * 43 + "="),
    ("Redis", "REDIS_URL", "redis://127.0.0.1:1"),
    ("files", "FILES_URL", "file:///proc/nothing"),
    ("DNS", "DNS_SERVER", "127.0.0.1:1"),
    ("public address", "PUBLIC_URL", NOWHERE),
    ("public address", "GRAPH_API_URL", "https://graph.microsoft.com"),
    ("Google", "GOOGLE_CLIENT_SECRET", "wrong"),
    ("Google", "GOOGLE_TOKEN_URL", NOWHERE),
    ("Gmail's pushes", "GOOGLE_CERTS_URL", NOWHERE),
    ("Microsoft", "MICROSOFT_CLIENT_SECRET", "wrong"),
    ("Microsoft", "ENTRA_AUTHORITY_URL", NOWHERE),
    ("mail to people", "SMTP_URL", "smtp://127.0.0.1:1"),
]


@pytest.fixture
def store(sqlite_url) -> Iterator[Database]:
    opened = Database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def installed(sandbox, sqlite_url, store, redis_server, redis, monkeypatch) -> Iterator[None]:
    """An installation that lacks nothing: webhooks answer, a timetable leads."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        **Pretend(sandbox.url, sandbox.dns).environment(url),
        "REPLYLOG_DATABASE_URL": sqlite_url,
        "REPLYLOG_REDIS_URL": redis_server.url,
        "REPLYLOG_SECRET_KEYS": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    server.app = create_app(load())
    with store.begin() as conn:
        now = datetime.now(UTC)
        accounts.ensure_account(conn, "Acme", Secrets([KEY]), now)
        leases.take(conn, "timetable", "somebody", now, timedelta(hours=1))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("installed")
def test_nothing_is_broken_where_nothing_is():
    told = CliRunner().invoke(main, ["doctor", "--json"])

    answer = json.loads(told.stdout)
    assert [each for each in answer["checks"] if each["state"] == "broken"] == []
    assert [each["name"] for each in answer["checks"]] == ["settings", *CHECKS]
    assert (answer["ok"], told.exit_code) == (True, 0)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "setting", "value"), BROKEN, ids=lambda each: each[:20])
def test_what_is_broken_is_named_with_what_to_do(name, setting, value, monkeypatch):
    monkeypatch.setenv(f"REPLYLOG_{setting}", value)
    if setting == "SMTP_URL":
        monkeypatch.setenv("REPLYLOG_MAIL_FROM", "replylog@acme.test")

    state, found, fix = CHECKS[name](load())

    assert state == "broken"
    assert found
    assert fix


def test_a_timetable_that_died_is_missed(installed, store):
    with store.begin() as conn:
        conn.execute(update(Lease).values(until=datetime.now(UTC) - timedelta(hours=1)))

    assert CHECKS["timetable"](load())[0] == "broken"


def test_what_is_not_there_yet_is_said_to_whoever_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLYLOG_VAR", str(tmp_path / "new"))
    monkeypatch.setenv("REPLYLOG_PUBLIC_URL", NOWHERE)
    monkeypatch.setenv("REPLYLOG_DNS_SERVER", "127.0.0.1:1")

    told = CliRunner().invoke(main, ["doctor"])

    assert told.exit_code == 1
    assert "replylog db upgrade" in told.output
    assert "Gmail is off" in told.output
    assert not (tmp_path / "new" / "replylog.sqlite3").exists()


def test_wrong_settings_are_a_finding_too(monkeypatch):
    monkeypatch.setenv("REPLYLOG_PUBLIC_URL", "http://example.com")

    told = CliRunner().invoke(main, ["doctor", "--json"])

    assert told.exit_code == 2
    assert "REPLYLOG_PUBLIC_URL" in json.loads(told.stdout)["checks"][0]["found"]
