"""Settling messages: what one commit stores, once, however often and wherever it happens."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.model import Address, Place, Ref, Verdict, VerdictKind
from crm.store import journal, mailboxes, settle, timeline
from crm.store.outcomes import Refused, Run, Seen
from crm.tables import (
    Email,
    EmailContact,
    EmailPerson,
    EmailReference,
    JournalReference,
    JournalRow,
    OutboxEvent,
    PendingMessage,
    Sighting,
    Thread,
)
from tests.crm.store_world import TTL, ZOE, in_threads, message_id


def test_a_sent_message_becomes_the_root_of_a_thread_on_its_recipients_timeline(world):
    ana = world.mailbox()
    done = world.settle(ana, world.sent(1), cursor="c1")
    (thread,) = world.timeline(world.contact_id(ZOE))
    (email,) = thread.emails
    assert done.email_ids == (email.id,)
    assert (email.direction, email.kind, email.rule) == ("outgoing", "reply", "sent-bcc")
    assert email.mailboxes == ("ana@acme.test",)
    assert [(each.role, each.address) for each in email.people] == [
        ("from", "ana@acme.test"),
        ("to", ZOE),
    ]
    assert email.attachments[0].filename == "a.pdf"
    assert email.snippet == "Hello, yes."
    with world.database.read() as conn:
        whole = timeline.email(conn, world.everything, email.id)
        stored = mailboxes.mailbox(conn, world.account, ana.id)
    assert (whole.text, whole.html) == ("Hello,\n\nyes.", "<p>yes</p>")
    assert stored.cursor == "c1"
    assert world.journal_of(ana) == {"p1": ("logged", "sent-bcc")}
    assert world.number_of(OutboxEvent, OutboxEvent.topic == "email.logged") == 1


def test_a_reply_joins_the_thread_of_its_root(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    reply = world.reply(2, None)
    root = world.root(ana, reply.message.headers)
    assert (root.owner_id, root.team, root.base_subject) == (ana.user_id, False, "offer")
    assert root.contact_recipients == {ZOE}
    world.settle(ana, world.reply(2, root))
    (thread,) = world.timeline(world.contact_id(ZOE))
    assert [each.message_id for each in thread.emails] == [message_id(2), message_id(1)]
    assert [each.direction for each in thread.emails] == ["incoming", "outgoing"]
    assert world.number_of(EmailReference) == 1


def told_of(world):
    """Topics of the events but for the mailbox's own."""
    query = select(OutboxEvent.topic).where(
        OutboxEvent.account_id == world.account, OutboxEvent.topic != "mailbox.connected"
    )
    with world.database.read() as conn:
        return conn.scalars(query.order_by(OutboxEvent.topic)).all()


def test_committing_twice_is_committing_once(world):
    ana = world.mailbox()
    outcomes = [world.sent(1), world.refused(2, "unknown-sender", "who@x.test", answers=9)]
    first = world.settle(ana, *outcomes)
    again = world.settle(ana, *outcomes)
    assert len(first.email_ids) == 1
    assert again.email_ids == ()
    for table in (Email, Thread, Sighting, EmailContact):
        assert world.number_of(table) == 1
    assert told_of(world) == ["contact.created", "email.logged"]
    assert world.number_of(EmailPerson) == 2
    assert world.number_of(JournalReference) == 1
    assert world.journal_of(ana) == {
        "p1": ("logged", "sent-bcc"),
        "p2": ("refused", "unknown-sender"),
    }


def test_eight_workers_log_one_message_from_eight_mailboxes_once(world):
    boxes = [world.mailbox(f"u{number}@acme.test") for number in range(8)]
    done = []

    def work(mailbox):
        message = world.sent(1)
        moved = replace(message.message.headers, ref=Ref(f"{mailbox.id}-1"))
        copy = replace(message, message=replace(message.message, headers=moved))
        done.append((mailbox, world.settle(mailbox, copy)))

    assert in_threads([lambda mailbox=mailbox: work(mailbox) for mailbox in boxes]) == []
    assert world.number_of(Email) == 1
    assert world.number_of(Thread) == 1
    assert world.number_of(Sighting) == 8
    assert sum(len(committed.email_ids) for _, committed in done) == 1
    rules = [world.journal_of(mailbox)[f"{mailbox.id}-1"] for mailbox in boxes]
    assert sorted(rules) == [("logged", "duplicate")] * 7 + [("logged", "sent-bcc")]


def test_many_workers_with_many_messages_in_any_order_do_not_block_each_other(world):
    boxes = [world.mailbox(f"u{number}@acme.test") for number in range(4)]

    def work(mailbox, numbers):
        for start in range(0, 20, 5):
            batch = [world.sent(number) for number in numbers[start : start + 5]]
            world.settle(mailbox, *batch)

    orders = [list(range(1, 21)), list(range(20, 0, -1)), [*range(10, 21), *range(1, 10)]]
    calls = [
        lambda mailbox=mailbox, numbers=orders[at % 3]: work(mailbox, numbers)
        for at, mailbox in enumerate(boxes)
    ]
    assert in_threads(calls) == []
    assert world.number_of(Email) == 20
    assert world.number_of(Sighting) == 80


def test_a_lost_lease_leaves_nothing_behind(world):
    ana = world.mailbox()
    run = world.run(ana, "first")
    later = world.now + TTL + timedelta(seconds=1)
    with world.database.begin() as conn:
        assert mailboxes.take_lease(conn, ana.id, "second", later, TTL)
    with pytest.raises(mailboxes.LeaseLost), world.database.begin() as conn:
        settle.commit(conn, run, [world.sent(1)], later, cursor="c9")
    for table in (Email, Thread, JournalRow):
        number = world.number_of(table)
        assert number == 0
    assert told_of(world) == []
    with world.database.read() as conn:
        assert mailboxes.mailbox(conn, world.account, ana.id).cursor == "c0"


def test_a_copy_in_another_mailbox_adds_a_sighting(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.sent(1))
    headers = world.sent(1).message.headers
    with world.database.read() as conn:
        known = settle.logged_already(conn, ben, [headers, world.sent(2).message.headers])
    assert known.keys() == {"p1"}
    world.settle(ben, Seen(headers, known["p1"], Verdict(True, "reply")))
    assert world.journal_of(ben) == {"p1": ("logged", "duplicate")}
    ((email,),) = (thread.emails for thread in world.timeline(world.contact_id(ZOE)))
    assert email.mailboxes == ("ana@acme.test", "ben@acme.test")


def test_a_copy_whose_sender_or_date_was_changed_on_the_way_is_the_same_message(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.sent(1))
    world.settle(ben, world.sent(1, ref=Ref("a"), sender=Address("list@acme.test")))
    world.settle(ben, world.sent(1, ref=Ref("b"), sent_at=world.now))
    assert world.number_of(Email) == 1
    assert world.number_of(Sighting) == 3


def test_a_message_that_borrows_a_message_id_is_judged_by_itself(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    forged = world.sent(
        1, ref=Ref("forged"), sender=Address("evil@x.test"), sent_at=world.now - timedelta(days=3)
    )
    with world.database.read() as conn:
        assert settle.logged_already(conn, ana, [forged.message.headers]) == {}
    world.settle(ana, forged)
    assert world.number_of(Email) == 2


def test_copies_without_a_message_id_are_known_by_their_text(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.sent(1, message_id=""))
    copy = world.sent(1, message_id="", ref=Ref("b1"))
    spaced = replace(copy, message=replace(copy.message, text=" Hello,  \r\n\r\nyes.\n"))
    other = world.sent(1, message_id="", ref=Ref("b2"))
    other = replace(other, message=replace(other.message, text="Something else."))
    world.settle(ben, spaced, other)
    assert world.number_of(Email) == 2
    assert world.journal_of(ben) == {"b1": ("logged", "duplicate"), "b2": ("logged", "sent-bcc")}


def test_copies_that_gmail_gave_an_id_each_are_known_by_their_text(world):
    for number, mailbox in enumerate((world.mailbox(), world.mailbox("ben@acme.test"))):
        made = f"{number}.SMTPIN_ADDED_MISSING@mx.google.com"
        world.settle(mailbox, world.sent(1, message_id=made, ref=Ref(f"copy{number}")))
    assert world.number_of(Email) == 1
    assert world.number_of(Sighting) == 2


def test_two_copies_in_one_batch_are_one_message(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1), world.sent(1, ref=Ref("copy")))
    assert world.number_of(Email) == 1
    assert world.journal_of(ana) == {"p1": ("logged", "sent-bcc"), "copy": ("logged", "duplicate")}


def test_a_message_that_is_trashed_after_logging_stays_logged(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    world.settle(ana, Refused(Ref("p1"), Place.TRASH, None, "trash"))
    assert world.journal_of(ana) == {"p1": ("logged", "sent-bcc")}
    with world.database.read() as conn:
        assert settle.seen(conn, ana, [Ref("p1"), Ref("p2")]) == {"p1"}


def test_a_refused_message_that_is_logged_later_keeps_no_reference(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert world.number_of(JournalReference) == 1
    world.settle(ana, world.reply(2, None))
    assert world.number_of(JournalReference) == 0
    assert world.journal_of(ana) == {"p2": ("logged", "reply")}


def test_of_a_refused_message_nothing_but_the_journal_row_is_kept(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-sender", "who@x.test"))
    for table in (Email, EmailPerson, Thread, Sighting):
        assert world.number_of(table) == 0
    assert told_of(world) == []
    with world.database.read() as conn:
        stored = conn.execute(select(JournalRow).where(JournalRow.account_id == world.account))
        row = stored.one()._asdict()
        digests = conn.scalars(
            select(JournalReference.digest).where(JournalReference.account_id == world.account)
        ).all()
    assert row["sender"] == "who@x.test"
    assert len(row["message_digest"]) == 64
    assert all(len(each) == 64 for each in digests)
    assert "Offer" not in str(row)
    assert message_id(2) not in str(row)


def test_a_refusal_by_place_does_not_forget_what_was_known(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-thread"))
    world.settle(ana, Refused(Ref("p2"), Place.TRASH, None, "trash"))
    with world.database.read() as conn:
        (row,) = journal.rows(conn, world.account, ana.id, journal.Filter()).items
    assert (row.rule, row.sender) == ("trash", ZOE)
    assert row.received_at == world.now + timedelta(minutes=2)


def test_hostile_mail_is_stored(world):
    ana = world.mailbox()
    long = "x" * 5000 + "@mail.test"
    crowd = tuple(Address(f"p{number}@crowd.test") for number in range(3000))
    mail = world.sent(
        1, (ZOE,), message_id=long, subject="a\0b\ud800", cc=crowd, references=(long[1:], long[2:])
    )
    world.settle(ana, mail)
    answer = world.incoming(2, ZOE, 1)
    assert world.root(ana, replace(answer, in_reply_to=(long,))) is not None
    with world.database.read() as conn:
        assert settle.logged_already(conn, ana, [mail.message.headers]).keys() == {"p1"}
    assert world.number_of(EmailPerson) == 3002


def test_a_batch_larger_than_a_statement_takes_is_settled(world):
    ana = world.mailbox()
    outcomes = [world.refused(number, "unknown-thread", answers=5000) for number in range(1, 1200)]
    world.settle(ana, *outcomes)
    assert world.number_of(JournalRow, JournalRow.verdict == VerdictKind.REFUSED) == 1199
    done = world.settle(ana, world.sent(5000))
    assert done.woken == {ana.id}
    assert world.number_of(PendingMessage) == 1199


def test_a_commit_without_messages_moves_the_cursor_and_renews_the_lease(world):
    ana = world.mailbox()
    run = world.run(ana)
    later = world.now + timedelta(seconds=30)
    with world.database.begin() as conn:
        settle.commit(conn, run, [], later, cursor="c2", settled_at=later)
        stored = mailboxes.mailbox(conn, world.account, ana.id)
    assert (stored.cursor, stored.settled_at) == ("c2", later)
    assert stored.wake_at == later + TTL


def test_a_run_of_another_token_may_not_commit(world):
    ana = world.mailbox()
    world.run(ana)
    other = Run(ana, "other", TTL, world.secrets)
    with pytest.raises(settle.LeaseLost), world.database.begin() as conn:
        settle.commit(conn, other, [], world.now, cursor="c2")
