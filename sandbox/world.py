"""The pretend world: people, their mailboxes at pretend providers, and mail between them.

A provider's part (`sandbox.google`, `sandbox.microsoft`) registers a mailbox backend for each of its
people; `World.deliver` hands a message to the backends of its recipients. Mail to people without a
provider lies in a plain mailbox. Everything is in memory, guarded by one lock.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sandbox import mail
from sandbox.faults import Faults, Notifications

PROVIDERS = {"google": "smtp.google.com", "microsoft": "{domain}.mail.protection.outlook.com"}
# Counted among the operations: what went wrong here, and nobody meant it to.
FAILED = "sandbox.failed-requests"
DIED = "sandbox.dead-threads"


class Unsupported(Exception):
    """The backend has no such thing (a plain mailbox has no labels, say); the text is for people."""


class Missing(Exception):
    """No such person, message, folder or label."""


@dataclass(frozen=True)
class Item:
    """One message of a mailbox as a person sees it."""

    id: str
    folder: str  # "inbox", "sent", "junk", "trash", "drafts", "archive" or a folder's or label's own name
    labels: tuple[str, ...]  # Gmail label names or Outlook categories
    raw: bytes
    read: bool
    received_at: datetime


@dataclass(frozen=True)
class Rule:
    """An inbox rule: mail whose From contains `from_contains` goes to `target_folder`."""

    name: str
    from_contains: str
    target_folder: str
    copy: bool = False
    enabled: bool = True


class Backend(Protocol):
    """A person's mailbox: what the world, the control API and the page do with it.

    All methods are called with `World.lock` held. Methods that find nothing raise `Missing`;
    those that the provider does not have raise `Unsupported`.
    """

    def receive(self, raw: bytes, place: str = "inbox") -> str:
        """Take an arriving message (rules apply); `place` "junk" = the filter's judgement.
        Returns the provider's id of the new copy."""
        ...

    def send(self, raw: bytes, label: str | None = None) -> str:
        """The person sends `raw` (Bcc still inside) in the provider's own mail program: keeps a Sent
        copy, with `label` (category) if given, and delivers. Returns the Sent copy's id."""
        ...

    def items(self) -> list[Item]:
        """All messages, oldest first."""
        ...

    def folders(self) -> list[str]:
        """Names of the folders (labels) a person can move a message to."""
        ...

    def move(self, item_id: str, to: str) -> str:
        """Move to "inbox", "junk", "trash", "archive" or a folder by name (made when missing);
        the id afterwards."""
        ...

    def label(self, item_id: str, name: str, on: bool = True) -> None:
        """Set or take away a label (category) by name (made when missing)."""
        ...

    def delete(self, item_id: str) -> None:
        """Delete for ever."""
        ...

    def add_rule(self, rule: Rule) -> str:
        """Add or replace an inbox rule by its name; the rule's id."""
        ...

    def cut(self, cause: str) -> None:
        """End access of the apps: "password" (changed), "consent" (taken away), "tokens" (access
        tokens end now, refresh still works), "history" (cursors become too old)."""
        ...


class PlainMailbox:
    """A mailbox at no provider we speak to: an inbox and a sent folder."""

    def __init__(self, world: "World | None" = None, address: str = "") -> None:
        self.world = world or World()
        self.address = address
        self.entries: dict[str, Item] = {}
        self._last = 0

    @property
    def messages(self) -> list[bytes]:
        """What has arrived, oldest first."""
        return [item.raw for item in self.entries.values() if item.folder != "sent"]

    def _keep(self, raw: bytes, folder: str) -> str:
        self._last += 1
        item = Item(str(self._last), folder, (), raw, folder == "sent", self.world.now())
        self.entries[item.id] = item
        return item.id

    def receive(self, raw: bytes, place: str = "inbox") -> str:
        return self._keep(raw, place)

    def send(self, raw: bytes, label: str | None = None) -> str:
        if label:
            raise Unsupported("a plain mailbox has no labels")
        self.world.post(raw)
        return self._keep(raw, "sent")

    def items(self) -> list[Item]:
        return list(self.entries.values())

    def folders(self) -> list[str]:
        return ["inbox", "junk", "trash"]

    def _item(self, item_id: str) -> Item:
        try:
            return self.entries[item_id]
        except KeyError:
            raise Missing(f"no message {item_id}") from None

    def move(self, item_id: str, to: str) -> str:
        old = self._item(item_id)
        self.entries[item_id] = Item(old.id, to, old.labels, old.raw, old.read, old.received_at)
        return item_id

    def label(self, item_id: str, name: str, on: bool = True) -> None:
        raise Unsupported(f"a plain mailbox has no labels: {name} {on} {item_id}")

    def delete(self, item_id: str) -> None:
        self._item(item_id)
        del self.entries[item_id]

    def add_rule(self, rule: Rule) -> str:
        raise Unsupported(f"a plain mailbox has no rules: {rule.name}")

    def cut(self, cause: str) -> None:
        raise Unsupported(f"no app has access to a plain mailbox: {cause}")


@dataclass
class Person:
    address: str
    name: str
    provider: str  # "google", "microsoft" or "plain"
    backend: Backend


class World:
    """All state of the sandbox; `lock` guards it (re-entrant)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.people: dict[str, Person] = {}
        self.hosts: dict[str, str] = {}  # domain -> "google", "microsoft" or "plain": what MX says
        self.counts: Counter[str] = Counter()  # "gmail.messages.get.full" and the like
        self.skew = timedelta(0)
        self.resets: list[Callable[[], None]] = []  # providers put their own state back
        self.faults = Faults()
        self.notifications = Notifications()
        self.switches: dict[str, object] = {}  # what the reference calls unverified; set by control
        self._defaults: dict[str, object] = {}
        self.parts: dict[str, object] = {}  # a provider's own state, by the provider's name
        self.url = ""  # where the sandbox answers; set before the first request
        self.closing = threading.Event()  # background threads end when set
        self._withheld = False

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def switch(self, name: str, default: object) -> None:
        """Declare a switch of the control API (POST /control/switches) with its default."""
        self._defaults[name] = default
        self.switches.setdefault(name, default)

    def count(self, operation: str, by: int = 1) -> None:
        with self.lock:
            self.counts[operation] += by

    def add(self, address: str, name: str, provider: str, backend: Backend) -> Person:
        """Put a person into the world; the domain's MX follows its first person's provider."""
        with self.lock:
            person = Person(address.lower(), name, provider, backend)
            self.people[person.address] = person
            self.hosts.setdefault(person.address.rpartition("@")[2], provider)
            return person

    def person(self, address: str) -> Person:
        """The person of an address; raises Missing."""
        with self.lock:
            try:
                return self.people[address.strip().lower()]
            except KeyError:
                raise Missing(f"nobody has the address {address}") from None

    def deliver(
        self, raw: bytes, recipients: Iterable[str], place: str = "inbox"
    ) -> dict[str, str]:
        """Hand `raw` to each recipient who exists (Bcc already removed by the sender's provider);
        address -> provider's id of the copy. Unknown recipients are dropped, as the world does."""
        with self.lock:
            if self._withheld:
                return {}
            found = [self.people.get(a.lower()) for a in dict.fromkeys(recipients)]
            return {p.address: p.backend.receive(raw, place) for p in found if p}

    @contextmanager
    def withheld(self) -> Iterator[None]:
        """Mail sent meanwhile reaches nobody: a server on its way holds it."""
        with self.lock:
            self._withheld = True
            try:
                yield
            finally:
                self._withheld = False

    def post(self, raw: bytes, place: str = "inbox") -> dict[str, str]:
        """Deliver to everybody named in To, Cc and Bcc, with Bcc removed as a sending server does."""
        return self.deliver(mail.without_bcc(raw), mail.recipients(raw), place)

    def reset(self) -> None:
        """Back to the start: no people, no faults, all switches at their defaults. The caller seeds."""
        with self.lock:
            self.people.clear()
            self.hosts.clear()
            self.counts.clear()
            self.skew = timedelta(0)
            self.switches = dict(self._defaults)
            self.faults.clear()
            self.faults.met.clear()
            self.notifications.clear()
            for put_back in self.resets:
                put_back()
