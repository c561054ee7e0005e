"""The same messages in any order, repeated and delayed, give the same timeline and journal."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.model import Place
from crm.tables import Contact, ContactAddress, Email, EmailContact, Sighting, Thread
from infra.secrets import Secrets
from providers.memory import MemoryMailbox
from tests.workers.conftest import BCC, Disk, Office
from workers.queue import Queue

ORDERS = 200
STEP = 25  # orders a test, so that they spread over processes
MARIA, BOB, JOE, NEW = (
    "maria@globex.test",
    "bob@globex.test",
    "joe@umbrella.test",
    "new@globex.test",
)
ZOE = "zoe@stranger.test"

BOTH = "ana@acme.test, ben@acme.test"

# (mailbox, place, sender, to, subject, Message-ID, answers, Bcc); minutes pass from line to line
STORY: list[tuple[str, Place, str, str, str, str, str, str]] = [
    ("ana", Place.SENT, "ana@acme.test", f"{MARIA}, {JOE}", "Offer 12", "s1@a", "", BCC),
    ("ben", Place.SENT, "ben@acme.test", BOB, "Plan", "s2@a", "", BCC),
    ("ana", Place.FOLLOWED, MARIA, BOTH, "Re: Offer 12", "r1@g", "s1@a", ""),
    ("ben", Place.FOLLOWED, MARIA, BOTH, "Re: Offer 12", "r1@g", "s1@a", ""),
    ("ana2", Place.FOLLOWED, MARIA, BOTH, "Re: Offer 12", "r1@g", "s1@a", ""),
    ("ben", Place.FOLLOWED, BOB, "ben@acme.test", "AW: Plan", "r2@g", "s2@a", ""),
    ("ana", Place.JUNK, JOE, "ana@acme.test", "Re: Offer 12", "r3@u", "s1@a", ""),
    ("ana", Place.FOLLOWED, JOE, "ana@acme.test", "Invoice", "r4@u", "s1@a", ""),
    ("ana", Place.FOLLOWED, ZOE, "ana@acme.test", "Re: Offer 12", "r5@z", "s1@a", ""),
    ("ana", Place.FOLLOWED, MARIA, "ana@acme.test", "Re: Offer 12", "r6@g", "r1@g", ""),
    ("ana", Place.FOLLOWED, MARIA, "ana@acme.test", "Re: Offer 12", "r6@g", "r1@g", ""),
    ("ana", Place.SENT, "ana@acme.test", NEW, "Hello", "s3@a", "", BCC),
    ("ana", Place.FOLLOWED, NEW, "ana@acme.test", "Re: Hello", "r7@g", "s3@a", ""),
    ("ana", Place.FOLLOWED, NEW, "ana@acme.test", "Re: Offer 12", "r8@g", "s1@a", ""),
    ("ben", Place.SENT, "ben@acme.test", BOB, "Lunch", "s4@a", "", ""),
    ("ben", Place.FOLLOWED, BOB, "ben@acme.test", "Re: Lunch", "r9@g", "s4@a", ""),
]


@dataclass
class Stage:
    """An office with its people, to which the story comes again and again."""

    office: Office
    boxes: dict[str, int]
    disk: Disk
    redis: Any
    began: datetime

    def play(self, order: random.Random | None) -> dict[str, Any]:
        """Deliver the story in this order, with runs in between; what stands at the end."""
        office, boxes = self.office, self.boxes
        self.disk.restore()
        self.redis.flushall()
        office.boxes = {each: MemoryMailbox(lambda: office.clock) for each in boxes.values()}
        dated = [(self.began + timedelta(minutes=n), each) for n, each in enumerate(STORY)]
        office.clock = self.began + timedelta(hours=1)
        if order:
            order.shuffle(dated)
        delivered: dict[tuple[int, str], str] = {}
        for when, (box, place, sender, to, subject, name, answers, bcc) in dated:
            mailbox = boxes[box]
            raw = office.mail(sender, to, subject, name, answers=answers, bcc=bcc, when=when)
            ref = office.boxes[mailbox].deliver(raw, place, when)
            delivered[mailbox, ref] = name
            if order and order.random() < 0.4:  # a push, perhaps twice, perhaps for another mailbox
                office.sync(*order.choices(list(boxes.values()), k=order.randint(1, 2)))
                office.clock += timedelta(seconds=order.randint(0, 20))
        office.sync(*boxes.values())
        office.settle(steps=6)
        return {"timeline": timeline(office), "journal": journal(office, boxes, delivered)}


@pytest.fixture
def stage(disk: Disk, redis: Any, secrets: Secrets, now: datetime) -> Stage:
    office = Office(disk.database, Queue(redis), secrets, now)
    office.contact(MARIA, BOB, JOE)
    boxes = {
        "ana": office.mailbox("ana@acme.test"),
        "ana2": office.mailbox("ana@acme.example", user="ana@acme.test"),
        "ben": office.mailbox("ben@acme.test"),
    }
    disk.keep()
    return Stage(office, boxes, disk, redis, office.clock)


def timeline(office: Office) -> Any:
    """Every entry: Message-ID, that of its thread's root, direction, rule, owner, the addresses of
    its contacts, the number of its sightings."""
    account = office.account_id
    threads = dict(
        office.rows(select(Thread.id, Thread.root_identity).where(Thread.account_id == account))
    )
    roots = dict(
        office.rows(select(Email.identity, Email.message_id).where(Email.account_id == account))
    )
    people = addresses(office)
    seen = Counter(office.rows(select(Sighting.email_id).where(Sighting.account_id == account)))
    emails = office.rows(
        select(
            Email.id, Email.message_id, Email.thread_id, Email.direction, Email.rule, Email.owner_id
        ).where(Email.account_id == account)
    )
    return sorted(
        (name, roots[threads[thread]], direction, rule, owner, people.get(id, []), seen[(id,)])
        for id, name, thread, direction, rule, owner in emails
    )


def addresses(office: Office) -> dict[int, list[str]]:
    """Of each entry, in order, the addresses of the contacts whose timelines it is on."""
    account = office.account_id
    query = (
        select(EmailContact.email_id, ContactAddress.address)
        .join(Contact, Contact.id == EmailContact.contact_id)
        .join(ContactAddress, ContactAddress.contact_id == Contact.id)
        .where(
            EmailContact.account_id == account,
            Contact.account_id == account,
            ContactAddress.account_id == account,
        )
        .order_by(ContactAddress.address)
    )
    found: dict[int, list[str]] = {}
    for email_id, address in office.rows(query):
        found.setdefault(email_id, []).append(address)
    return found


def journal(office: Office, boxes: dict[str, int], delivered: dict[tuple[int, str], str]) -> Any:
    """Verdict and rule of each copy. Which of several copies came first, and is not the
    `duplicate`, is the one thing that order may decide: copies of a message are compared as a set."""
    rows = []
    for mailbox in boxes.values():
        found = office.journal(mailbox)
        rows += [(delivered[mailbox, ref], *verdict) for ref, verdict in found.items()]
    assert len(rows) == len(delivered)
    return sorted(rows)


@pytest.mark.parametrize("first", range(0, ORDERS, STEP))
def test_every_order_gives_the_same_timeline_and_journal(first: int, stage: Stage) -> None:
    expected = stage.play(None)
    assert [row[0] for row in expected["timeline"]] == [
        "r1@g", "r2@g", "r6@g", "r7@g", "r8@g", "s1@a", "s2@a", "s3@a",
    ]  # fmt: skip
    for seed in range(first, first + STEP):
        assert stage.play(random.Random(seed)) == expected, f"order {seed}"
