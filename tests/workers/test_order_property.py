"""Any conversation, delivered in any order, ends as if it had been judged once, oldest first.

An oracle of a few lines says what that is. What it is compared with is a real run for each push.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from crm.database import Database
from crm.model import Place
from crm.tables import (
    ContactAddress,
    Email,
    EmailContact,
    Sighting,
    Thread,
)
from infra.secrets import Secrets
from tests.workers.conftest import BCC, Office
from workers.queue import Queue

ANA = "ana@acme.test"
OTHER = "ana@acme.example"  # her second mailbox
MARIA, ZOE, PIA = "maria@globex.test", "zoe@x.test", "pia@y.test"
KNOWN = (MARIA,)
OUTSIDE = (MARIA, ZOE, PIA)


@dataclass(frozen=True)
class Mail:
    """One message of a conversation; its number is its place in time."""

    number: int
    sender: str  # ANA or somebody outside
    to: tuple[str, ...]
    in_reply_to: int | None
    references: tuple[int, ...]
    ticked: bool
    boxes: tuple[str, ...]

    @property
    def answers(self) -> tuple[int, ...]:
        """As `Headers.answers`: In-Reply-To, then References newest first."""
        direct = () if self.in_reply_to is None else (self.in_reply_to,)
        return tuple(dict.fromkeys((*direct, *reversed(self.references))))

    @property
    def sent(self) -> bool:
        return self.sender == ANA

    def raw(self, when: datetime) -> bytes:
        lines = [f"From: {self.sender}", f"To: {', '.join(self.to)}", "Subject: Re: Offer"]
        lines += [f"Bcc: {BCC}"] if self.ticked else []
        lines += [f"Date: {when:%a, %d %b %Y %H:%M:%S +0000}", f"Message-ID: <m{self.number}@t>"]
        if self.in_reply_to is not None:
            lines += [f"In-Reply-To: <m{self.in_reply_to}@t>"]
        if self.references:
            lines += ["References: " + " ".join(f"<m{each}@t>" for each in self.references)]
        return "\r\n".join([*lines, "", "Hello.", ""]).encode()


@st.composite
def conversations(draw: st.DrawFn) -> list[Mail]:
    """Roots, replies to anything said before, and Ana's answers, ticked or not. A mail program
    writes In-Reply-To, or the whole chain of References, or both, or less of the chain."""
    mails: list[Mail] = []
    for number in range(draw(st.integers(2, 7))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        chain: tuple[int, ...] = ()
        in_reply_to = None
        if parent is not None:
            chain = (*mails[parent].references, parent)
            style = draw(st.sampled_from(("both", "in-reply-to", "references", "last")))
            in_reply_to = parent if style != "references" else None
            chain = {"in-reply-to": (), "last": chain[-1:]}.get(style, chain)
        sent = draw(st.booleans())
        outside = draw(st.lists(st.sampled_from(OUTSIDE), min_size=1, max_size=2, unique=True))
        boxes = draw(st.sampled_from(((ANA,), (OTHER,), (ANA, OTHER))))
        mails.append(
            Mail(
                number,
                ANA if sent else outside[0],
                tuple(outside) if sent else (ANA, *outside[1:]),
                in_reply_to,
                chain,
                sent and draw(st.sampled_from((True, True, False))),
                boxes[:1] if sent else boxes,
            )
        )
    return mails


@dataclass(frozen=True)
class Entry:
    """A logged e-mail: its thread's root, the contacts on whose timelines it is, its sightings."""

    root: int
    on: frozenset[str]
    sightings: int


def oracle(mails: list[Mail]) -> tuple[dict[int, Entry], dict[int, str]]:
    """The entries, and the rule of every message that is refused."""
    contacts = {*KNOWN, *(to for mail in mails if mail.ticked for to in mail.to)}
    entries: dict[int, Entry] = {}
    refused: dict[int, str] = {}
    for mail in mails:
        nearest = next((each for each in mail.answers if each in entries), None)
        rule = _refusal(mail, nearest, contacts)
        if rule:
            refused[mail.number] = rule
            continue
        root = mail.number if nearest is None else entries[nearest].root
        people = mail.to if mail.sent else (*mail.to, mail.sender)
        entries[mail.number] = Entry(root, frozenset(people) & contacts, len(mail.boxes))
    return entries, refused


def _refusal(mail: Mail, nearest: int | None, contacts: set[str]) -> str:
    if mail.sent:
        return "" if mail.ticked else "not-ticked"
    if not mail.answers:
        return "not-a-reply"
    if nearest is None:
        return "unknown-thread"
    return "" if mail.sender in contacts else "unknown-sender"


@pytest.fixture
def offices(
    _sqlite_template: Path, tmp_path: Path, redis: Any, secrets: Secrets, now: datetime
) -> Iterator[Callable[[], Office]]:
    """Makes offices, each on a fresh database."""
    opened: list[Database] = []

    def make() -> Office:
        for database in opened:
            database.close()
        path = tmp_path / f"office-{len(opened)}.sqlite3"
        shutil.copyfile(_sqlite_template, path)
        redis.flushall()
        opened.append(Database(f"sqlite:///{path}"))
        return Office(opened[-1], Queue(redis), secrets, now)

    yield make
    for database in opened:
        database.close()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), mails=conversations())
def test_a_conversation_in_any_order_ends_as_if_judged_oldest_first(
    offices: Callable[[], Office], data: st.DataObject, mails: list[Mail]
) -> None:
    copies = [(mail, box) for mail in mails for box in mail.boxes]
    order = data.draw(st.permutations(copies), label="order of arrival")
    pushed = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    office = offices()
    names = play(office, list(zip(order, pushed, strict=True)))
    entries, refused = oracle(mails)
    assert logged(office) == entries
    assert journal(office, names) == {
        (box, mail.number): refused.get(mail.number, "logged") for mail, box in copies
    }
    assert office.pending() == []


def play(
    office: Office, arrivals: list[tuple[tuple[Mail, str], bool]]
) -> dict[tuple[int, str], tuple[str, int]]:
    """Deliver in this order, with a run after each that is pushed, until nothing changes."""
    office.contact(*KNOWN)
    boxes = {ANA: office.mailbox(ANA), OTHER: office.mailbox(OTHER, user=ANA)}
    began = office.clock
    office.clock += timedelta(hours=1)
    names = {}
    for (mail, box), push in arrivals:
        place = Place.SENT if mail.sent else Place.FOLLOWED
        raw = mail.raw(began + timedelta(minutes=mail.number))
        ref = office.boxes[boxes[box]].deliver(raw, place)
        names[boxes[box], ref] = (box, mail.number)
        office.clock += timedelta(seconds=1)
        if push:
            office.sync(boxes[box])
    office.sync(*boxes.values())
    office.settle(steps=8)
    return names


def logged(office: Office) -> dict[int, Entry]:
    account = office.account_id
    emails = office.rows(
        select(Email.id, Email.message_id, Email.thread_id, Email.identity).where(
            Email.account_id == account
        )
    )
    roots = dict(
        office.rows(select(Thread.id, Thread.root_identity).where(Thread.account_id == account))
    )
    assert set(roots) == {thread for _, _, thread, _ in emails}, "a thread without e-mails"
    names = {identity: _number(name) for _, name, _, identity in emails}
    on = office.rows(
        select(EmailContact.email_id, ContactAddress.address)
        .join(ContactAddress, ContactAddress.contact_id == EmailContact.contact_id)
        .where(EmailContact.account_id == account, ContactAddress.account_id == account)
    )
    seen = office.rows(select(Sighting.email_id).where(Sighting.account_id == account))
    return {
        _number(name): Entry(
            names[roots[thread]],
            frozenset(address for email_id, address in on if email_id == id),
            seen.count((id,)),
        )
        for id, name, thread, _ in emails
    }


def _number(message_id: str) -> int:
    return int(message_id.removeprefix("m").partition("@")[0])


def journal(
    office: Office, names: dict[tuple[int, str], tuple[str, int]]
) -> dict[tuple[str, int], str]:
    """`logged`, or the rule that refused, by mailbox and message."""
    return {
        names[mailbox, ref]: rule if verdict == "refused" else verdict
        for mailbox in office.boxes
        for ref, (verdict, rule) in office.journal(mailbox).items()
    }
