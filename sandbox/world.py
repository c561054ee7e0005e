"""The pretend world: people, their mailboxes at pretend providers, and mail between them.

A provider's part (`sandbox.google`, `sandbox.microsoft`) registers a mailbox backend for each of its
people; `World.deliver` hands a message to the backends of its recipients. Mail to people without a
provider lies in a plain mailbox. Everything is in memory, guarded by one lock.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

PROVIDERS = {"google": "smtp.google.com", "microsoft": "{domain}.mail.protection.outlook.com"}


class Backend(Protocol):
    """Where a person's arriving mail goes."""

    def receive(self, raw: bytes) -> str:
        """Take an arriving message; the provider's id of the new copy."""
        ...


@dataclass
class PlainMailbox:
    """A mailbox at no provider we speak to: a list of messages."""

    messages: list[bytes] = field(default_factory=list)

    def receive(self, raw: bytes) -> str:
        self.messages.append(raw)
        return str(len(self.messages))


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

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def add(self, address: str, name: str, provider: str, backend: Backend) -> Person:
        """Put a person into the world; the domain's MX follows its first person's provider."""
        with self.lock:
            person = Person(address.lower(), name, provider, backend)
            self.people[person.address] = person
            self.hosts.setdefault(person.address.rpartition("@")[2], provider)
            return person

    def deliver(self, raw: bytes, recipients: Sequence[str]) -> dict[str, str]:
        """Hand `raw` to each recipient who exists (Bcc already removed by the sender's provider);
        address -> provider's id of the copy. Unknown recipients are dropped, as the world does."""
        with self.lock:
            found = [self.people.get(address.lower()) for address in dict.fromkeys(recipients)]
            return {person.address: person.backend.receive(raw) for person in found if person}
