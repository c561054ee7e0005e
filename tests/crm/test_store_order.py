"""What comes late ends where it would be had it come first: addresses, roots, nearer e-mails."""

from dataclasses import replace

from sqlalchemy import func, select

from crm.model import Address, Kind, Verdict
from crm.store import companies, contacts, never_log, timeline
from crm.store.outcomes import Logged
from crm.tables import Base, Thread
from tests.crm.store_world import ZOE, message_id

PIA = "pia@x.test"


def ids(threads):
    """Message-IDs of a timeline, thread by thread."""
    return [[email.message_id for email in thread.emails] for thread in threads]


def messages(*numbers):
    return [message_id(number) for number in numbers]


def cc(logged, *addresses):
    headers = replace(logged.message.headers, cc=tuple(map(Address, addresses)))
    return replace(logged, message=replace(logged.message, headers=headers))


def test_a_contact_who_gains_an_address_gains_the_e_mails_it_stands_in(world):
    ana = world.mailbox()
    world.contact(ZOE)
    joe = world.contact("joe@x.test")
    world.settle(ana, world.sent(1))
    root = world.root(ana, world.reply(2, None).message.headers)
    world.settle(ana, cc(world.reply(2, root), PIA))
    world.settle(ana, world.reply(3, root, sender=PIA))
    assert world.timeline(joe) == ()
    with world.database.begin() as conn:
        contacts.add_address(conn, world.account, joe, PIA, world.now)
    assert ids(world.timeline(joe)) == [messages(3, 2)]


def test_a_new_contact_finds_the_e_mails_they_were_written(world):
    ana = world.mailbox()
    world.settle(ana, cc(world.sent(1), PIA))
    assert ids(world.timeline(world.contact(PIA))) == [messages(1)]


def test_a_recipient_who_becomes_a_contact_gains_what_they_were_in_copy_of(world):
    ana = world.mailbox()
    world.contact(ZOE)
    world.settle(ana, world.sent(1))
    root = world.root(ana, world.reply(2, None).message.headers)
    world.settle(ana, cc(world.reply(2, root), PIA))
    world.settle(ana, world.sent(3, [PIA]))
    assert ids(world.timeline(world.contact_id(PIA))) == [messages(3), messages(2)]


def test_a_root_whose_recipient_becomes_a_contact_appears_on_their_company(world):
    ana = world.mailbox()
    world.settle(ana, cc(world.sent(1), PIA))
    with world.database.begin() as conn:
        company = companies.ensure(conn, world.account, "X", "x.test")
    world.contact(PIA, company=company)
    with world.database.read() as conn:
        assert ids(timeline.of_company(conn, world.everything, company).items) == [messages(1)]


def test_a_contact_on_a_never_log_list_gains_nothing(world):
    ana = world.mailbox()
    with world.database.begin() as conn:
        never_log.add(conn, world.account, ana.user_id, [PIA], world.now)
    world.settle(ana, cc(world.sent(1), PIA))
    pia = world.contact(PIA)
    world.settle(ana, cc(world.sent(2), PIA))
    assert world.timeline(pia) == ()


def test_whoever_becomes_a_contact_while_a_message_is_judged_gets_it(world):
    ana = world.mailbox()
    judged = cc(world.sent(1), PIA)
    pia = world.contact(PIA)
    world.settle(ana, judged)
    assert ids(world.timeline(pia)) == [messages(1)]


def test_the_sender_of_a_sent_message_is_on_no_timeline_for_it(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    assert world.timeline(world.contact("ana@acme.test")) == ()


def test_a_strangers_reply_goes_to_the_contacts_of_the_root(world):
    ana = world.mailbox()
    zoe = world.contact(ZOE)
    world.settle(ana, world.sent(1))
    reply = world.reply(2, None, sender="who@else.test")
    root = world.root(ana, reply.message.headers)
    verdict = Verdict(True, "reply", root, tuple(root.contact_recipients))
    world.settle(ana, Logged(verdict, reply.message, Kind.REPLY))
    assert ids(world.timeline(zoe)) == [messages(2, 1)]


def test_a_late_root_takes_the_threads_over_that_refer_to_it(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),)))
    root = world.root(ana, world.reply(4, None, answers=3).message.headers)
    world.settle(ana, world.reply(4, root, answers=3))
    world.settle(ana, world.sent(1))
    assert ids(world.timeline(world.contact_id(ZOE))) == [messages(4, 3, 1)]
    with world.database.read() as conn:
        query = select(func.count()).select_from(Thread)
        assert conn.scalar(query.where(Thread.account_id == world.account)) == 1


def test_what_was_refused_in_a_thread_is_judged_again_when_the_thread_has_another_root(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),), subject="Other"))
    world.settle(ana, world.refused(4, "subject-changed", answers=3))
    world.settle(ana, world.sent(1))
    assert world.due_in(ana) == [("p4", "late-root")]


def test_an_e_mail_that_is_logged_late_takes_those_over_that_it_is_nearer_to(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    both = (message_id(1), message_id(2))
    world.settle(ana, world.sent(3, references=both), world.sent(4, references=both[:1]))
    world.settle(ana, world.sent(5, in_reply_to=(message_id(3),)))
    world.settle(ana, world.sent(2))
    assert ids(world.timeline(world.contact_id(ZOE))) == [messages(5, 3, 2), messages(4, 1)]


def test_a_root_that_moved_since_a_message_was_judged_is_found_where_it_is(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),)))
    old = world.root(ana, world.reply(4, None, answers=3).message.headers)
    world.settle(ana, world.sent(1))
    world.settle(ana, world.reply(4, old, answers=3))
    assert ids(world.timeline(world.contact_id(ZOE))) == [messages(4, 3, 1)]


def test_references_in_a_circle_end(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1, in_reply_to=(message_id(2),)))
    world.settle(ana, world.sent(2, in_reply_to=(message_id(3),)))
    world.settle(ana, world.sent(3, in_reply_to=(message_id(1),)))
    assert ids(world.timeline(world.contact_id(ZOE))) == [messages(3, 2, 1)]


def test_no_row_hangs_on_a_row_of_another_account(world):
    other = world.other_account()
    for each, address in ((world, "ana@acme.test"), (other, "eve@other.test")):
        mailbox = each.mailbox(address)
        each.settle(mailbox, cc(each.sent(1), PIA), each.refused(8, "unknown-thread", answers=7))
        root = each.root(mailbox, each.reply(2, None).message.headers)
        each.settle(mailbox, each.reply(2, root))
        each.contact(PIA)
    with world.database.read() as conn:
        for child in Base.metadata.sorted_tables:
            for key in child.foreign_keys:
                parent = key.column.table
                if "account_id" in parent.c:
                    parent = parent.alias()
                    strays = select(child.c.id).join(parent, key.parent == parent.c.id)
                    strays = strays.where(child.c.account_id != parent.c.account_id)
                    looked = strays.execution_options(all_accounts="looks for strays")
                    assert conn.execute(looked).first() is None, (child.name, key.parent.name)
