"""Tokens of one mailbox that several workers use and renew at once, with a provider that replaces
the refresh token at every use."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from crm.database import Database
from crm.model import Folder, Tokens
from crm.store import accounts, mailboxes
from crm.store.mailboxes import Mailbox, NewMailbox
from infra.secrets import Secrets
from infra.settings import Settings
from providers.client import Retry
from replylog.pretend import Pretend
from tests.sandbox_process import Sandbox
from workers.runtime import client_opener

BEN = "ben@acme365.test"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in Pretend(sandbox.url, sandbox.dns).environment("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


@pytest.fixture
def ben(database: Database, secrets: Secrets, sandbox: Sandbox, settings: Settings) -> Mailbox:
    """Ben's mailbox, whose access token is long out of date."""
    given = sandbox.post("/control/microsoft/token", address=BEN)
    new = NewMailbox(None, BEN, "graph", Tokens("old", given["refresh_token"], LONG_AGO))
    now = datetime.now(UTC)
    with database.begin() as conn:
        account_id = accounts.ensure_account(conn, "Acme", secrets, now)
        mailbox_id = mailboxes.connect(conn, account_id, new, secrets, now)
        found = mailboxes.by_id(conn, mailbox_id)
    assert found is not None
    return found


def stored(database: Database, mailbox: Mailbox, secrets: Secrets) -> tuple[Tokens, int]:
    with database.read() as conn:
        return mailboxes.tokens(conn, mailbox.account_id, mailbox.id, secrets)


def patiently(ask: Callable[[], Sequence[Folder]]) -> Sequence[Folder]:
    """What a mailbox answers that takes four requests at a time: eight may be asking."""
    for _ in range(20):
        try:
            return ask()
        except Retry as limit:
            time.sleep(limit.after or 0.2)
    return ask()


@pytest.mark.parametrize(
    "old_tokens_die", [False, True], ids=["old tokens live on", "old ones die"]
)
def test_eight_workers_that_renew_at_once_leave_a_token_that_works(
    old_tokens_die: bool,
    database: Database,
    secrets: Secrets,
    sandbox: Sandbox,
    settings: Settings,
    ben: Mailbox,
) -> None:
    sandbox.post("/control/switches", **{"entra.rotation_ends_old": old_tokens_die})
    before, version = stored(database, ben, secrets)
    failures: list[Exception] = []
    start = threading.Barrier(8)

    def work() -> None:
        client = client_opener(database, secrets, settings)(ben)  # as a process of its own would
        start.wait()
        try:
            assert patiently(client.folders)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    after, renewed = stored(database, ben, secrets)
    assert renewed > version
    assert after.refresh_token != before.refresh_token
    assert after.expires_at > datetime.now(UTC) + timedelta(minutes=30)

    with database.begin() as conn:  # what is stored renews once more
        old = Tokens("old", after.refresh_token, LONG_AGO, after.scopes)
        assert mailboxes.save_tokens(conn, ben.account_id, ben.id, old, renewed, secrets)
    assert client_opener(database, secrets, settings)(ben).folders()


def test_tokens_at_rest_are_not_readable(
    database: Database, secrets: Secrets, ben: Mailbox
) -> None:
    tokens, _ = stored(database, ben, secrets)
    with database.read() as conn:
        rows = conn.exec_driver_sql("SELECT tokens FROM mailbox").all()
    sealed = bytes(rows[0][0])
    assert tokens.refresh_token.encode() not in sealed
