"""The command `replylog`: roles in a process of their own, as people run them; the rest in this one."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from crm.database import Database
from crm.model import MailboxKind, Tokens
from crm.store import accounts, mailboxes
from infra.secrets import Secrets, new_key
from infra.settings import Settings
from replylog import roles
from replylog.cli import main
from workers.queue import Queue

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def replylog(tmp_path: Path, monkeypatch):
    def run(
        *arguments: str, given: str = "", **settings: str
    ) -> "subprocess.CompletedProcess[str]":
        named = {f"REPLYLOG_{name}": value for name, value in settings.items()}
        told = CliRunner().invoke(main, arguments, input=given, env=named)
        if told.exception and not isinstance(told.exception, SystemExit):
            raise told.exception
        return subprocess.CompletedProcess(arguments, told.exit_code, told.stdout, told.stderr)

    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def process(tmp_path: Path):
    def run(
        *arguments: str, given: str = "", **settings: str
    ) -> "subprocess.CompletedProcess[str]":
        named = {f"REPLYLOG_{name}": value for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "replylog", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **named},
            input=given,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def test_help_names_every_role(process):
    told = process("--help")

    assert told.returncode == 0
    for name in (
        "all",
        "web",
        "webhooks",
        "worker",
        "timetable",
        "pull",
        "sandbox",
        "contacts",
        "db",
        "user",
        "mailbox",
        "explain",
    ):
        assert f"  {name} " in told.stdout


def test_the_version_is_the_packages(replylog):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert replylog("--version").stdout == f"replylog, version {project['version']}\n"


@pytest.mark.parametrize(
    "command", [["all"], ["web"], ["webhooks"], ["worker"], ["timetable"], ["db", "upgrade"]]
)
def test_wrong_settings_are_said_in_one_line_and_end_with_2(process, command):
    told = process(*command, PUBLIC_URL="nowhere", GOOGLE_CLIENT_ID="")

    assert told.returncode == 2
    assert told.stderr.startswith("REPLYLOG_PUBLIC_URL='nowhere': expected ")
    assert len(told.stderr.splitlines()) == 1


def test_a_misspelt_setting_is_an_error(process):
    told = process("db", "upgrade", DATABSE_URL="x")

    assert told.returncode == 2
    assert "did you mean REPLYLOG_DATABASE_URL?" in told.stderr


def test_a_key_can_be_made_before_anything_is_set(replylog):
    told = replylog("key", PUBLIC_URL="nowhere")

    assert told.returncode == 0
    Fernet(told.stdout.strip())


def test_the_database_is_made_and_may_be_made_again(replylog, tmp_path: Path):
    assert replylog("db", "upgrade").returncode == 0
    assert replylog("db", "upgrade").returncode == 0
    assert (tmp_path / "var" / "replylog.sqlite3").exists()


def test_a_user_is_added_once(replylog):
    replylog("db", "upgrade")

    first = replylog("user", "add", "Ana@Acme.test", "--password-stdin", given="long enough\n")
    again = replylog("user", "add", "ana@acme.test", "--password-stdin", given="long enough\n")

    assert first.returncode == 0, first.stderr
    assert first.stdout == "Added ana@acme.test.\n"
    assert again.returncode == 1
    assert again.stderr == "Error: ana@acme.test is a user already\n"


def test_a_user_without_password_gets_a_link(replylog):
    replylog("db", "upgrade")

    told = replylog("user", "add", "ana@acme.test", PUBLIC_URL="http://localhost:9999")

    assert told.returncode == 0, told.stderr
    assert "http://localhost:9999/sign-in/" in told.stdout


@pytest.mark.parametrize(
    ("address", "password", "reason"),
    [("nobody", "long enough", "no e-mail address"), ("a@b.test", "short", "8 characters or more")],
)
def test_a_user_that_makes_no_sense_is_refused(replylog, address, password, reason):
    replylog("db", "upgrade")

    told = replylog("user", "add", address, "--password-stdin", given=f"{password}\n")

    assert told.returncode == 1
    assert reason in told.stderr
    assert "Traceback" not in told.stderr


def test_a_database_that_is_not_set_up_is_one_line(replylog, tmp_path: Path):
    (tmp_path / "var").mkdir()
    told = replylog("user", "add", "ana@acme.test")

    assert told.returncode == 1
    assert "`replylog db upgrade`" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_no_mailbox_is_said_in_words_and_in_json(replylog):
    replylog("db", "upgrade")

    assert replylog("mailbox", "list").stdout == "No mailbox is connected.\n"
    assert json.loads(replylog("mailbox", "list", "--json").stdout) == []


def test_an_unknown_mailbox_cannot_be_synced(replylog):
    replylog("db", "upgrade")

    told = replylog("mailbox", "sync", "ana@acme.test")

    assert told.returncode == 1
    assert told.stderr == "Error: ana@acme.test is no connected mailbox\n"


def test_a_worker_in_burst_ends_when_nothing_is_to_do(process):
    process("db", "upgrade")

    told = process("worker", "--burst")

    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    ("public", "given", "expected"),
    [
        ("http://127.0.0.1:8080", (None, None), ("127.0.0.1", 8080)),
        ("http://localhost:8081", (None, None), ("127.0.0.1", 8081)),
        ("http://[::1]:8081", (None, None), ("::1", 8081)),
        ("http://localhost", (None, None), ("127.0.0.1", 80)),
        ("http://localhost:8081", ("0.0.0.0", 9000), ("0.0.0.0", 9000)),
        ("https://crm.example.com", (None, None), ("127.0.0.1", 8080)),
        ("https://crm.example.com", ("0.0.0.0", 9000), ("0.0.0.0", 9000)),
    ],
)
def test_where_to_listen_follows_the_public_url_unless_told(public, given, expected):
    settings = Settings(public_url=public, secret_keys=new_key())

    assert roles.address_of(settings, *given) == expected


PULLED = {
    "google_client_id": "i",
    "google_client_secret": "s",
    "google_pubsub_topic": "projects/p/topics/t",
    "google_pubsub_subscription": "projects/p/subscriptions/s",
}
PUSHED = {"google_pubsub_audience": "a", "google_pubsub_service_account": "a@b.test"}


@pytest.mark.parametrize(
    ("given", "pulls"), [({}, False), (PULLED, True), (PULLED | PUSHED, False)]
)
def test_all_pulls_where_a_subscription_is_set_and_nobody_pushes(given, pulls):
    parts = roles.parts_of_all(Settings(secret_keys=new_key(), **given), ("::1", 80), 2)

    assert ("pull" in parts) is pulls
    assert {"web", "worker", "timetable"} <= set(parts)


def test_to_pull_a_subscription_must_be_set(process):
    told = process("pull")

    assert told.returncode == 2
    assert told.stderr.startswith("REPLYLOG_GOOGLE_PUBSUB_SUBSCRIPTION: needed to pull")


def test_a_mailbox_is_listed_and_woken(replylog, tmp_path: Path, now, redis, redis_server):
    key, url = new_key(), f"sqlite:///{tmp_path}/crm.sqlite3"
    given = {"DATABASE_URL": url, "SECRET_KEYS": key, "REDIS_URL": redis_server.url}
    replylog("db", "upgrade", **given)
    connect_mailbox(url, Secrets([key]), now)

    listed = json.loads(replylog("mailbox", "list", "--json", **given).stdout)
    shown = replylog("mailbox", "list", **given)
    woken = replylog("mailbox", "sync", "Ana@acme.test", **given)

    assert [(row["address"], row["provider"], row["status"]) for row in listed] == [
        ("ana@acme.test", "gmail", "connected")
    ]
    assert set(listed[0]) == {
        "id", "address", "provider", "kind", "status", "reason", "followed_folders",
        "last_synced_at", "lag_seconds", "blocked_by", "blocked_since", "blocked_until",
    }  # fmt: skip
    assert shown.stdout.splitlines()[1].split()[:4] == [
        "ana@acme.test", "gmail", "connected", "never",
    ]  # fmt: skip
    assert woken.stdout == "Woken: Ana@acme.test\n", woken.stderr
    assert Queue(redis).awake() == 1


def connect_mailbox(url: str, secrets: Secrets, now: datetime) -> None:
    database = Database(url)
    with database.begin() as conn:
        account = accounts.ensure_account(conn, "Acme", secrets, now)
        user = accounts.add_user(conn, account, accounts.NewUser("ana@acme.test"), now)
        new = mailboxes.NewMailbox(
            user_id=user, address="ana@acme.test", provider="gmail", kind=MailboxKind.PERSONAL,
            subject="1", own_addresses=("ana@acme.test",), cursor="1", tokens=Tokens("a", "r", now),
            folders=(),
        )  # fmt: skip
        mailboxes.connect(conn, account, new, secrets, now)
    database.close()


def test_redis_that_does_not_answer_is_one_line(replylog, tmp_path: Path, now):
    key, url = new_key(), f"sqlite:///{tmp_path}/crm.sqlite3"
    given = {"DATABASE_URL": url, "SECRET_KEYS": key, "REDIS_URL": f"unix://{tmp_path}/none"}
    replylog("db", "upgrade", **given)
    connect_mailbox(url, Secrets([key]), now)

    told = replylog("mailbox", "sync", "ana@acme.test", **given)

    assert told.returncode == 1
    assert told.stderr.startswith("Error: Redis does not answer")
    assert len(told.stderr.splitlines()) == 1


def test_the_sandbox_says_where_it_is(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-m", "replylog", "sandbox"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        process.terminate()

    assert set(where) == {"url", "dns"}


@pytest.mark.parametrize("role", [["web", "--port"], ["all", "--port"], ["worker", "--probe"]])
def test_a_port_that_is_taken_is_named_at_the_start(role, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        given = address if role[1] == "--probe" else address.rpartition(":")[2]
        told = subprocess.run(
            [sys.executable, "-m", "replylog", *role, given],
            env=os.environ | {"REPLYLOG_VAR": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert told.returncode == 1
    assert f"Error: cannot listen at {address}: Address already in use" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "given",
    [["web", "--port", "99999"], ["timetable", "--probe", "here"], ["pull", "--probe", ":0"]],
)
def test_what_is_no_port_is_refused(given):
    assert CliRunner().invoke(main, given).exit_code == 2
