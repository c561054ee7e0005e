"""`replylog contacts`: contacts out of a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import click

from infra.settings import load
from replylog.stores import opened

if TYPE_CHECKING:
    from crm.contact_file import BadRow, FileRow
    from crm.database import Database
    from crm.store.contact_import import Imported

BATCH = 500  # rows a transaction


@click.group()
def contacts() -> None:
    """The people whose replies are logged."""


@contacts.command("import")
@click.argument("file", type=click.File("rb"))
def contacts_import(file: IO[bytes]) -> None:
    """Add the contacts of a CSV file; - is standard input.

    The first line names the columns: name, email (also email2 ..., or several in one cell with ;
    between them) and company. Repeating an import changes nothing. Rows that cannot be used are
    listed, the others imported.
    """
    from crm.contact_file import NotAContactFile
    from crm.store import accounts
    from infra.secrets import Secrets

    settings = load()
    total = Total()
    failure = ""
    with opened(settings) as database:
        with database.begin() as conn:
            now = datetime.now(UTC)
            account = accounts.ensure_account(conn, "", Secrets(settings.key_texts), now)
        try:
            with _bar(file) as counted:
                for rows in _batches(counted, total.bad):
                    total.add(_stored(database, account, rows))
        except NotAContactFile as error:
            failure = str(error)
    if total.woken:
        from replylog.mailbox_command import wake

        wake(settings, *sorted(total.woken))
    total.tell()
    if failure:
        raise click.ClickException(f"{failure}; nothing from there on was imported")
    if total.bad and not total.good:
        sys.exit(1)


class Total:
    """What became of all rows."""

    def __init__(self) -> None:
        self.added = self.completed = self.unchanged = 0
        self.bad: list[BadRow] = []
        self.woken: set[int] = set()

    @property
    def good(self) -> int:
        return self.added + self.completed + self.unchanged

    def add(self, some: "Imported") -> None:
        self.added += some.added
        self.completed += some.completed
        self.unchanged += some.unchanged
        self.bad += some.refused
        self.woken |= some.woken

    def tell(self) -> None:
        for each in sorted(self.bad, key=lambda bad: bad.line):
            click.echo(f"line {each.line}: {each.reason}", err=True)
        text = f"{self.added} added, {self.completed} completed, {self.unchanged} unchanged"
        click.echo(f"Contacts: {text}, {len(self.bad)} rows not imported.")


def _stored(database: "Database", account: int, rows: "list[FileRow]") -> "Imported":
    from crm.store import contact_import

    with database.begin() as conn:
        return contact_import.store(conn, account, rows, datetime.now(UTC))


def _batches(lines: Iterator[bytes], bad: "list[BadRow]") -> "Iterator[list[FileRow]]":
    """The good rows, some at a time. Those before a place where nothing can be read come, too."""
    from crm.contact_file import BadRow, NotAContactFile, read

    rows: list[FileRow] = []
    try:
        for row in read(lines):
            if isinstance(row, BadRow):
                bad.append(row)
                continue
            rows.append(row)
            if len(rows) == BATCH:
                yield rows
                rows = []
    except NotAContactFile:
        yield rows
        raise
    yield rows


@contextmanager
def _bar(file: IO[bytes]) -> Iterator[Iterator[bytes]]:
    """The lines of the file; a terminal shows how much of it is done."""
    size = _size(file)
    hidden = not (size and sys.stderr.isatty())
    with click.progressbar(
        length=size, label="Importing", file=sys.stderr, hidden=hidden,
        update_min_steps=1 + size // 200,
    ) as bar:  # fmt: skip

        def counted() -> Iterator[bytes]:
            for line in file:
                yield line
                bar.update(len(line))

        yield counted()


def _size(file: IO[bytes]) -> int:
    """Bytes; 0 for what is no file on a disk."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        return 0
