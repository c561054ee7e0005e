"""The command `replylog`, run as people run it: in a process of its own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def replylog(tmp_path: Path):
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
            timeout=60,
            check=False,
        )

    return run


def test_help_names_every_role(replylog):
    told = replylog("--help")

    assert told.returncode == 0
    for name in (
        "all",
        "web",
        "webhooks",
        "worker",
        "timetable",
        "sandbox",
        "db",
        "user",
        "mailbox",
    ):
        assert f"  {name} " in told.stdout


@pytest.mark.parametrize(
    "command", [["all"], ["web"], ["webhooks"], ["worker"], ["timetable"], ["db", "upgrade"]]
)
def test_wrong_settings_are_said_in_one_line_and_end_with_2(replylog, command):
    told = replylog(*command, PUBLIC_URL="nowhere", GOOGLE_CLIENT_ID="")

    assert told.returncode == 2
    assert told.stderr.startswith("REPLYLOG_PUBLIC_URL='nowhere': expected ")
    assert len(told.stderr.splitlines()) == 1


def test_a_misspelt_setting_is_an_error(replylog):
    told = replylog("db", "upgrade", DATABSE_URL="x")

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


def test_a_worker_in_burst_ends_when_nothing_is_to_do(replylog):
    replylog("db", "upgrade")
    before = time.monotonic()

    told = replylog("worker", "--burst")

    assert told.returncode == 0, told.stderr
    assert time.monotonic() - before < 30
