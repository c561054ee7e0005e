"""`replylog mailbox add`: a refresh token becomes a connected mailbox, at the sandbox."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crm.database import Database
from crm.model import MailboxStatus
from crm.store import accounts, mailboxes, moving
from crm.store.accounts import NewUser
from infra.secrets import Secrets, new_key
from replylog.cli import main
from replylog.pretend import Pretend
from tests.providers.gmail_rig import READ
from workers.queue import Queue

ANA, BEN = "ana@acme.test", "ben@acme365.test"
KEY = new_key()


class Desk:
    """An operator's terminal at an installation with the users Ana and Ben."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        with database.begin() as conn:
            now = datetime.now(UTC)
            self.account = accounts.ensure_account(conn, "Acme", Secrets([KEY]), now)
            self.users = {
                address: accounts.add_user(conn, self.account, NewUser(address), now)
                for address in (ANA, BEN)
            }

    def add(
        self,
        token: str,
        address: str = ANA,
        provider: str = "gmail",
        user: str = ANA,
        more: Sequence[str] = (),
    ) -> Result:
        file = self.folder / "token"
        file.write_text(f"{token}\n")
        file.chmod(0o600)
        return self.run("mailbox", "add", address, "--provider", provider,
                        "--user", user, "--token-file", str(file), *more)  # fmt: skip

    def run(self, *arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), input=given)

    @property
    def stored(self) -> list[mailboxes.Mailbox]:
        with self.database.read() as conn:
            return mailboxes.list_mailboxes(conn, self.account)


@pytest.fixture
def desk(sandbox, redis, redis_server, sqlite_url: str, tmp_path: Path, monkeypatch):
    environment = Pretend(sandbox.url, sandbox.dns).environment("http://127.0.0.1:8080")
    environment |= {"REPLYLOG_DATABASE_URL": sqlite_url, "REPLYLOG_REDIS_URL": redis_server.url}
    for name, value in (environment | {"REPLYLOG_SECRET_KEYS": KEY}).items():
        monkeypatch.setenv(name, value)
    database = Database(sqlite_url)
    yield Desk(database, tmp_path)
    database.close()


def google(sandbox, address: str = ANA, *scopes: str) -> str:
    body = {"address": address, "scopes": [READ, *scopes]}
    return str(sandbox.post("/control/google/token", **body)["refresh_token"])


def microsoft(sandbox, address: str = BEN) -> str:
    return str(sandbox.post("/control/microsoft/token", address=address)["refresh_token"])


def test_a_gmail_mailbox_is_connected_and_woken(desk: Desk, sandbox, redis):
    told = desk.add(google(sandbox, ANA, "openid", "email"))

    assert (told.exit_code, told.output) == (0, f"Connected {ANA} for {ANA}.\n")
    [box] = desk.stored
    assert (box.address, box.provider, box.status) == (ANA, "gmail", MailboxStatus.CONNECTED)
    assert box.user_id == desk.users[ANA]
    assert box.cursor
    assert box.subject
    assert Queue(redis).claim() == box.id


def test_a_microsoft_mailbox_is_connected_with_its_folders(desk: Desk, sandbox):
    told = desk.add(microsoft(sandbox), BEN, "graph", BEN)
    listed = json.loads(desk.run("mailbox", "list", "--json").stdout)

    assert told.exit_code == 0, told.output
    [row] = listed
    assert (row["address"], row["provider"], row["kind"]) == (BEN, "graph", "personal")
    assert (row["status"], row["reason"], row["last_synced_at"]) == ("connected", None, None)
    assert "Inbox" in row["followed_folders"]
    assert row["lag_seconds"] in range(60)


def test_a_mailbox_is_connected_as_a_teams_and_stays_one(desk: Desk, sandbox):
    file = desk.folder / "token"
    file.write_text(google(sandbox))
    told = desk.run("mailbox", "add", ANA, "--provider", "gmail", "--user", ANA,
                    "--token-file", str(file), "--kind", "team")  # fmt: skip
    assert told.exit_code == 0, told.output
    again = desk.add(google(sandbox))  # no kind is named

    assert again.exit_code == 0, again.output
    assert [each.kind for each in desk.stored] == ["team"]


def test_a_token_may_come_through_standard_input(desk: Desk, sandbox):
    arguments = ["--provider", "gmail", "--user", ANA, "--token-file", "-"]
    told = desk.run("mailbox", "add", ANA, *arguments, given=f"{google(sandbox)}\n")

    assert told.exit_code == 0, told.output


def test_a_token_without_an_identity_keeps_the_one_that_is_stored(desk: Desk, sandbox):
    desk.add(google(sandbox, ANA, "openid", "email"))
    [before] = desk.stored
    told = desk.add(google(sandbox))

    assert told.exit_code == 0, told.output
    [after] = desk.stored
    assert (after.id, after.subject) == (before.id, before.subject)


def test_a_token_of_another_mailbox_is_refused(desk: Desk, sandbox):
    told = desk.add(google(sandbox, "cleo@acme.test"))

    assert told.exit_code == 1
    assert told.output == f"Error: the token belongs to cleo@acme.test, not to {ANA}\n"
    assert desk.stored == []


def test_a_token_that_the_provider_does_not_know_is_refused(desk: Desk):
    told = desk.add("1//nothing")

    assert told.exit_code == 1
    assert told.output.startswith("Error: The provider does not take this refresh token: ")
    assert "1//nothing" not in told.output


def test_a_mailbox_of_another_user_is_left_alone(desk: Desk, sandbox):
    desk.add(google(sandbox))
    told = desk.add(google(sandbox), user=BEN)

    assert told.output == f"Error: {ANA} is connected for another user already\n"
    assert desk.stored[0].user_id == desk.users[ANA]


def test_a_provider_that_is_away_is_said(desk: Desk, sandbox, monkeypatch):
    token = google(sandbox)
    monkeypatch.setenv("REPLYLOG_GOOGLE_TOKEN_URL", "http://127.0.0.1:9/token")

    assert desk.add(token).output == "Error: The provider does not answer now; try again later\n"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"provider": "imap"}, "Error: IMAP mailboxes cannot be connected yet; only gmail and graph"),
    ({"user": "eva@acme.test"}, "Error: there is no user eva@acme.test; `replylog user add"),
    ({"address": "ana"}, "Error: 'ana' is no e-mail address"),
    ({"token": ""}, "Error: {folder}/token has no refresh token in its first line"),
    ({"token": "a b"}, "Error: {folder}/token has no refresh token in its first line"),
]


@pytest.mark.parametrize(("wrong", "reason"), REFUSED)
def test_what_makes_no_sense_is_one_sentence(desk: Desk, wrong, reason):
    told = desk.add(**{"token": "x", **wrong})

    assert told.exit_code == 1
    assert told.output.startswith(reason.format(folder=desk.folder))
    assert len(told.output.splitlines()) == 1


def test_a_token_file_that_is_missing_or_open_to_others_is_said(desk: Desk, tmp_path: Path):
    arguments = ("mailbox", "add", ANA, "--provider", "gmail", "--user", ANA, "--token-file")
    (tmp_path / "open").write_text("1//nothing\n")
    (tmp_path / "open").chmod(0o644)

    missing = desk.run(*arguments, str(tmp_path / "none"))
    readable = desk.run(*arguments, str(tmp_path / "open"))

    assert missing.output == f"Error: {tmp_path}/none: No such file or directory\n"
    assert readable.output.startswith("Warning: other users of this machine can read ")


def test_without_redis_the_mailbox_is_connected_all_the_same(desk: Desk, sandbox, monkeypatch):
    monkeypatch.setenv("REPLYLOG_REDIS_URL", "unix:///nowhere/redis.sock")

    assert desk.add(google(sandbox)).exit_code == 0
    assert [box.status for box in desk.stored] == [MailboxStatus.CONNECTED]


def test_a_disconnected_mailbox_has_no_lag_and_is_not_woken(desk: Desk, sandbox):
    desk.add(google(sandbox))
    [box] = desk.stored
    with desk.database.begin() as conn:
        mailboxes.disconnect(conn, desk.account, box.id, datetime.now(UTC))

    [row] = json.loads(desk.run("mailbox", "list", "--json").stdout)
    assert (row["status"], row["lag_seconds"]) == ("disconnected", None)
    assert desk.run("mailbox", "sync", ANA).exit_code == 1


def test_a_mailbox_whose_mail_goes_elsewhere_is_refused_with_the_right_provider_named(
    desk: Desk, sandbox
):
    sandbox.post("/control/mx", domain="acme.test", provider="microsoft")
    told = desk.add(google(sandbox))

    assert (told.exit_code, desk.stored) == (1, [])
    assert "the mail servers of acme.test are those of Microsoft 365" in told.stderr
    assert "--provider graph" in told.stderr


def test_who_knows_better_than_dns_connects_it_anyway_and_is_not_asked_again(desk: Desk, sandbox):
    sandbox.post("/control/mx", domain="acme.test", provider="microsoft")
    told = desk.add(google(sandbox), more=["--anyway"])

    assert told.exit_code == 0, told.output
    with desk.database.begin() as conn:
        for hours in range(0, 48, 2):
            when = datetime.now(UTC) + timedelta(hours=hours)
            assert moving.answered(conn, desk.account, "acme.test", "graph", when) == []


def test_a_dns_that_does_not_answer_is_no_reason_to_refuse(desk: Desk, sandbox):
    sandbox.post("/control/switches", **{"dns.mode": "servfail"})

    assert desk.add(google(sandbox)).exit_code == 0
