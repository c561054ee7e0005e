"""`replylog contacts import` on a real database: what is stored, what is said, what is rung."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, event, func, select

from crm import guard
from crm.database import Database
from crm.store import accounts, companies, contact_import, contacts
from crm.store.contacts import ContactRow
from crm.tables import Contact
from infra.secrets import Secrets, new_key
from replylog import contacts_command
from replylog.cli import main
from workers.queue import Queue

KEY = new_key()
HEADER = "name,email,company\n"


class Desk:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        with database.begin() as conn:
            now = datetime.now(UTC)
            self.account = accounts.ensure_account(conn, "Acme", Secrets([KEY]), now)

    def load(self, text: str | bytes) -> Result:
        file = self.folder / "contacts.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return CliRunner().invoke(main, ["contacts", "import", str(file)])

    @property
    def stored(self) -> list[ContactRow]:
        with self.database.read() as conn:
            return contacts.listing(conn, self.account, limit=1000)

    @property
    def shown(self) -> list[tuple[str, tuple[str, ...], str]]:
        return [
            (one.name, one.addresses, one.company.name if one.company else "")
            for one in self.stored
        ]


@pytest.fixture
def desk(database_url: str, redis_server, redis, tmp_path: Path, monkeypatch):
    given = {"DATABASE_URL": database_url, "SECRET_KEYS": KEY, "REDIS_URL": redis_server.url}
    for name, value in given.items():
        monkeypatch.setenv(f"REPLYLOG_{name}", value)
    database = Database(database_url)
    guard.install(database.engine)
    yield Desk(database, tmp_path)
    database.close()


def test_contacts_are_added_with_addresses_and_companies(desk: Desk):
    told = desk.load(
        HEADER + "Eva,eva@globex.test;e@globex.test,Globex\nLea,lea@globex.test,Globex\n"
    )

    assert told.exit_code == 0, told.output
    assert told.stdout == "Contacts: 2 added, 0 completed, 0 unchanged, 0 rows not imported.\n"
    assert desk.shown == [
        ("Eva", ("eva@globex.test", "e@globex.test"), "Globex"),
        ("Lea", ("lea@globex.test",), "Globex"),
    ]


def test_an_import_may_be_repeated(desk: Desk):
    text = HEADER + "Eva,eva@globex.test,Globex\n,lea@globex.test,\n"
    desk.load(text)
    before = desk.shown
    told = desk.load(text)

    assert told.stdout == "Contacts: 0 added, 0 completed, 2 unchanged, 0 rows not imported.\n"
    assert desk.shown == before


def test_what_is_empty_is_filled_and_nothing_else_is_changed(desk: Desk):
    desk.load(HEADER + ",eva@globex.test,\nLea,lea@globex.test,Globex\n")
    told = desk.load(
        HEADER + "Eva,eva@globex.test,Globex\nSomebody,lea@globex.test;l@globex.test,Umbrella\n"
    )

    assert told.stdout == "Contacts: 0 added, 2 completed, 0 unchanged, 0 rows not imported.\n"
    assert desk.shown == [
        ("Eva", ("eva@globex.test",), "Globex"),
        ("Lea", ("lea@globex.test", "l@globex.test"), "Globex"),
    ]


def test_rows_of_one_contact_come_together(desk: Desk, monkeypatch):
    rows = ",eva@a.test,\nEva,eva@a.test;eva@b.test,\n,eva@b.test;eva@c.test,Globex\n"
    for batch in (500, 1):
        monkeypatch.setattr(contacts_command, "BATCH", batch)
        desk.load(HEADER + rows)

        assert desk.shown == [("Eva", ("eva@a.test", "eva@b.test", "eva@c.test"), "Globex")]


def test_bad_rows_are_listed_and_the_others_imported(desk: Desk):
    desk.load(HEADER + "Eva,eva@a.test,\nLea,lea@a.test,\n")
    told = desk.load(HEADER + "x,none,\nBoth,eva@a.test;lea@a.test,\nIda,ida@a.test,\nKim,,\n")

    assert told.exit_code == 0
    assert told.stderr.splitlines() == [
        "line 2: 'none' is no e-mail address",
        "line 3: its addresses belong to different contacts",
        "line 5: no e-mail address",
    ]
    assert told.stdout == "Contacts: 1 added, 0 completed, 0 unchanged, 3 rows not imported.\n"
    assert [name for name, _, _ in desk.shown] == ["Eva", "Ida", "Lea"]


def test_a_file_with_nothing_good_in_it_ends_with_1(desk: Desk):
    assert desk.load(HEADER + "x,none,\n").exit_code == 1
    assert desk.load(HEADER).exit_code == 0


def test_a_file_in_another_encoding_is_read_up_to_there(desk: Desk):
    told = desk.load((HEADER + "Eva,eva@a.test,\nNovák,n@a.test,\n").encode("latin-1"))

    assert told.exit_code == 1
    assert "Error: line 3 is not UTF-8: save the file as UTF-8; nothing from there" in told.stderr
    assert [name for name, _, _ in desk.shown] == ["Eva"]


def test_standard_input_is_a_file_too(desk: Desk):
    told = CliRunner().invoke(main, ["contacts", "import", "-"], input="email\neva@a.test\n")

    assert told.exit_code == 0, told.output
    assert len(desk.stored) == 1


def test_an_existing_company_is_found_by_its_name(desk: Desk):
    with desk.database.begin() as conn:
        company = companies.ensure(conn, desk.account, "Globex", "globex.test")
    desk.load(HEADER + "Eva,eva@globex.test,Globex\n")

    [eva] = desk.stored
    assert eva.company is not None
    assert eva.company.id == company


def test_thousands_of_rows_take_few_transactions(desk: Desk):
    text = HEADER + "".join(f"N{at},n{at}@b{at % 7}.test,C{at % 700}\n" for at in range(3000))
    commits: list[object] = []
    note = commits.append
    event.listen(Engine, "commit", note)
    told = desk.load(text)
    event.remove(Engine, "commit", note)

    assert told.exit_code == 0, told.output
    assert 1 <= len(commits) < 50
    with desk.database.read() as conn:
        query = select(func.count()).where(Contact.account_id == desk.account)
        assert conn.scalar(query.select_from(Contact)) == 3000
        assert len(companies.listing(conn, desk.account, limit=1000)) == 700


def test_woken_mailboxes_are_rung(desk: Desk, redis, monkeypatch):
    found = contact_import.Imported(1, 0, 0, (), frozenset({7}))
    monkeypatch.setattr(contact_import, "store", lambda *_: found)

    desk.load(HEADER + "Eva,eva@a.test,\n")

    assert Queue(redis).claim() == 7
