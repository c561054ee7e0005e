"""An office to work in: an account, people, mailboxes in memory, a real database and Redis."""

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm.database import Database
from crm.model import Address, MailboxKind, Place, Tokens
from crm.store import accounts, mailboxes, people
from crm.store import settings as account_settings
from crm.store.accounts import NewUser
from crm.store.mailboxes import Mailbox, NewMailbox
from crm.tables import Email, EmailContact, JournalRow, PendingMessage, Sighting
from infra.blobs import Blobs
from infra.secrets import Secrets
from infra.settings import Settings
from providers.client import MailClient
from providers.memory import MemoryClient, MemoryMailbox
from workers.queue import Queue
from workers.runtime import Runtime
from workers.sync import sync

BCC = "log@bcc.acme.test"
NOWHERE = Blobs(Settings(var=Path("/dev/null")))  # for tests whose mail has no files


def mail(
    sender: str,
    to: str,
    subject: str,
    message_id: str,
    answers: str = "",
    when: datetime | None = None,
    bcc: str = "",
    body: str = "Hello.",
) -> bytes:
    """A small message in RFC 5322 form."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}"]
    lines += [f"Bcc: {bcc}"] if bcc else []
    lines += [f"Date: {when:%a, %d %b %Y %H:%M:%S +0000}"] if when else []
    lines += [f"Message-ID: <{message_id}>"] if message_id else []
    lines += [f"In-Reply-To: <{answers}>", f"References: <{answers}>"] if answers else []
    return "\r\n".join([*lines, "", body, ""]).encode()


@dataclass
class Office:
    """One account. `clock` stands still until a test moves it."""

    database: Database
    queue: Queue
    secrets: Secrets
    clock: datetime
    blobs: Blobs = NOWHERE
    account_id: int = 0
    users: dict[str, int] = field(default_factory=dict)
    boxes: dict[int, MemoryMailbox] = field(default_factory=dict)
    page_size: int = 500
    opened: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        with self.database.begin() as conn:
            self.account_id = accounts.ensure_account(conn, "Acme", self.secrets, self.clock)
            accounts.add_domain(conn, self.account_id, "acme.test")
            account_settings.set_setting(conn, self.account_id, "bcc_address", BCC)

    @property
    def runtime(self) -> Runtime:
        return Runtime(
            self.database, self.queue, self.secrets, self._open, self.blobs, lambda: self.clock
        )

    def _open(self, mailbox: Mailbox) -> MailClient:
        self.opened += 1
        return MemoryClient(self.boxes[mailbox.id], self.page_size)

    def contact(self, *addresses: str) -> None:
        with self.database.begin() as conn:
            everyone = [Address(each, each.partition("@")[0].title()) for each in addresses]
            people.create_contacts(conn, self.account_id, everyone, self.clock)

    def user(self, address: str) -> int:
        if address not in self.users:
            with self.database.begin() as conn:
                new = NewUser(address)
                self.users[address] = accounts.add_user(conn, self.account_id, new, self.clock)
        return self.users[address]

    def mailbox(
        self, address: str, user: str = "", kind: MailboxKind = MailboxKind.PERSONAL
    ) -> int:
        """Connect a mailbox of `user` (by default of a user with the same address)."""
        box = MemoryMailbox(lambda: self.clock)
        new = NewMailbox(
            user_id=self.user(user or address),
            address=address,
            provider="memory",
            kind=kind,
            tokens=Tokens("access", "refresh", self.clock + timedelta(hours=1)),
            cursor=MemoryClient(box).baseline(),
        )
        with self.database.begin() as conn:
            mailbox_id = mailboxes.connect(conn, self.account_id, new, self.secrets, self.clock)
        self.boxes[mailbox_id] = box
        return mailbox_id

    def sync(self, *mailbox_ids: int) -> None:
        """One run for each mailbox."""
        for mailbox_id in mailbox_ids:
            sync(self.runtime, mailbox_id, self.stopping)

    def settle(self, steps: int = 40, step: timedelta = timedelta(seconds=1)) -> None:
        """Let the timetable ring what is due until nothing changes any more."""
        for _ in range(steps):
            with self.database.read() as conn:
                due = [mailbox_id for _, mailbox_id in mailboxes.due(conn, self.clock, 100)]
            self.sync(*due)
            self.clock += step

    def mail(self, *args: Any, **options: Any) -> bytes:
        return mail(*args, when=options.pop("when", self.clock), **options)

    def send(self, mailbox_id: int, to: str, subject: str, message_id: str, **options: Any) -> str:
        """The mailbox's owner sends a mail, ticked for the log unless `bcc=""`."""
        options.setdefault("bcc", BCC)
        sender = self.row(mailbox_id).address
        return self.boxes[mailbox_id].send(self.mail(sender, to, subject, message_id, **options))

    def deliver(
        self, mailbox_id: int, *args: Any, place: Place = Place.FOLLOWED, **options: Any
    ) -> str:
        """A mail arrives; arguments as for `mail`, without the recipient."""
        sender, *rest = args
        to = self.row(mailbox_id).address
        return self.boxes[mailbox_id].deliver(self.mail(sender, to, *rest, **options), place)

    def row(self, mailbox_id: int) -> Mailbox:
        with self.database.read() as conn:
            found = mailboxes.by_id(conn, mailbox_id)
        assert found is not None
        return found

    def rows(self, query: Any) -> list[Any]:
        with self.database.read() as conn:
            return [tuple(row) for row in conn.execute(query)]

    def journal(self, mailbox_id: int) -> dict[str, tuple[str, str]]:
        """Verdict and rule by the provider's id."""
        query = select(JournalRow.provider_id, JournalRow.verdict, JournalRow.rule).where(
            JournalRow.account_id == self.account_id, JournalRow.mailbox_id == mailbox_id
        )
        return {provider_id: (verdict, rule) for provider_id, verdict, rule in self.rows(query)}

    def rules(self, mailbox_id: int) -> dict[str, str]:
        return {ref: rule for ref, (_, rule) in self.journal(mailbox_id).items()}

    def senders(self, mailbox_id: int) -> dict[str, str]:
        """Whom the journal names as the sender, by the provider's id."""
        query = select(JournalRow.provider_id, JournalRow.sender).where(
            JournalRow.account_id == self.account_id, JournalRow.mailbox_id == mailbox_id
        )
        return dict(self.rows(query))

    def timeline(self) -> set[tuple[str, int, int]]:
        """(Message-ID, how many contacts' timelines it is on, how many sightings) of all entries."""
        account = self.account_id
        emails = self.rows(select(Email.id, Email.message_id).where(Email.account_id == account))
        on = self.rows(select(EmailContact.email_id).where(EmailContact.account_id == account))
        seen = self.rows(select(Sighting.email_id).where(Sighting.account_id == account))
        return {(name, on.count((id,)), seen.count((id,))) for id, name in emails}

    def pending(self) -> list[tuple[str, str, int]]:
        """(provider id, reason, attempts) of what is not settled."""
        return self.rows(
            select(PendingMessage.provider_id, PendingMessage.reason, PendingMessage.attempts)
            .where(PendingMessage.account_id == self.account_id)
            .order_by(PendingMessage.provider_id)
        )


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(Settings(var=tmp_path / "var"))


@dataclass
class Disk:
    """An SQLite file that is put back to what it was again and again. The engine stays: it knows
    the statements by then, which takes longer than to run them."""

    database: Database
    path: Path
    kept: Path

    def keep(self) -> None:
        """Remember the file as it is now."""
        self.database.close()
        shutil.copyfile(self.path, self.kept)

    def restore(self) -> None:
        self.database.close()
        shutil.copyfile(self.kept, self.path)


@pytest.fixture
def disk(_sqlite_template: Path, tmp_path: Path) -> Iterator[Disk]:
    """A migrated, empty SQLite file, and what brings it back."""
    path = tmp_path / "disk.sqlite3"
    shutil.copyfile(_sqlite_template, path)
    found = Disk(Database(f"sqlite:///{path}"), path, tmp_path / "kept.sqlite3")
    found.keep()
    yield found
    found.database.close()


@pytest.fixture
def office(database: Database, redis: Any, secrets: Secrets, now: datetime, blobs: Blobs) -> Office:
    return Office(database, Queue(redis), secrets, now, blobs)


@pytest.fixture
def sqlite_office(
    sqlite_url: str, redis: Any, secrets: Secrets, now: datetime, blobs: Blobs
) -> Any:
    """An office on SQLite alone, for tests whose subject is not the database."""
    database = Database(sqlite_url)
    yield Office(database, Queue(redis), secrets, now, blobs)
    database.close()


Deliver = Callable[..., str]
