"""Events are written with what they tell of, and once."""

import contextlib
import re
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from crm.contact_file import FileRow
from crm.store import contact_import, contacts, outbox
from crm.tables import Contact, OutboxEvent


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


def by_hand(world):
    world.contact("zoe@client.test")


def by_mail(world):
    world.settle(world.mailbox(), world.sent(1, ["new@client.test", "other@client.test"]))


def by_an_import(world):
    rows = [FileRow(number, "", (f"c{number}@client.test",), "") for number in range(3)]
    for _ in range(2):
        with world.database.begin() as conn:
            contact_import.store(conn, world.account, rows, world.now)


@pytest.mark.parametrize(("make", "number"), [(by_hand, 1), (by_mail, 2), (by_an_import, 3)])
def test_a_contact_is_told_once_however_it_is_made(world, make, number):
    make(world)
    with world.database.read() as conn:
        query = select(Contact.id).where(Contact.account_id == world.account).order_by(Contact.id)
        ids = conn.scalars(query).all()
    assert len(ids) == number
    assert told(world, "contact.created") == [{"contact_id": each} for each in ids]


def test_nobody_inserts_contacts_without_telling():
    """Pages and API go by these functions."""
    folder = Path(contacts.__file__).parent
    inserting = {
        path.stem: path.read_text(encoding="utf-8").count("tell_created(conn")
        for path in folder.glob("*.py")
        if re.search(r"insert\((conn, )?Contact\)", path.read_text(encoding="utf-8"))
    }
    assert inserting == {"people": 1, "contact_import": 1}


class Halt(Exception):
    pass


def test_an_event_of_a_transaction_that_fails_is_never_told(world):
    add = partial(contacts.add_contact, account_id=world.account, name="", now=world.now)
    with contextlib.suppress(Halt), world.database.begin() as conn:
        add(conn, addresses=["zoe@client.test"])
        raise Halt
    assert told(world, "contact.created") == []
