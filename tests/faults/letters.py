"""The mail of a run: who writes what to whom, and what must become of each copy of it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.faults.office import LABEL, Office

CONTACTS = ("maria@globex.test", "bob@globex.test", "joe@umbrella.test")
STRANGER = "zoe@stranger.test"
ROOTS = 3  # logged threads of each mailbox before the run

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


@dataclass(frozen=True, slots=True)
class Root:
    owner: str
    contact: str
    subject: str
    message_id: str


@dataclass
class Letters:
    """Sends mail of the mix through the world and remembers what is expected of it."""

    office: Office
    owners: Sequence[str]
    random: Random
    expected: list[Expected] = field(default_factory=list)
    roots: dict[str, list[Root]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _unticked: list[tuple[Root, str]] = field(default_factory=list)  # and the Sent copy's id

    def begin(self) -> None:
        """Threads for each owner: mail to a contact, ticked by the BCC address."""
        for owner in self.owners:
            for contact in CONTACTS[:ROOTS]:
                root, ref = self._send(owner, contact, ticked=True)
                self.roots.setdefault(owner, []).append(root)
                self._expect(owner, ref, root.message_id, "sent-bcc")

    def one(self, kind: str = "") -> int:
        """One letter, by default of a kind drawn from the mix; how many copies arrived."""
        kinds = list(MIX)
        kind = kind or self.random.choices(kinds, list(MIX.values()))[0]
        before = len(self.expected)
        root = self.random.choice(self.roots[self.random.choice(self.owners)])
        getattr(self, f"_{kind.replace('-', '_')}")(root)
        return len(self.expected) - before

    def sweep(self) -> None:
        """A reply to every mailbox: what announces it brings whatever came before."""
        for owner in self.owners:
            self._reply(self.roots[owner][0])

    def tick_late(self, keep: int = 0) -> None:
        """Owners set the label on mail that they had sent without it; its answers came already."""
        while len(self._unticked) > keep:
            root, ref = self._unticked.pop(0)
            self.office.world.post("label", address=root.owner, id=ref, label=LABEL, on=True)

    def _reply(self, root: Root) -> None:
        self._arrive(root, "reply")

    def _twice(self, root: Root) -> None:
        """The same message twice, as some mail servers deliver it."""
        name = f"<twice-{next(self._numbers)}@globex.test>"
        self._arrive(root, "reply", "duplicate", message_id=name)
        self._arrive(root, "duplicate", "reply", message_id=name)

    def _late_root(self, root: Root) -> None:
        late, ref = self._send(root.owner, root.contact, ticked=False)
        self._unticked.append((late, ref))
        self._expect(root.owner, ref, late.message_id, "sent-label")
        self._arrive(late, "reply")
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
        other = next((each for each in self.owners if each != root.owner), None)
        if other is None:
            self._reply(root)
            return
        found = self._mail(root, (root.owner, other))
        self._expect(root.owner, found["ids"][root.owner], found["message_id"], "reply")
        self._expect(other, found["ids"][other], found["message_id"], "duplicate")

    def _arrive(self, root: Root, rule: str, or_rule: str = "", **more: Any) -> None:
        found = self._mail(root, (root.owner,), **more)
        ref = found["ids"][root.owner]
        self._expect(root.owner, ref, found["message_id"], rule, or_rule)

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
        self.expected.append(Expected(mailbox, provider_id, message_id, verdict, rule, or_rule))
