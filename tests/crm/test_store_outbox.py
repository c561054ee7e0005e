"""Events are written with what they tell of, and once."""

import contextlib
from functools import partial

from sqlalchemy import select

from crm.store import contacts, outbox
from crm.tables import OutboxEvent


def told(world, topic):
    query = select(OutboxEvent.payload).where(
        OutboxEvent.account_id == world.account, OutboxEvent.topic == topic
    )
    with world.database.read() as conn:
        return conn.scalars(query.order_by(OutboxEvent.id)).all()


def test_an_event_told_twice_is_one_row_and_the_first_payload_counts(world):
    for number in (1, 2):
        with world.database.begin() as conn:
            outbox.tell(conn, world.account, "t", "t:1", {"n": number}, world.now)
    assert told(world, "t") == [{"n": 1}]


def test_a_connected_mailbox_is_told_each_time_it_is_connected(world):
    ana = world.mailbox()
    assert told(world, "mailbox.connected") == [{"mailbox_id": ana.id}]


def test_a_contact_is_told_however_it_is_made(world):
    by_hand = world.contact("zoe@client.test")
    world.settle(world.mailbox(), world.sent(1, ["new@client.test"]))
    with world.database.read() as conn:
        automatic = contacts.find(conn, world.account, "new@client.test")
    ids = [by_hand, automatic.id]
    assert told(world, "contact.created") == [{"contact_id": each} for each in ids]


class Halt(Exception):
    pass


def test_an_event_of_a_transaction_that_fails_is_never_told(world):
    add = partial(contacts.add_contact, account_id=world.account, name="", now=world.now)
    with contextlib.suppress(Halt), world.database.begin() as conn:
        add(conn, addresses=["zoe@client.test"])
        raise Halt
    assert told(world, "contact.created") == []
