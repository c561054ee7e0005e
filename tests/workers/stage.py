"""Plays a story in the real system, and reads what stands there in the end."""

from dataclasses import asdict
from datetime import timedelta
from typing import Protocol

from sqlalchemy import select

from crm.model import Place
from crm.store import contacts, merging, never_log
from crm.store import settings as account_settings
from crm.tables import ContactAddress, Email, EmailContact, Sighting, Thread
from providers.memory import MemoryMailbox
from tests.workers.conftest import Office
from tests.workers.oracle import Entry
from tests.workers.stories import ANA, BOXES, LABEL, LEA, MARIA, Delivery, Event, Story

# Which mailboxes are rung after an event, and how many seconds pass.
PUSHES: tuple[tuple[tuple[str, ...], int], ...] = (
    ((), 0),
    ((), 0),
    (tuple(BOXES), 1),
    (tuple(BOXES), 0),
    ((ANA,), 400),
    (tuple(reversed(BOXES)), 7),
)


class Post(Protocol):
    """The mailboxes of a story, at some provider."""

    def connect(self, box: str, user: str) -> int:
        """Connect the mailbox with the address `box`; its id."""
        ...

    def deliver(self, delivery: Delivery) -> str:
        """The provider's id of the copy."""
        ...

    def label(self, box: str, ref: str) -> None: ...

    def rescue(self, box: str, ref: str) -> None:
        """From Junk to the Inbox."""
        ...

    def touch(self, box: str, ref: str) -> None:
        """Something happens that matters to nobody, but the message is told once more."""
        ...


class MemoryPost:
    """Mailboxes in memory."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.began = office.clock
        self.boxes: dict[str, MemoryMailbox] = {}

    def connect(self, box: str, user: str) -> int:
        mailbox_id = self.office.mailbox(box, user=user)
        self.boxes[box] = self.office.boxes[mailbox_id]
        return mailbox_id

    def deliver(self, delivery: Delivery) -> str:
        received = delivery.received(self.began)
        raw = delivery.raw(self.began)
        ref = self.boxes[delivery.box].deliver(raw, delivery.place, received)
        if delivery.label == "early":
            self.label(delivery.box, ref)
        return ref

    def label(self, box: str, ref: str) -> None:
        self.boxes[box].label(ref, LABEL)

    def rescue(self, box: str, ref: str) -> None:
        self.boxes[box].move(ref, Place.FOLLOWED)

    def touch(self, box: str, ref: str) -> None:
        self.boxes[box].move(ref, self.boxes[box].messages[ref].place)


class Stage:
    """An office with the story's people and settings, and nothing in its mailboxes yet."""

    def __init__(self, office: Office, post: Post, story: Story) -> None:
        self.office = office
        self.post = post
        self.began = office.clock
        self.boxes = {
            box: post.connect(box, ANA if user == 1 else box) for box, user in BOXES.items()
        }
        self.users = {1: office.user(ANA), 2: office.user("ben@acme.test")}
        office.contact(MARIA, LEA)
        with office.database.begin() as conn:
            for name, value in asdict(story.switches).items():
                if value:
                    account_settings.set_setting(conn, office.account_id, name, value)
            for whose, entries in story.never_log.items():
                user = None if whose is None else self.users[whose]
                never_log.add(conn, office.account_id, user, sorted(entries), office.clock)
        office.clock += timedelta(hours=1)
        self.refs: dict[str, str] = {}  # provider's id by name of the copy
        self.waiting: dict[str, list[str]] = {}  # what happened to copies that have not come yet

    def play(self, events: list[tuple[Event, tuple[tuple[str, ...], int]]]) -> None:
        for event, (rung, seconds) in events:
            self._happen(event)
            self.office.sync(*(self.boxes[each] for each in rung))
            self.office.clock += timedelta(seconds=seconds)
        self.office.sync(*self.boxes.values())
        for _ in range(30):
            self.office.settle(steps=1, step=timedelta(seconds=4))
            if not self.office.pending():
                break

    def _happen(self, event: Event) -> None:
        if event.delivery:
            name = event.delivery.name
            if event.what == "deliver":
                self.refs[name] = self.post.deliver(event.delivery)
                for what in self.waiting.pop(name, ()):
                    self._change(what, event.delivery)
            elif name in self.refs:
                self._change(event.what, event.delivery)
            else:
                self.waiting.setdefault(name, []).append(event.what)
        elif event.what == "contact":
            self._contact(event.address)
        else:
            self._alias(event.address)

    def _change(self, what: str, delivery: Delivery) -> None:
        ref = self.refs[delivery.name]
        if what == "label":
            self.post.label(delivery.box, ref)
        elif what == "rescue":
            self.post.rescue(delivery.box, ref)
        else:
            self.post.touch(delivery.box, ref)

    def _contact(self, address: str) -> None:
        with self.office.database.begin() as conn:
            account_id, now = self.office.account_id, self.office.clock
            if contacts.find(conn, account_id, address) is None:
                contacts.add_contact(conn, account_id, "Pia", [address], now)

    def _alias(self, address: str) -> None:
        account_id, now = self.office.account_id, self.office.clock
        with self.office.database.begin() as conn:
            maria = contacts.find(conn, account_id, MARIA)
            other = contacts.find(conn, account_id, address)
            assert maria is not None
            if other is None:
                contacts.add_address(conn, account_id, maria.id, address, now)
            else:
                merging.merge(conn, account_id, maria.id, other.id, now)

    def entries(self) -> list[Entry]:
        """The timeline, in the oracle's words."""
        office, account = self.office, self.office.account_id
        query = select(
            Email.id,
            Email.identity,
            Email.message_id,
            Email.thread_id,
            Email.owner_id,
            Email.direction,
            Email.rule,
        ).where(Email.account_id == account)
        with office.database.read() as conn:
            emails = conn.execute(query).all()
        threads = dict(
            office.rows(select(Thread.id, Thread.root_identity).where(Thread.account_id == account))
        )
        assert set(threads) == {row.thread_id for row in emails}, "a thread without e-mails"
        copies, on = self._copies(), self._on()
        roots = {row.identity: copies[row.id] for row in emails}
        users = {id: user for user, id in self.users.items()}
        found = [
            Entry(
                row.message_id,
                roots[threads[row.thread_id]],
                users[row.owner_id or 0],
                row.direction == "outgoing",
                "sent" if row.rule.startswith("sent-") else row.rule,
                frozenset(on.get(row.id, ())),
                copies[row.id],
            )
            for row in emails
        ]
        return sorted(found, key=lambda each: each.copies)

    def _copies(self) -> dict[int, tuple[str, ...]]:
        """The names of each e-mail's copies."""
        names = {(self.boxes[n.split("/")[0]], ref): n for n, ref in self.refs.items()}
        query = select(Sighting.email_id, Sighting.mailbox_id, Sighting.provider_id).where(
            Sighting.account_id == self.office.account_id
        )
        found: dict[int, list[str]] = {}
        for email_id, mailbox_id, ref in self.office.rows(query):
            found.setdefault(email_id, []).append(names[mailbox_id, ref])
        return {email_id: tuple(sorted(each)) for email_id, each in found.items()}

    def _on(self) -> dict[int, list[str]]:
        account = self.office.account_id
        query = (
            select(EmailContact.email_id, ContactAddress.address)
            .join(ContactAddress, ContactAddress.contact_id == EmailContact.contact_id)
            .where(EmailContact.account_id == account, ContactAddress.account_id == account)
        )
        found: dict[int, list[str]] = {}
        for email_id, address in self.office.rows(query):
            found.setdefault(email_id, []).append(address)
        return found

    def journal(self) -> dict[str, str]:
        """`logged`, or the rule that refused, by copy."""
        found = {}
        for box, mailbox_id in self.boxes.items():
            verdicts = self.office.journal(mailbox_id)
            for name, ref in self.refs.items():
                if name.split("/")[0] == box and ref in verdicts:
                    verdict, rule = verdicts[ref]
                    found[name] = rule if verdict == "refused" else verdict
        return found
