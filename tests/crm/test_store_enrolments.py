"""A contact who answers leaves the sequences of e-mails."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.model import Kind
from crm.store import contacts, enrolments
from crm.tables import OutboxEvent
from tests.crm.store_world import ZOE

HOME = "zoe@home.test"


@pytest.fixture
def zoe(world):
    """A contact in a sequence, whom Ana has written."""
    zoe = world.contact(ZOE)
    world.settle(world.mailbox(), world.sent(1))
    with world.database.begin() as conn:
        enrolments.enrol(conn, world.account, zoe, "Trial", world.now)
        enrolments.enrol(conn, world.account, zoe, " Trial ", world.now)
    return zoe


def reply(world, number, sender=ZOE, **more):
    ana = world.mailbox()
    root = world.root(ana, world.reply(number, None).message.headers)
    logged = world.reply(number, root, sender=sender, **more)
    return (
        logged if sender == ZOE else replace(logged, verdict=replace(logged.verdict, contacts=()))
    )


def settle(world, outcome):
    return world.settle(world.mailbox(), outcome).email_ids[0]


def enrolment(world, contact_id):
    with world.database.read() as conn:
        (found,) = enrolments.listing(conn, world.account, contact_id)
    return found


def test_a_reply_ends_it_at_once(world, zoe):
    assert enrolment(world, zoe).ended_at is None
    by = settle(world, reply(world, 2))
    assert (enrolment(world, zoe).ended_at, enrolment(world, zoe).ended_by) == (world.now, by)
    with world.database.read() as conn:
        query = select(OutboxEvent.payload).where(
            OutboxEvent.account_id == world.account, OutboxEvent.topic == "sequence.ended"
        )
        assert conn.scalars(query).one()["email_id"] == by


KINDS = [kind for kind in Kind if kind is not Kind.REPLY]
HEADERS = {
    Kind.AUTO_REPLY: {"auto_submitted": "auto-replied"},
    Kind.BOUNCE: {"return_path": "<>", "auto_submitted": "auto-replied"},
    Kind.CALENDAR: {"content_type": "text/calendar; method=REPLY"},
    Kind.LIST: {"list_id": "<news.globex.test>"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_machine_wrote_does_not(world, zoe, kind):
    logged = reply(world, 2)
    signs = replace(logged.message.headers.signs, **HEADERS[kind])
    message = replace(logged.message, headers=replace(logged.message.headers, signs=signs))
    settle(world, replace(logged, message=message, kind=kind))
    assert enrolment(world, zoe).ended_at is None


def test_the_reply_that_arrived_first_is_what_ended_it_whichever_was_logged_first(world, zoe):
    settle(world, reply(world, 5))
    world.now += timedelta(days=1)
    first = settle(world, reply(world, 3, received_at=world.now - timedelta(hours=23, minutes=59)))
    assert enrolment(world, zoe).ended_by == first
    assert enrolment(world, zoe).ended_at == world.now - timedelta(days=1)
    assert world.number_of(OutboxEvent, OutboxEvent.topic == "sequence.ended") == 1


def test_what_arrived_before_it_began_does_not_end_it(world, zoe):
    settle(world, reply(world, 2, received_at=world.now - timedelta(hours=1)))
    assert enrolment(world, zoe).ended_at is None


def test_a_reply_from_an_address_that_becomes_theirs_later_ends_it(world, zoe):
    by = settle(world, reply(world, 2, HOME))
    assert enrolment(world, zoe).ended_at is None
    with world.database.begin() as conn:
        contacts.add_address(conn, world.account, zoe, HOME, world.now)
    assert enrolment(world, zoe).ended_by == by


def test_it_can_begin_anew_and_end_again(world, zoe):
    settle(world, reply(world, 2))
    world.now += timedelta(days=1)
    with world.database.begin() as conn:
        enrolments.enrol(conn, world.account, zoe, "Trial", world.now)
    assert enrolment(world, zoe).ended_at is None
    settle(world, reply(world, 3))
    assert world.number_of(OutboxEvent, OutboxEvent.topic == "sequence.ended") == 2
