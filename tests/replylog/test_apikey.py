"""`replylog apikey`."""

import pytest
from click.testing import CliRunner

from crm.database import Database
from crm.model import USUAL_SCOPES, Scope
from crm.store import accounts, api_keys
from replylog.cli import main


@pytest.fixture
def replylog(database_url, database, tmp_path, monkeypatch):
    """The command against an empty database; a call's whole result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPLYLOG_DATABASE_URL", database_url)
    monkeypatch.setenv("REPLYLOG_SECRET_KEYS", "0" * 43 + "=")
    return lambda *arguments: CliRunner().invoke(main, ["apikey", *arguments])


def known(database: Database, key: str) -> api_keys.KeyRow | None:
    with database.read() as conn:
        return api_keys.by_key(conn, key)


def test_a_key_is_printed_alone_and_works(replylog, database):
    told = replylog("add", "our CRM")

    assert told.exit_code == 0
    found = known(database, told.stdout.strip())
    assert found is not None
    assert (found.name, found.scopes) == ("our CRM", USUAL_SCOPES)


def test_a_key_has_the_scopes_that_were_asked_for(replylog, database):
    told = replylog("add", "reader", "--scope", "read", "--scope", "restricted")

    found = known(database, told.stdout.strip())
    assert found is not None
    assert found.scopes == {Scope.READ, Scope.RESTRICTED}


def test_a_name_is_used_once(replylog):
    replylog("add", "our CRM")

    told = replylog("add", "our CRM")

    assert told.exit_code == 1
    assert "already" in told.output


@pytest.mark.parametrize("arguments", [["add", " "], ["add", "x", "--scope", "all"]])
def test_what_makes_no_sense_is_refused(replylog, arguments):
    assert replylog(*arguments).exit_code != 0


def test_keys_are_listed_without_themselves_and_removed(replylog, database):
    assert "No keys yet" in replylog("list").stdout
    key = replylog("add", "our CRM").stdout.strip()

    listed = replylog("list").stdout
    assert "our CRM" in listed
    assert "never" in listed
    assert key not in listed
    assert replylog("remove", "our CRM").exit_code == 0
    assert replylog("remove", "our CRM").exit_code == 1
    assert known(database, key) is None


def test_the_first_key_makes_the_account(replylog, database):
    replylog("add", "our CRM")

    with database.read() as conn:
        assert accounts.account(conn) is not None
