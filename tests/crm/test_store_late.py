"""What is logged already when something nearer, or a better copy, comes late."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from crm.model import Address, Place, Ref, Verdict, Visibility
from crm.store import visibility
from crm.store.outcomes import Seen
from crm.store.visibility import Viewer
from crm.tables import Email, EmailPerson, JournalRow, OutboxEvent, Sighting, Thread
from tests.crm.store_world import ZOE, message_id


def the_email(world, number):
    """The row of a logged e-mail."""
    with world.database.read() as conn:
        query = select(Email).where(
            Email.account_id == world.account, Email.message_id == message_id(number)
        )
        return conn.execute(query).one_or_none()


def reply_in_thread(world, mailbox, number, answers, **more):
    """A reply that the thread it answers lets in as it is now."""
    root = world.root(mailbox, world.reply(number, None, answers=answers).message.headers)
    done = world.settle(mailbox, world.reply(number, root, answers=answers, **more))
    assert len(done.email_ids) == 1


def late_root(world, mailbox, number, **more):
    return world.settle(mailbox, world.sent(number, **more))


def test_a_reply_that_the_late_root_refuses_is_logged_no_more(world):
    ana = world.mailbox()
    world.contact(ZOE)
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),), subject="Invoice"))
    reply_in_thread(world, ana, 4, 3, subject="Re: Invoice")
    gone = the_email(world, 4).id
    late_root(world, ana, 1, subject="Offer")
    assert the_email(world, 4) is None
    assert world.journal_of(ana)["p4"] == ("refused", "subject-changed")
    assert the_email(world, 3).thread_id == the_email(world, 1).thread_id
    assert world.number_of(Thread) == 1
    for table in (EmailPerson, Sighting):
        assert world.number_of(table, table.email_id == gone) == 0, "nothing of it is kept"
    with world.database.read() as conn:
        query = select(OutboxEvent.payload).where(
            OutboxEvent.account_id == world.account, OutboxEvent.topic == "email.withdrawn"
        )
        assert conn.scalars(query).one()["email_id"] == gone


def test_what_hung_on_a_reply_that_is_logged_no_more_goes_with_it(world):
    ana = world.mailbox()
    world.contact(ZOE)
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),), subject="Invoice"))
    reply_in_thread(world, ana, 4, 3, subject="Re: Invoice")
    reply_in_thread(world, ana, 5, 4, subject="Re: Invoice")
    late_root(world, ana, 1, subject="Offer")
    assert the_email(world, 5) is None
    assert world.journal_of(ana)["p5"] == ("refused", "unknown-thread")


def test_a_sent_e_mail_that_hung_on_such_a_reply_begins_a_thread(world):
    ana = world.mailbox()
    world.contact(ZOE)
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),), subject="Invoice"))
    reply_in_thread(world, ana, 4, 3, subject="Re: Invoice")
    world.settle(ana, world.sent(5, in_reply_to=(message_id(4),), subject="Re: Invoice"))
    reply_in_thread(world, ana, 6, 5, subject="Re: Invoice")
    late_root(world, ana, 1, subject="Offer")
    mine = the_email(world, 5)
    assert mine.thread_id != the_email(world, 1).thread_id
    assert the_email(world, 6).thread_id == mine.thread_id
    root = world.root(ana, world.reply(7, None, answers=5).message.headers)
    assert (root.base_subject, root.owner_id) == ("invoice", ana.user_id)


def test_a_late_root_of_a_colleague_takes_a_reply_off_that_came_to_another(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.contact(ZOE)
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),)))
    reply_in_thread(world, ana, 4, 3)
    late_root(world, ben, 1, sender=Address("ben@acme.test"))
    assert the_email(world, 4) is None
    assert world.journal_of(ana)["p4"] == ("refused", "not-owner")
    assert the_email(world, 3).owner_id == ben.user_id


def test_a_copy_in_the_right_mailbox_keeps_the_reply(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.contact(ZOE)
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),)))
    reply_in_thread(world, ana, 4, 3)
    world.settle(ben, world.refused(4, "not-owner", answers=3))
    late_root(world, ben, 1, sender=Address("ben@acme.test"))
    assert the_email(world, 4).owner_id == ben.user_id
    assert world.number_of(Sighting, Sighting.carries) == 3


def test_the_sender_s_own_copy_says_what_an_e_mail_is(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.contact(ZOE)
    world.settle(ben, world.sent(1, sender=Address("ben@acme.test")))
    reply_in_thread(world, ben, 2, 1, sender="ana@acme.test")
    assert the_email(world, 2).direction == "incoming"
    mine = world.sent(2, in_reply_to=(message_id(1),), ref=Ref("s2"))
    hidden = replace(mine.message.headers, bcc=(Address("boss@acme.test"),))
    email_id = the_email(world, 2).id
    world.settle(ana, Seen(hidden, email_id, Verdict(True, "sent-bcc", None, (ZOE,))))
    email = the_email(world, 2)
    assert (email.direction, email.rule) == ("outgoing", "sent-bcc")
    assert email.owner_id == ben.user_id, "it is his thread"
    assert world.number_of(EmailPerson, EmailPerson.role == "bcc") == 1


def test_a_better_copy_of_a_root_gives_the_thread_to_its_owner(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.contact(ZOE)
    early = replace(world.reply(1, None, answers=9).message.headers, in_reply_to=())
    world.settle(ben, replace(world.reply(1, None), message=replace(
        world.reply(1, None).message, headers=early)))  # fmt: skip
    assert the_email(world, 1).owner_id == ben.user_id
    sooner = replace(early, received_at=early.received_at.replace(minute=0), ref=Ref("a1"))
    verdict = Verdict(True, "reply", None, (ZOE,))
    world.settle(ana, Seen(sooner, the_email(world, 1).id, verdict))
    assert the_email(world, 1).owner_id == ana.user_id


def test_the_owner_s_default_decides_who_sees_an_e_mail_until_somebody_does(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    with world.database.begin() as conn:
        visibility.set_default(conn, Viewer(world.account, ben.user_id), Visibility.OWNER)
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),)))
    world.settle(ana, world.sent(4, in_reply_to=(message_id(1),)))
    assert the_email(world, 3).visibility == "everyone"
    late_root(world, ben, 1, sender=Address("ben@acme.test"))
    assert (the_email(world, 3).visibility, the_email(world, 3).owner_id) == ("owner", ben.user_id)


LEA = "lea@bank.test"
COPY = {"ref": Ref("copy"), "sender": Address("list@lists.test")}


def test_copies_that_are_the_same_as_a_third_are_one_e_mail_whatever_came_first(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    first = world.sent(1)
    other = world.sent(1, ref=Ref("p9"), sender=Address("x@x.test"), sent_at=None)
    at = world.now.replace(hour=1)
    third = world.sent(1, **COPY, sent_at=at)
    between = replace(
        first.message.headers, ref=Ref("b"), place=Place.FOLLOWED, sent_at=at
    )  # the sender of the first, the date of the third
    world.settle(ana, first, other)
    world.settle(ana, third)
    assert world.number_of(Email) == 3
    world.settle(ben, replace(world.refused(1, "not-owner"), headers=between, ref=Ref("b")))
    assert world.number_of(Email) == 2, "the one without a date is another's"
    assert world.number_of(Sighting) == 4
    with world.database.read() as conn:
        rows = select(JournalRow.email_id).where(
            JournalRow.account_id == world.account, JournalRow.provider_id.in_(["p1", "copy", "b"])
        )
        assert len(set(conn.scalars(rows))) == 1


@pytest.mark.parametrize("known", ["before", "after"])
def test_the_true_sender_has_the_reply_where_a_mailing_lists_copy_came_first(world, known):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.contact(ZOE)
    if known == "before":
        world.contact(LEA)
    world.settle(ana, world.sent(1))
    root = world.root(ana, world.reply(2, None, answers=1).message.headers)
    world.settle(ben, world.reply(2, root, "list@lists.test", ref=Ref("copy")))
    world.settle(ana, world.reply(2, root, LEA))
    if known == "after":
        world.contact(LEA)
    assert world.number_of(Email) == 2
    assert len(world.timeline(world.contact_id(LEA))) == 1


def test_a_message_that_answers_itself_finds_no_thread_by_that(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    again = world.reply(1, None, answers=1).message.headers
    assert world.root(ana, again) is None
