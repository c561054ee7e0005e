"""Sent mail and what it brings in: originals of ticked answers, own replies, mail with new contacts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import select

from crm.model import Headers, Place, Ref
from crm.store import contacts
from crm.store import settings as account_settings
from crm.tables import Email, Thread
from providers.client import Item, Page
from providers.memory import MemoryClient
from tests.workers.conftest import Office

ANA, MARIA, ZOE = "ana@acme.test", "maria@globex.test", "zoe@stranger.test"
ORIGINAL, ANSWER, REPLY = "original@stranger.test", "answer@acme.test", "reply@stranger.test"


def turn_on(office: Office, *switches: str) -> None:
    with office.database.begin() as conn:
        for name in switches:
            account_settings.set_setting(conn, office.account_id, name, True)


def mailbox(office: Office, *switches: str, address: str = ANA) -> int:
    turn_on(office, *switches)
    return office.mailbox(address, user=ANA)


def roots(office: Office) -> dict[str, int]:
    """How many e-mails each thread has, by the Message-ID of its root."""
    account = office.account_id
    rows = office.rows(
        select(Email.message_id, Email.thread_id, Email.identity == Thread.root_identity)
        .join(Thread, Thread.id == Email.thread_id)
        .where(Email.account_id == account, Thread.account_id == account)
    )
    sizes = [thread for _, thread, _ in rows]
    return {name: sizes.count(thread) for name, thread, is_root in rows if is_root}


def play(office: Office, ana: int, step: str, other: int | None = None) -> None:
    """One part of a stranger's conversation with Ana arrives."""
    when = office.clock
    if step == "original":
        office.deliver(other or ana, ZOE, "Question", ORIGINAL, when=when - timedelta(hours=2))
    elif step == "answer":
        office.send(
            ana, ZOE, "Re: Question", ANSWER, answers=ORIGINAL, when=when - timedelta(hours=1)
        )
    else:
        office.deliver(ana, ZOE, "Re: Question", REPLY, answers=ANSWER, when=when)


STEPS = ("original", "answer", "reply")


@pytest.mark.parametrize("order", [*permutations(STEPS)], ids=" then ".join)
def test_with_log_parent_a_ticked_answer_brings_the_strangers_original_in_any_order(
    sqlite_office: Office, order: tuple[str, ...]
) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent")
    for step in order:
        play(office, ana, step)
        office.sync(ana)
    office.settle(5)
    assert office.timeline() == {(ORIGINAL, 1, 1), (ANSWER, 1, 1), (REPLY, 1, 1)}
    assert roots(office) == {ORIGINAL: 3}
    assert office.pending() == []


@pytest.mark.parametrize("order", [*permutations(STEPS)], ids=" then ".join)
def test_without_it_the_answer_is_the_root_and_the_original_stays_out(
    sqlite_office: Office, order: tuple[str, ...]
) -> None:
    office = sqlite_office
    ana = mailbox(office)
    for step in order:
        play(office, ana, step)
        office.sync(ana)
    office.settle(5)
    assert office.timeline() == {(ANSWER, 1, 1), (REPLY, 1, 1)}
    assert roots(office) == {ANSWER: 2}
    assert "not-a-reply" in office.rules(ana).values()


def test_the_original_may_have_come_to_another_mailbox_of_the_user_on_both_databases(
    office: Office,
) -> None:
    ana = mailbox(office, "log_parent")
    other = mailbox(office, address="ana@acme.example")
    play(office, ana, "original", other)
    office.sync(other)
    play(office, ana, "answer")
    office.sync(ana)
    office.settle(5)
    assert set(office.rules(other).values()) == {"reply"}
    assert roots(office) == {ORIGINAL: 2}


def test_an_original_in_a_colleagues_mailbox_stays_out(sqlite_office: Office) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent")
    ben = office.mailbox("ben@acme.test")
    play(office, ana, "original", ben)
    office.sync(ben)
    play(office, ana, "answer")
    office.sync(ana)
    office.settle(5)
    assert set(office.rules(ben).values()) == {"not-a-reply"}


def test_an_original_older_than_thirty_days_in_the_journal_stays_out(
    sqlite_office: Office,
) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent")
    play(office, ana, "original")
    office.sync(ana)
    office.clock += timedelta(days=31)
    play(office, ana, "answer")
    office.sync(ana)
    office.settle(5)
    assert office.timeline() == {(ANSWER, 1, 1)}


def test_an_answer_that_is_not_ticked_brings_nothing(sqlite_office: Office) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent", "log_own_replies")
    play(office, ana, "original")
    office.send(ana, ZOE, "Re: Question", ANSWER, answers=ORIGINAL, bcc="")
    office.sync(ana)
    office.settle(5)
    assert office.timeline() == set()


def test_an_answer_with_another_subject_begins_a_thread_of_its_own(sqlite_office: Office) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent")
    play(office, ana, "original")
    office.send(ana, ZOE, "Our offer", ANSWER, answers=ORIGINAL)
    office.sync(ana)
    office.deliver(ana, ZOE, "Re: Our offer", REPLY, answers=ANSWER)
    office.sync(ana)
    office.settle(5)
    assert roots(office) == {ANSWER: 2}


def test_an_original_in_the_trash_comes_in_when_it_is_taken_out(sqlite_office: Office) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent")
    ref = office.deliver(ana, ZOE, "Question", ORIGINAL, place=Place.TRASH)
    play(office, ana, "answer")
    office.sync(ana)
    office.settle(5)
    assert office.timeline() == {(ANSWER, 1, 1)}
    office.boxes[ana].move(ref, Place.FOLLOWED)
    office.sync(ana)
    assert roots(office) == {ORIGINAL: 2}


def test_the_original_of_a_labelled_answer_comes_in_when_the_stranger_becomes_a_contact(
    sqlite_office: Office,
) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_parent")
    play(office, ana, "original")
    ref = office.send(ana, ZOE, "Re: Question", ANSWER, answers=ORIGINAL, bcc="")
    office.sync(ana)
    office.boxes[ana].label(ref, "Log to CRM")
    office.sync(ana)
    office.settle(5)
    assert "unknown-sender" in office.rules(ana).values()
    with office.database.begin() as conn:
        contacts.add_contact(conn, office.account_id, "Zoe", [ZOE], office.clock)
    office.settle(5)
    assert office.timeline() == {(ORIGINAL, 1, 1), (ANSWER, 1, 1)}


@pytest.mark.parametrize("order", [("sent", "root"), ("root", "sent")], ids=" then ".join)
def test_an_own_reply_without_a_tick_is_logged_with_log_own_replies_in_any_order(
    sqlite_office: Office, order: tuple[str, ...]
) -> None:
    office = sqlite_office
    office.contact(MARIA)
    ana = mailbox(office, "log_own_replies")
    for step in order:
        if step == "root":
            office.send(ana, MARIA, "Offer", "root@acme.test", when=office.clock)
        else:
            when = office.clock + timedelta(minutes=1)
            office.send(
                ana,
                MARIA,
                "Re: Offer",
                "own@acme.test",
                answers="root@acme.test",
                bcc="",
                when=when,
            )
        office.sync(ana)
    office.settle(5)
    assert office.timeline() == {("root@acme.test", 1, 1), ("own@acme.test", 1, 1)}


class Mute(MemoryClient):
    """Lists sent mail as Graph does: with headers, but without what it answers."""

    def changes(self, cursor: str) -> Iterator[Page]:
        for page in super().changes(cursor):
            yield Page(tuple(self._muted(item) for item in page.items), page.cursor)

    def _muted(self, item: Item) -> Item:
        (headers,) = MemoryClient.headers(self, [item.ref])
        if headers is None or item.place is not Place.SENT:
            return item
        return Item(item.ref, item.place, replace(headers, in_reply_to=(), references=()))


class Counting(Mute):
    """Counts the requests for headers that the worker makes."""

    asked = 0

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        Counting.asked += 1
        return super().headers(refs)


@pytest.mark.parametrize(("wanted", "reads"), [(True, 1), (False, 0)], ids=["wanted", "not wanted"])
def test_what_a_sent_message_answers_is_read_where_a_rule_asks_for_it(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch, wanted: bool, reads: int
) -> None:
    office = sqlite_office
    office.contact(MARIA)
    ana = mailbox(office, *(["log_own_replies"] if wanted else []))
    office.send(ana, MARIA, "Offer", "root@acme.test")
    office.sync(ana)
    monkeypatch.setattr(Office, "_open", lambda self, box: Counting(self.boxes[box.id]))
    own = office.send(ana, MARIA, "Re: Offer", "own@acme.test", answers="root@acme.test", bcc="")
    Counting.asked = 0
    office.sync(ana)
    assert office.rules(ana)[own] == ("sent-in-thread" if wanted else "not-ticked")
    assert Counting.asked == reads


def test_sent_mail_is_logged_when_a_recipient_becomes_a_contact_with_log_all_known(
    sqlite_office: Office,
) -> None:
    office = sqlite_office
    ana = mailbox(office, "log_all_known")
    first = office.send(ana, MARIA, "Hello", "a@acme.test", bcc="")
    other = office.send(ana, ZOE, "Hello", "b@acme.test", bcc="")
    office.sync(ana)
    assert office.rules(ana) == {first: "not-ticked", other: "not-ticked"}
    with office.database.begin() as conn:
        added = contacts.add_contact(conn, office.account_id, "M", [MARIA], office.clock)
    assert added.woken == {ana}
    office.settle(5)
    assert office.rules(ana) == {first: "sent-known", other: "not-ticked"}
    assert office.timeline() == {("a@acme.test", 1, 1)}


def test_without_log_all_known_a_new_contact_sends_no_sent_mail_round_again(
    sqlite_office: Office,
) -> None:
    office = sqlite_office
    ana = mailbox(office)
    office.send(ana, MARIA, "Hello", "a@acme.test", bcc="")
    office.sync(ana)
    with office.database.begin() as conn:
        added = contacts.add_contact(conn, office.account_id, "M", [MARIA], office.clock)
    assert added.woken == set()
