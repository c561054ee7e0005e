"""What a commit or a new contact sends round again, and what waits."""

from datetime import timedelta

from crm.model import Place, Ref
from crm.store import contacts, journal, mailboxes, settle
from crm.store.outcomes import Later, Refused
from crm.tables import (
    PendingMessage,
)
from tests.crm.store_world import ZOE


def test_a_late_root_sends_its_refused_replies_round_again(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(
        ana, world.refused(2, "unknown-thread"), world.refused(3, "unknown-thread", answers=77)
    )
    world.settle(ben, world.refused(4, "not-owner"), Refused(Ref("x"), Place.JUNK, None, "junk"))
    done = world.settle(ben, world.sent(1))
    assert done.woken == {ana.id, ben.id}
    assert world.due_in(ana) == [("p2", "late-root")]
    assert world.due_in(ben) == [("p4", "late-root")]
    with world.database.begin() as conn:
        assert mailboxes.release(conn, ana, "run", world.now, None), "the run that held it was rung"
        assert mailboxes.mailbox(conn, world.account, ana.id).wake_at == world.now
    reply = world.reply(2, world.root(ana, world.reply(2, None).message.headers))
    assert reply.verdict.root is not None
    world.settle(ana, reply)
    assert world.due_in(ana) == []
    (thread,) = world.timeline(world.contact_id(ZOE))
    assert len(thread.emails) == 2


def test_a_root_and_its_refused_reply_in_one_batch_find_each_other(world):
    ana = world.mailbox()
    done = world.settle(ana, world.refused(2, "unknown-thread"), world.sent(1))
    assert world.due_in(ana) == [("p2", "late-root")]
    assert done.woken == {ana.id}


def test_a_root_that_was_logged_while_the_reply_was_being_judged_is_noticed(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert world.due_in(ana) == [("p2", "late-root")]
    world.settle(ana, world.refused(2, "unknown-thread"))
    assert world.due_in(ana) == [("p2", "late-root")], "it was judged without the root once more"
    world.settle(ana, world.reply(2, world.root(ana, world.reply(2, None).message.headers)))
    assert world.due_in(ana) == []


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
    assert world.due_in(ben) == [("p2", "duplicate")]
    world.settle(ben, refused)
    assert world.journal_of(ben) == {"p2": ("logged", "duplicate")}
    assert world.due_in(ben) == []


def test_a_new_contact_brings_back_what_was_refused_from_them(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.refused(2, "unknown-sender", "joe@x.test"))
    world.settle(ben, world.refused(3, "unknown-sender", "eve@x.test"))
    with world.database.begin() as conn:
        added = contacts.add_contact(conn, world.account, "Joe", ["Joe@x.test"], world.now)
    assert added.woken == {ana.id}
    assert world.due_in(ana) == [("p2", "new-address")]
    with world.database.begin() as conn:
        more = contacts.add_address(conn, world.account, added.contact_id, "eve@x.test", world.now)
    assert more.woken == {ben.id}


def test_a_recipient_who_becomes_a_contact_brings_back_their_refused_mail(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-sender", "joe@x.test"))
    done = world.settle(ana, world.sent(5, ["joe@x.test"]))
    assert done.woken == {ana.id}
    assert world.due_in(ana) == [("p2", "new-address")]


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
    assert world.journal_of(ana) == {"p2": ("pending", "gone")}
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
    assert world.number_of(PendingMessage) == 0
    assert world.journal_of(ana) == {"p2": ("refused", "unknown-thread")}


def test_a_refused_message_that_cannot_be_judged_again_keeps_its_verdict(world):
    ana = world.mailbox()
    world.settle(ana, world.refused(2, "unknown-thread"))
    world.settle(ana, Later(Ref("p2"), "gone", "Gone", world.now))
    assert world.journal_of(ana) == {"p2": ("refused", "unknown-thread")}
    world.settle(ana, world.sent(1))
    assert world.due_in(ana) == [("p2", "late-root")]
