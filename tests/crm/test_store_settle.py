"""Settling messages: what one commit stores, once, however often and wherever it happens."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from crm.model import Address, MailboxKind, Place, Ref, VerdictKind
from crm.store import accounts, contacts, journal, mailboxes, settle, timeline
from crm.store.outcomes import Later, Refused, Run, Seen
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
    ThreadAssociation,
)
from tests.crm.store_world import TTL, ZOE, World, in_threads, message_id


@pytest.fixture
def world(database, secrets, now):
    return World(database, secrets, now)


def number_of(world, table, *where):
    with world.database.read() as conn:
        query = select(func.count()).select_from(table)
        return conn.scalar(query.where(table.account_id == world.account, *where))


def journal_of(world, mailbox):
    with world.database.read() as conn:
        page = journal.rows(conn, world.account, mailbox.id, journal.Filter())
    return {row.provider_id: (row.verdict, row.rule) for row in page.items}


def due_in(world, mailbox):
    with world.database.read() as conn:
        return [
            (row.ref.id, row.reason) for row in settle.pending_due(conn, mailbox, world.now, 50)
        ]


def test_a_sent_message_becomes_the_root_of_a_thread_on_its_recipients_timeline(world):
    ana = world.mailbox()
    done = world.settle(ana, world.sent(1), cursor="c1")
    (thread,) = world.timeline(contact_id(world, ZOE))
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
        whole = timeline.email(conn, world.account, email.id)
        stored = mailboxes.mailbox(conn, world.account, ana.id)
    assert (whole.text, whole.html) == ("Hello,\n\nyes.", "<p>yes</p>")
    assert stored.cursor == "c1"
    assert journal_of(world, ana) == {"p1": ("logged", "sent-bcc")}
    assert number_of(world, OutboxEvent, OutboxEvent.topic == "email.logged") == 1


def test_a_reply_joins_the_thread_of_its_root(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    reply = world.reply(2, None)
    root = world.root(ana, reply.message.headers)
    assert (root.owner_id, root.team, root.base_subject) == (ana.user_id, False, "offer")
    assert root.contact_recipients == {ZOE}
    world.settle(ana, world.reply(2, root))
    (thread,) = world.timeline(contact_id(world, ZOE))
    assert [each.message_id for each in thread.emails] == [message_id(2), message_id(1)]
    assert [each.direction for each in thread.emails] == ["incoming", "outgoing"]
    assert number_of(world, EmailReference) == 1


def test_committing_twice_is_committing_once(world):
    ana = world.mailbox()
    outcomes = [world.sent(1), world.refused(2, "unknown-sender", "who@x.test", answers=9)]
    first = world.settle(ana, *outcomes)
    again = world.settle(ana, *outcomes)
    assert len(first.email_ids) == 1
    assert again.email_ids == ()
    for table in (Email, Thread, Sighting, OutboxEvent, EmailContact):
        assert number_of(world, table) == 1
    assert number_of(world, EmailPerson) == 2
    assert number_of(world, JournalReference) == 1
    assert journal_of(world, ana) == {
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
    assert number_of(world, Email) == 1
    assert number_of(world, Thread) == 1
    assert number_of(world, Sighting) == 8
    assert sum(len(committed.email_ids) for _, committed in done) == 1
    rules = [journal_of(world, mailbox)[f"{mailbox.id}-1"] for mailbox in boxes]
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
    assert number_of(world, Email) == 20
    assert number_of(world, Sighting) == 80


def test_a_lost_lease_leaves_nothing_behind(world):
    ana = world.mailbox()
    run = world.run(ana, "first")
    later = world.now + TTL + timedelta(seconds=1)
    with world.database.begin() as conn:
        assert mailboxes.take_lease(conn, ana.id, "second", later, TTL)
    with pytest.raises(mailboxes.LeaseLost), world.database.begin() as conn:
        settle.commit(conn, run, [world.sent(1)], later, cursor="c9")
    for table in (Email, Thread, JournalRow, OutboxEvent):
        number = number_of(world, table)
        assert number == 0
    with world.database.read() as conn:
        assert mailboxes.mailbox(conn, world.account, ana.id).cursor == "c0"


def test_a_copy_in_another_mailbox_adds_a_sighting(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.sent(1))
    headers = world.sent(1).message.headers
    with world.database.read() as conn:
        known = settle.logged_already(conn, ben, [headers, world.sent(2).message.headers])
    assert known.keys() == {"p1"}
    world.settle(ben, Seen(headers, known["p1"]))
    assert journal_of(world, ben) == {"p1": ("logged", "duplicate")}
    ((email,),) = (thread.emails for thread in world.timeline(contact_id(world, ZOE)))
    assert email.mailboxes == ("ana@acme.test", "ben@acme.test")


def test_a_copy_whose_sender_or_date_was_changed_on_the_way_is_the_same_message(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.sent(1))
    world.settle(ben, world.sent(1, ref=Ref("a"), sender=Address("list@acme.test")))
    world.settle(ben, world.sent(1, ref=Ref("b"), sent_at=world.now))
    assert number_of(world, Email) == 1
    assert number_of(world, Sighting) == 3


def test_a_message_that_borrows_a_message_id_is_judged_by_itself(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    forged = world.sent(
        1, ref=Ref("forged"), sender=Address("evil@x.test"), sent_at=world.now - timedelta(days=3)
    )
    with world.database.read() as conn:
        assert settle.logged_already(conn, ana, [forged.message.headers]) == {}
    world.settle(ana, forged)
    assert number_of(world, Email) == 2


def test_copies_without_a_message_id_are_known_by_their_text(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.sent(1, message_id=""))
    copy = world.sent(1, message_id="", ref=Ref("b1"))
    spaced = replace(copy, message=replace(copy.message, text=" Hello,  \r\n\r\nyes.\n"))
    other = world.sent(1, message_id="", ref=Ref("b2"))
    other = replace(other, message=replace(other.message, text="Something else."))
    world.settle(ben, spaced, other)
    assert number_of(world, Email) == 2
    assert journal_of(world, ben) == {"b1": ("logged", "duplicate"), "b2": ("logged", "sent-bcc")}


def test_two_copies_in_one_batch_are_one_message(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1), world.sent(1, ref=Ref("copy")))
    assert number_of(world, Email) == 1
    assert journal_of(world, ana) == {"p1": ("logged", "sent-bcc"), "copy": ("logged", "duplicate")}


def test_a_message_that_is_trashed_after_logging_stays_logged(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    world.settle(ana, Refused(Ref("p1"), Place.TRASH, None, "trash"))
    assert journal_of(world, ana) == {"p1": ("logged", "sent-bcc")}
    with world.database.read() as conn:
        assert settle.seen(conn, ana, [Ref("p1"), Ref("p2")]) == {"p1"}


def test_a_refused_message_that_is_logged_later_keeps_no_reference(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert number_of(world, JournalReference) == 1
    world.settle(ana, world.reply(2, None))
    assert number_of(world, JournalReference) == 0
    assert journal_of(world, ana) == {"p2": ("logged", "reply")}


def test_of_a_refused_message_nothing_but_the_journal_row_is_kept(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-sender", "who@x.test"))
    for table in (Email, EmailPerson, Thread, Sighting, OutboxEvent):
        assert number_of(world, table) == 0
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


def test_a_late_root_sends_its_refused_replies_round_again(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(
        ana, world.refused(2, "unknown-thread"), world.refused(3, "unknown-thread", answers=77)
    )
    world.settle(ben, world.refused(4, "not-owner"), Refused(Ref("x"), Place.JUNK, None, "junk"))
    done = world.settle(ben, world.sent(1))
    assert done.woken == {ana.id, ben.id}
    assert due_in(world, ana) == [("p2", "late-root")]
    assert due_in(world, ben) == [("p4", "late-root")]
    with world.database.read() as conn:
        assert mailboxes.mailbox(conn, world.account, ana.id).wake_at == world.now
    reply = world.reply(2, world.root(ana, world.reply(2, None).message.headers))
    assert reply.verdict.root is not None
    world.settle(ana, reply)
    assert due_in(world, ana) == []
    (thread,) = world.timeline(contact_id(world, ZOE))
    assert len(thread.emails) == 2


def test_a_root_and_its_refused_reply_in_one_batch_find_each_other(world):
    ana = world.mailbox()
    done = world.settle(ana, world.refused(2, "unknown-thread"), world.sent(1))
    assert due_in(world, ana) == [("p2", "late-root")]
    assert done.woken == {ana.id}


def test_a_root_that_was_logged_while_the_reply_was_being_judged_is_noticed(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert due_in(world, ana) == [("p2", "late-root")]
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert due_in(world, ana) == [], "the rules have had their say"


def test_an_old_refusal_is_not_judged_again(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-thread"))
    world.now += timedelta(days=31)
    assert world.settle(ana, world.sent(1)).woken == frozenset()


def test_another_copy_of_a_refused_message_makes_it_a_sighting(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    refused = world.refused(2, "not-owner")
    world.settle(ben, refused)
    done = world.settle(ana, world.reply(2, None))
    assert done.woken == {ben.id}
    assert due_in(world, ben) == [("p2", "duplicate")]
    world.settle(ben, refused)
    assert journal_of(world, ben) == {"p2": ("logged", "duplicate")}
    assert due_in(world, ben) == []


def test_a_new_contact_brings_back_what_was_refused_from_them(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.refused(2, "unknown-sender", "joe@x.test"))
    world.settle(ben, world.refused(3, "unknown-sender", "eve@x.test"))
    with world.database.begin() as conn:
        added = contacts.add_contact(conn, world.account, "Joe", ["Joe@x.test"], world.now)
    assert added.woken == {ana.id}
    assert due_in(world, ana) == [("p2", "new-address")]
    with world.database.begin() as conn:
        more = contacts.add_address(conn, world.account, added.contact_id, "eve@x.test", world.now)
    assert more.woken == {ben.id}


def test_a_recipient_who_becomes_a_contact_brings_back_their_refused_mail(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-sender", "joe@x.test"))
    done = world.settle(ana, world.sent(5, ["joe@x.test"]))
    assert done.woken == {ana.id}
    assert due_in(world, ana) == [("p2", "new-address")]


def test_a_mailbox_that_is_busy_is_rung_for_after_its_run(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.refused(2, "unknown-thread"))
    run = world.run(ana)
    world.settle(ben, world.sent(1))
    with world.database.begin() as conn:
        mailboxes.release(conn, ana, run.lease, world.now, world.now + timedelta(hours=1))
        assert mailboxes.mailbox(conn, world.account, ana.id).wake_at == world.now


def test_what_cannot_be_settled_waits_with_its_number_of_attempts(world):
    ana = world.mailbox()
    soon = world.now + timedelta(minutes=5)
    world.settle(ana, Later(Ref("p2", "t2"), "gone", "Gone", soon), cursor="c1")
    assert journal_of(world, ana) == {"p2": ("pending", "gone")}
    with world.database.read() as conn:
        assert settle.next_pending(conn, ana) == soon
        assert settle.pending_due(conn, ana, world.now, 10) == []
        (row,) = settle.pending_due(conn, ana, soon, 10)
    assert (row.ref, row.reason, row.attempts) == (Ref("p2", "t2"), "gone", 1)
    world.settle(ana, Later(Ref("p2", "t2"), "error", "Retry", soon))
    with world.database.read() as conn:
        (row,) = settle.pending_due(conn, ana, soon, 10)
    assert (row.reason, row.attempts) == ("error", 2)
    world.settle(ana, Later(Ref("p2", "t2"), "error", "ValueError", None))
    with world.database.read() as conn:
        assert settle.next_pending(conn, ana) is None
        assert journal.given_up(conn, world.account) == {ana.id: 1}
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert number_of(world, PendingMessage) == 0
    assert journal_of(world, ana) == {"p2": ("refused", "unknown-thread")}


def test_a_refused_message_that_cannot_be_judged_again_keeps_its_verdict(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-thread"))
    world.settle(ana, Later(Ref("p2"), "gone", "Gone", world.now))
    assert journal_of(world, ana) == {"p2": ("refused", "unknown-thread")}
    world.settle(ana, world.sent(1))
    assert due_in(world, ana) == [("p2", "late-root")]


def test_recipients_become_contacts_of_the_company_of_their_domain(world):
    ana = world.mailbox()
    with world.database.begin() as conn:
        company = contacts.company(conn, world.account, "Globex", "globex.test")
        assert contacts.company(conn, world.account, "", "Globex.test") == company
    world.settle(ana, world.sent(1, (Address(ZOE, "Zoe"), "pia@x.test")))
    with world.database.read() as conn:
        zoe = contacts.find(conn, world.account, ZOE)
        pia = contacts.find(conn, world.account, "pia@x.test")
        (thread,) = timeline.of_company(conn, world.account, company).items
    assert (zoe.name, zoe.company.name, zoe.emails) == ("Zoe", "Globex", 1)
    assert pia.company is None
    assert len(thread.emails) == 1


def test_a_root_appears_on_the_five_newest_open_deals_of_its_contacts(world):
    ana = world.mailbox()
    zoe = world.contact(ZOE)
    with world.database.begin() as conn:
        deals = [
            contacts.add_deal(
                conn, world.account, f"D{day}", [zoe], world.now + timedelta(days=day)
            )
            for day in range(8)
        ]
        contacts.close_deal(conn, world.account, deals[7])
    world.settle(ana, world.sent(1))
    with world.database.read() as conn:
        found = [len(timeline.of_deal(conn, world.account, each).items) for each in deals]
    assert found == [0, 0, 1, 1, 1, 1, 1, 0]
    assert number_of(world, ThreadAssociation) == 5


def test_a_team_mailbox_starts_a_team_thread(world):
    team = world.mailbox("sales@acme.test", MailboxKind.TEAM)
    world.settle(team, world.sent(1))
    root = world.root(team, world.reply(2, None).message.headers)
    assert (root.team, root.owner_id) == (True, None)


def test_of_two_e_mails_with_one_message_id_the_older_is_the_root(world):
    ana = world.mailbox()
    world.settle(
        ana,
        world.sent(
            1, sender=Address("evil@x.test"), sent_at=world.now + timedelta(hours=3), ref=Ref("f")
        ),
    )
    world.settle(ana, world.sent(1))
    root = world.root(ana, world.reply(2, None).message.headers)
    with world.database.read() as conn:
        (email,) = timeline.thread(conn, world.account, root.thread_id)
    assert email.sender == "ana@acme.test"


def test_a_date_from_the_future_does_not_stay_on_top(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1, sent_at=world.now + timedelta(days=3650)))
    world.settle(ana, world.sent(2, sent_at=None))
    dates = [thread.newest_at for thread in world.timeline(contact_id(world, ZOE))]
    assert dates == [world.now + timedelta(minutes=2), world.now + timedelta(minutes=1)]


def test_the_context_of_a_message_holds_what_concerns_it(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    zoe = contact_id(world, ZOE)
    with world.database.begin() as conn:
        accounts.add_domain(conn, world.account, "acme.test")
        accounts.set_setting(conn, world.account, "log_internal", True)
        accounts.set_setting(conn, world.account, "bcc_address", "log@acme.test")
        accounts.add_never_log(conn, world.account, None, "bank.test", world.now)
        accounts.add_never_log(conn, world.account, ana.user_id, "mum@home.test", world.now)
    mine = world.reply(2, None).message.headers
    other = world.reply(3, None, "who@x.test", answers=9).message.headers
    with world.database.read() as conn:
        contexts = settle.load_context(conn, ana, [mine, other])
    context = contexts.of(mine)
    assert context.contacts == {ZOE: zoe}
    assert context.roots.keys() == {message_id(1)}
    assert context.switches.log_internal
    assert context.bcc_address == "log@acme.test"
    assert context.account_domains == {"acme.test"}
    assert context.never_log.entries == {"bank.test", "mum@home.test"}
    assert context.own_addresses == {"ana@acme.test"}
    assert [period.since for period in context.connected] == [world.now]
    assert contexts.of(other).roots == {}
    assert contexts.of(other).contacts == {}


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
    assert number_of(world, EmailPerson) == 3002


def test_a_batch_larger_than_a_statement_takes_is_settled(world):
    ana = world.mailbox()
    outcomes = [world.refused(number, "unknown-thread", answers=5000) for number in range(1, 1200)]
    world.settle(ana, *outcomes)
    assert number_of(world, JournalRow, JournalRow.verdict == VerdictKind.REFUSED) == 1199
    done = world.settle(ana, world.sent(5000))
    assert done.woken == {ana.id}
    assert number_of(world, PendingMessage) == 1199


def test_a_commit_without_messages_moves_the_cursor_and_renews_the_lease(world):
    ana = world.mailbox()
    run = world.run(ana)
    later = world.now + timedelta(seconds=30)
    with world.database.begin() as conn:
        settle.commit(conn, run, [], later, cursor="c2", settled_at=later)
        stored = mailboxes.mailbox(conn, world.account, ana.id)
    assert (stored.cursor, stored.settled_at) == ("c2", later)
    assert stored.wake_at == later + TTL


def contact_id(world, address):
    with world.database.read() as conn:
        return contacts.find(conn, world.account, address).id


def test_a_run_of_another_token_may_not_commit(world):
    ana = world.mailbox()
    world.run(ana)
    other = Run(ana, "other", TTL, world.secrets)
    with pytest.raises(settle.LeaseLost), world.database.begin() as conn:
        settle.commit(conn, other, [], world.now, cursor="c2")
