"""The mail of a run: who writes what to whom, and what must become of each copy of it."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from random import Random
from typing import Any, TypeAlias

from tests.faults.office import LABEL, Office, utc_now

Key: TypeAlias = tuple[str, str]  # a mailbox's address, the provider's id of a copy in it

CONTACTS = ("maria@globex.test", "bob@globex.test", "joe@umbrella.test")
STRANGER = "zoe@stranger.test"
ROOTS = 3  # logged threads of each mailbox before the run
FOLDER = "Projects"  # an inbox rule of every mailbox's names it: mail in it is followed

# Of a hundred letters 74 are to be logged.
MIX = {
    "reply": 60,
    "twice": 6,
    "late-root": 6,
    "junk": 5,
    "subject-changed": 6,
    "unknown-sender": 6,
    "not-a-reply": 6,
    "unknown-thread": 3,
    "to-two": 2,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """One copy of a message in a mailbox, and its verdict. Of two copies of one message either
    may be the `duplicate`."""

    mailbox: str
    provider_id: str
    message_id: str
    verdict: str
    rule: str
    or_rule: str = ""

    @property
    def key(self) -> Key:
        return self.mailbox, self.provider_id

    def right(self, verdict: str, rule: str) -> bool:
        """Whether this is what must become of it."""
        return verdict == self.verdict and rule in {self.rule, self.or_rule} - {""}


@dataclass(frozen=True, slots=True)
class Root:
    owner: str
    contact: str
    subject: str
    message_id: str


@dataclass
class Letters:
    """Sends mail of the mix through the world and remembers what is expected of it, and since when
    (in seconds of the monotonic clock) it could be as it must be. Nobody writes to who is `away`."""

    office: Office
    owners: Sequence[str]
    random: Random
    expected: list[Expected] = field(default_factory=list)
    due: dict[Key, float] = field(default_factory=dict)
    away: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    roots: dict[str, list[Root]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _unticked: list[tuple[Root, str, list[Key]]] = field(default_factory=list)  # the Sent copy's id

    def begin(self) -> None:
        """Threads for each owner: mail to a contact, ticked by the BCC address."""
        for owner in self.owners:
            for contact in CONTACTS[:ROOTS]:
                root, ref = self._send(owner, contact, ticked=True)
                self.roots.setdefault(owner, []).append(root)
                self._expect(owner, ref, root.message_id, "sent-bcc")

    def at_home(self, provider: str = "") -> list[str]:
        """The owners at a provider who can be written to."""
        return [
            each
            for each in self.owners
            if not self.away[each] and provider in ("", self.office.provider_of(each))
        ]

    def one(self, kind: str = "", provider: str = "") -> int:
        """One letter, by default of a kind drawn from the mix; how many copies arrived."""
        before = len(self.expected)
        kind = kind or self.random.choices(list(MIX), list(MIX.values()))[0]
        self.kinds[kind] += 1
        owners = self.at_home(provider) or self.at_home() or list(self.owners)
        root = self.random.choice(self.roots[self.random.choice(owners)])
        getattr(self, f"_{kind.replace('-', '_')}")(root)
        return len(self.expected) - before

    def moved(self, provider: str) -> None:
        """An answer arrives and is moved to another followed folder at once."""
        owners = self.at_home(provider) or self.at_home() or list(self.owners)
        root = self.random.choice(self.roots[self.random.choice(owners)])
        ref = self._reply(root)
        self.office.world.post("move", address=root.owner, id=ref, to=FOLDER)

    def rule(self, owner: str, folder: str) -> None:
        """From now on all mail of one of the owner's contacts goes to a folder of its own."""
        contact = self.random.choice(CONTACTS)
        self.office.rule(owner, folder, contact)

    def sweep(self) -> None:
        """A reply to every mailbox: what announces it brings whatever came before."""
        for owner in self.owners:
            self._reply(self.roots[owner][0])

    def tick_late(self, keep: int = 0) -> None:
        """Owners set the label on mail that they had sent without it; its answers came already."""
        while len(self._unticked) > keep:
            root, ref, keys = self._unticked.pop(0)
            self.office.world.post("label", address=root.owner, id=ref, label=LABEL, on=True)
            self.due |= dict.fromkeys(keys, time.monotonic())

    def _reply(self, root: Root) -> str:
        return self._arrive(root, "reply")

    def _twice(self, root: Root) -> None:
        """The same message twice, as some mail servers deliver it."""
        name = f"<twice-{next(self._numbers)}@globex.test>"
        same = {"message_id": name, "headers": {"Date": format_datetime(utc_now())}}
        self._arrive(root, "reply", "duplicate", **same)
        self._arrive(root, "duplicate", "reply", **same)

    def _late_root(self, root: Root) -> None:
        late, ref = self._send(root.owner, root.contact, ticked=False)
        self._expect(root.owner, ref, late.message_id, "sent-label")
        answer = self._arrive(late, "reply")
        keys = [(root.owner, ref), (root.owner, answer)]
        self.due |= dict.fromkeys(keys, float("inf"))
        self._unticked.append((late, ref, keys))
        self.tick_late(keep=2)

    def _junk(self, root: Root) -> None:
        self._arrive(root, "junk", place="junk")

    def _subject_changed(self, root: Root) -> None:
        self._arrive(root, "subject-changed", subject="Invoice 7")

    def _unknown_sender(self, root: Root) -> None:
        self._arrive(root, "unknown-sender", sender=STRANGER)

    def _not_a_reply(self, root: Root) -> None:
        self._arrive(root, "not-a-reply", in_reply_to=None)

    def _unknown_thread(self, root: Root) -> None:
        self._arrive(root, "unknown-thread", in_reply_to="<never-logged@globex.test>")

    def _to_two(self, root: Root) -> None:
        """Answered to a colleague, too: `not-owner` there until the owner's copy is logged."""
        others = [each for each in self.at_home() if each != root.owner]
        if not others:
            self._reply(root)
            return
        other = self.random.choice(others)
        found = self._mail(root, (root.owner, other))
        self._expect(root.owner, found["ids"][root.owner], found["message_id"], "reply")
        self._expect(other, found["ids"][other], found["message_id"], "duplicate")

    def _arrive(self, root: Root, rule: str, or_rule: str = "", **more: Any) -> str:
        found = self._mail(root, (root.owner,), **more)
        ref: str = found["ids"][root.owner]
        self._expect(root.owner, ref, found["message_id"], rule, or_rule)
        return ref

    def _mail(self, root: Root, to: Sequence[str], **more: Any) -> Any:
        given = {"sender": root.contact, "subject": f"Re: {root.subject}"}
        given |= {"in_reply_to": root.message_id, **more}
        return self.office.mail(given.pop("sender"), to, given.pop("subject"), **given)

    def _send(self, owner: str, contact: str, ticked: bool) -> tuple[Root, str]:
        subject = f"Offer {next(self._numbers)}"
        sent = self.office.send(owner, contact, subject, ticked)
        return Root(owner, contact, subject, sent["message_id"]), sent["id"]

    def _expect(
        self, mailbox: str, provider_id: str, message_id: str, rule: str, or_rule: str = ""
    ) -> None:
        logged = rule in {"reply", "duplicate", "sent-bcc", "sent-label"}
        verdict = "logged" if logged else "refused"
        found = Expected(mailbox, provider_id, message_id, verdict, rule, or_rule)
        self.expected.append(found)
        self.due[found.key] = time.monotonic()
