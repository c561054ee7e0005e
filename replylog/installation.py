"""A whole installation as a child process, for the demo and for tests that play it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import requests

from crm.database import Database
from crm.store import accounts, contacts
from crm.store import settings as account_settings
from crm.store.accounts import NewUser
from infra import redis_server
from infra.children import end_with_parent
from infra.secrets import Secrets
from infra.settings import PREFIX, Settings, load
from replylog import roles, story

PATIENCE = 60.0  # seconds


class Failed(Exception):
    """It did not get where it must; the text says what is missing."""


@contextmanager
def installation(environment: Mapping[str, str]) -> Iterator[Settings]:
    """`replylog all` with these settings and no others, with the story's people, answering.

    Changes this process's own REPLYLOG_ variables, too: what it does beside the child must use the
    same. Raises Failed when it does not answer, RedisServerError where there is no Redis for it.
    """
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(environment)
    settings = load(env_file=None)
    redis_server.locate()
    roles.upgrade(settings)
    seed(settings)
    with (settings.var / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "replylog", "all"],
            cwd=settings.var,  # no `.env` of this folder leads it to a real provider
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        wait("replylog answers", lambda: _ready(settings.public_url, process))
        yield settings
    finally:
        process.terminate()
        process.wait()


def seed(settings: Settings) -> None:
    """The story's account, users and contacts."""
    secrets, now = Secrets(settings.key_texts), datetime.now(UTC)
    database = Database(settings.resolved_database_url)
    with database.begin() as conn:
        account_id = accounts.ensure_account(conn, "Acme", secrets, now)
        for domain in story.DOMAINS:
            accounts.add_domain(conn, account_id, domain)
        account_settings.set_setting(conn, account_id, "bcc_address", story.BCC)
        for name, address, role in (("Ana", story.ANA, "admin"), ("Ben", story.BEN, "member")):
            accounts.add_user(conn, account_id, NewUser(address, name, role), now)
        for name, address in story.CONTACTS.items():
            contacts.add_contact(conn, account_id, name, [address], now)
    database.close()


def free_port(wished: int = 0) -> int:
    """A port that nobody listens on: `wished`, or any where that is taken."""
    for port in (wished, 0):
        with socket.socket() as probe, suppress(OSError):
            # A demo that is started again is where its first one was, old connections or not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Failed("this machine has no free port")


def wait(what: str, done: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Until `done()` is true. Raises Failed when that takes longer than `seconds`."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise Failed(f"waited {seconds:.0f} s until {what}")
        time.sleep(0.05)


def _ready(url: str, process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        raise Failed(f"replylog ended with {process.returncode} before it answered")
    with suppress(requests.RequestException):
        return requests.get(f"{url}/readyz", timeout=2).ok
    return False
