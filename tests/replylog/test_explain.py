"""`replylog explain` over a real database."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from crm.database import Database
from infra.secrets import Secrets, new_key
from replylog.cli import main
from tests.crm.store_world import World, message_id

ANA, MARIA = "ana@acme.test", "maria@globex.test"
ANSWER = f"""From: {MARIA}
To: {ANA}
Subject: Re: Offer
Received: by x; Mon, 2 Mar 2026 09:09:00 +0000
Message-ID: <answer@globex.test>
In-Reply-To: <{message_id(1)}>

The secret body.
"""


@pytest.fixture
def explain(sqlite_url: str, now, monkeypatch, tmp_path: Path):
    key = new_key()
    database = Database(sqlite_url)
    world = World(database, Secrets([key]), now)
    world.contact(MARIA, name="Maria Rossi")
    world.settle(world.mailbox(ANA), world.sent(1, [MARIA]))
    database.close()
    monkeypatch.setenv("REPLYLOG_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("REPLYLOG_SECRET_KEYS", SecretStr(key).get_secret_value())

    def run(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(main, ["explain", *arguments], input=given)

    return run


def test_a_file_is_explained_rule_by_rule(explain, tmp_path):
    (tmp_path / "answer.eml").write_text(ANSWER)
    told = explain("answer.eml", "--mailbox", ANA)

    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert lines[0] == "Would be logged on the timeline of Maria Rossi (rule reply)."
    assert any(line.startswith("✓ unknown-sender") for line in lines)
    assert lines[-1] == "Nothing of this was stored."
    assert "secret" not in told.output


def test_standard_input_is_explained_with_what_to_do(explain):
    told = explain("-", "--mailbox", ANA.upper(), given=ANSWER.replace(MARIA, "eve@x.test"))

    assert told.output.startswith("Would not be logged: ")
    assert "✗ unknown-sender" in told.output
    assert "What to do: " in told.output


def test_programs_get_json(explain):
    said = json.loads(explain("-", "--mailbox", ANA, "--json", given=ANSWER).output)

    assert (said["verdict"], said["rule"]) == ("logged", "reply")
    assert {"id", "passed", "sentence"} <= said["rules"][0].keys()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["-", "--mailbox", "no@acme.test"], "is no mailbox here"), (["gone.eml", "--mailbox", ANA], "gone.eml")],
)  # fmt: skip
def test_what_cannot_be_explained_is_one_line(explain, arguments, words):
    told = explain(*arguments)

    assert told.exit_code in {1, 2}
    assert words in told.output
    assert "Traceback" not in told.output
