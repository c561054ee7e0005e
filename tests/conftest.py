"""What every test may ask for: a fixed now, real databases, a real Redis, a sandbox; and a clean
environment whether it asks or not. Nothing here leaves the machine.
"""

import itertools
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples

from tests import postgres, sandbox_process
from tests.chromium import launched
from tests.sandbox_process import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from redis import Redis

    from crm.database import Database
    from infra.redis_server import Server as RedisServer
    from infra.secrets import Secrets

_numbers = itertools.count()

# How long an example takes says how busy the machine is. The same examples in every run.
# A fixture that outlives an example is one that makes what an example needs anew.
_NO_CHECK = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
examples.register_profile(
    "replylog", deadline=None, derandomize=True, suppress_health_check=_NO_CHECK
)
# `pytest --hypothesis-profile=long ...`: other examples in every run, and many.
examples.register_profile(
    "long", deadline=None, max_examples=20_000, suppress_health_check=_NO_CHECK, print_blob=True
)
examples.register_profile(  # of `make mutants`, which needs no smaller example of a failure
    "mutants",
    examples.get_profile("replylog"),
    max_examples=30,
    phases=[Phase.explicit, Phase.generate],
)
examples.load_profile("replylog")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests, and no `.env`, reaches a test."""
    for name in list(os.environ):
        if name.upper().startswith("REPLYLOG_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _clean_logs() -> Iterator[None]:
    """A test that configures logging does so for itself only."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def secrets() -> "Secrets":
    from infra.secrets import Secrets, new_key

    return Secrets([new_key()])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server for the session; skips by name where none can run."""
    try:
        server, stop = postgres.start()
    except postgres.NoPostgres as error:
        pytest.skip(f"needs PostgreSQL: {error}")
    yield server
    stop()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from crm.database import Database

    path = tmp_path_factory.mktemp("template") / "migrated.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    with database.begin() as connection:  # all of it into the one file that is copied
        connection.exec_driver_sql("SELECT 1")
    database.close()
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: postgres.Server) -> str:
    from crm.database import Database

    postgres_server.run("CREATE DATABASE migrated")
    database = Database(postgres_server.url("migrated"))
    database.upgrade()
    database.close()
    return "migrated"


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated, empty SQLite file of this test's own."""
    path = tmp_path / "replylog.sqlite3"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: postgres.Server, _postgres_template: str) -> Iterator[str]:
    """URL of a migrated, empty PostgreSQL database of this test's own."""
    name = f"test_{next(_numbers)}"
    postgres_server.run(f"CREATE DATABASE {name} TEMPLATE {_postgres_template}")
    yield postgres_server.url(name)
    postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated, empty database, once on SQLite and once on PostgreSQL."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator["Database"]:
    """A migrated, empty database, once on SQLite and once on PostgreSQL."""
    from crm import guard
    from crm.database import Database

    opened = Database(database_url)
    guard.install(opened.engine)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["RedisServer"]:
    """A real Redis for the session, on a socket of its own; `.url` leads to it. It may be slow: on a
    busy machine it is not away where it takes longer to answer than the web waits."""
    from infra import redis_client, redis_server

    server = redis_server.start(tmp_path_factory.mktemp("redis"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_client, "WEB_TIMEOUT", 30.0)
        yield server
    server.stop()


@pytest.fixture
def redis(redis_server: "RedisServer") -> Iterator["Redis"]:
    """A client of the session's Redis, which is emptied first."""
    from redis import Redis

    client = Redis.from_url(redis_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    running, process = sandbox_process.start()
    yield running
    running.http.close()
    sandbox_process.stop(process)


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    """A running sandbox whose world is as at its start."""
    _sandbox.reset()
    return _sandbox


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The one browser of this process: Playwright's drivers do not bear a second beside them."""
    with launched() as browser:
        yield browser


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write down what was not run and why, for the end of `make test`."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    folder = terminalreporter.config.rootpath / "test-results"
    if reasons and folder.is_dir():
        lines = [f"  {count} tests: {reason}\n" for reason, count in reasons.most_common()]
        (folder / "not-run.txt").write_text("".join(["Not run:\n", *lines]), encoding="utf-8")
