"""Two contacts that turn out to be one, and addresses that turn out to be another's."""

import pytest

from crm.store import companies, contacts, deals, enrolments, merging
from crm.store.contacts import NoSuchContact
from crm.store.visibility import Viewer
from crm.tables import Contact, EmailContact, MergedContact
from tests.crm.store_world import ZOE, message_id

PIA = "pia@x.test"


@pytest.fixture
def people(world):
    """Zoe and Pia, each with an e-mail of her own, and one that went to both."""
    ana = world.mailbox()
    zoe, pia = world.contact(ZOE, name="Zoe"), world.contact(PIA, name="Pia")
    world.settle(ana, world.sent(1), world.sent(2, [PIA]), world.sent(3, [ZOE, PIA]))
    return zoe, pia


def merge(world, keep, gone):
    with world.database.begin() as conn:
        return merging.merge(conn, world.account, keep, gone, world.now)


def of(world, contact_id):
    with world.database.read() as conn:
        return contacts.contact(conn, world.account, contact_id)


def ids(world, contact_id):
    return {email.message_id for thread in world.timeline(contact_id) for email in thread.emails}


def numbers(*some):
    return {message_id(number) for number in some}


def test_a_merged_contact_s_addresses_and_e_mails_are_the_other_s(world, people):
    zoe, pia = people
    merge(world, zoe, pia)
    kept = of(world, zoe)
    assert (kept.name, set(kept.addresses)) == ("Zoe", {ZOE, PIA})
    assert ids(world, zoe) == numbers(1, 2, 3)
    assert of(world, pia) is None
    assert world.number_of(EmailContact) == 3


def test_merging_twice_is_merging_once_and_old_links_lead_on(world, people):
    zoe, pia = people
    joe = world.contact("joe@x.test")
    merge(world, pia, joe)
    merge(world, zoe, pia)
    merge(world, zoe, pia)
    merge(world, zoe, zoe)
    with world.database.read() as conn:
        found = [merging.merged_into(conn, world.account, each) for each in (pia, joe, zoe)]
    assert found == [zoe, zoe, None]
    assert world.number_of(Contact) == 1
    assert world.number_of(MergedContact) == 2
    with pytest.raises(NoSuchContact):
        merge(world, zoe, 10_000)


def test_the_id_of_a_merged_contact_is_nobody_else_s(world, people):
    zoe, pia = people
    merge(world, zoe, pia)
    assert world.contact("new@x.test") > pia


def test_deals_and_a_company_come_along_but_one_s_own_company_stays(world, people):
    zoe, pia = people
    joe = world.contact("joe@y.test")
    with world.database.begin() as conn:
        first = companies.ensure(conn, world.account, "First")
        other = companies.ensure(conn, world.account, "Other")
        contacts.set_company(conn, world.account, pia, first)
        contacts.set_company(conn, world.account, joe, other)
        for name, people in (("Big", [pia, zoe]), ("Small", [pia])):
            deals.add(conn, world.account, name, people, world.now)
    with world.database.read() as conn:
        moves = merging.preview(conn, Viewer(world.account, sees_all=True), zoe, pia)
    assert (moves.addresses, moves.emails, moves.deals, moves.company) == ((PIA,), 1, 2, "First")
    merge(world, zoe, pia)
    merge(world, zoe, joe)
    assert of(world, zoe).company.name == "First"
    with world.database.read() as conn:
        assert {each.name for each in deals.of_contact(conn, world.account, zoe)} == {
            "Big",
            "Small",
        }


def test_sequences_come_along_and_one_that_ended_stays_ended(world, people):
    zoe, pia = people
    ana = world.mailbox()
    with world.database.begin() as conn:
        for contact, name in ((zoe, "News"), (pia, "News"), (pia, "Trial")):
            enrolments.enrol(conn, world.account, contact, name, world.now)
    root = world.root(ana, world.reply(5, None, answers=3).message.headers)
    world.settle(ana, world.reply(5, root, sender=PIA, answers=3))
    merge(world, zoe, pia)
    with world.database.read() as conn:
        found = enrolments.listing(conn, world.account, zoe)
    assert {each.sequence for each in found} == {"News", "Trial"}
    assert all(each.ended_at and each.ended_by for each in found)


def test_an_address_that_is_taken_away_takes_along_what_it_alone_brought(world, people):
    zoe, _ = people
    with world.database.begin() as conn:
        contacts.add_address(conn, world.account, zoe, "zoe@home.test", world.now)
    world.settle(world.mailbox(), world.sent(4, ["zoe@home.test"]), world.sent(5, [ZOE]))
    with world.database.begin() as conn:
        contacts.remove_address(conn, world.account, zoe, "zoe@home.test")
    assert ids(world, zoe) == numbers(1, 3, 5)
    assert ids(world, world.contact("zoe@home.test")) == numbers(4), "it stayed logged"


def test_an_e_mail_in_which_another_address_of_the_contact_stands_stays(world, people):
    zoe, pia = people
    merge(world, zoe, pia)
    with world.database.begin() as conn:
        contacts.remove_address(conn, world.account, zoe, PIA)
    assert ids(world, zoe) == numbers(1, 3)
    with world.database.begin() as conn:
        contacts.add_address(conn, world.account, zoe, PIA, world.now)
    assert ids(world, zoe) == numbers(1, 2, 3)
