"""Whose timeline a settled message is on: contacts, companies, deals, roots, dates."""

from datetime import timedelta

from crm.model import Address, MailboxKind, Ref
from crm.store import accounts, companies, contacts, deals, never_log, settle, timeline
from crm.store import settings as account_settings
from crm.tables import (
    EmailAssociation,
)
from tests.crm.store_world import ZOE, message_id


def test_recipients_become_contacts_of_the_company_of_their_domain(world):
    ana = world.mailbox()
    with world.database.begin() as conn:
        company = companies.ensure(conn, world.account, "Globex", "globex.test")
        assert companies.ensure(conn, world.account, "", "Globex.test") == company
    world.settle(ana, world.sent(1, (Address(ZOE, "Zoe"), "pia@x.test")))
    with world.database.read() as conn:
        zoe = contacts.find(conn, world.account, ZOE)
        pia = contacts.find(conn, world.account, "pia@x.test")
        (thread,) = timeline.of_company(conn, world.everything, company).items
    assert (zoe.name, zoe.company.name) == ("Zoe", "Globex")
    assert pia.company is None
    assert len(thread.emails) == 1


def test_a_root_appears_on_the_five_newest_open_deals_of_its_contacts(world):
    ana = world.mailbox()
    zoe = world.contact(ZOE)
    with world.database.begin() as conn:
        made = [
            deals.add(conn, world.account, f"D{day}", [zoe], world.now + timedelta(days=day))
            for day in range(8)
        ]
        deals.set_open(conn, world.account, made[7], False)
    world.settle(ana, world.sent(1))
    with world.database.read() as conn:
        found = [len(timeline.of_deal(conn, world.everything, each).items) for each in made]
    assert found == [0, 0, 1, 1, 1, 1, 1, 0]
    assert world.number_of(EmailAssociation) == 5


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
        (email,) = timeline.thread(conn, world.everything, root.thread_id)
    assert email.sender == "ana@acme.test"


def test_a_date_from_the_future_does_not_stay_on_top(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1, sent_at=world.now + timedelta(days=3650)))
    world.settle(ana, world.sent(2, sent_at=None))
    dates = [thread.newest_at for thread in world.timeline(world.contact_id(ZOE))]
    assert dates == [world.now + timedelta(minutes=2), world.now + timedelta(minutes=1)]


def test_the_context_of_a_message_holds_what_concerns_it(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    zoe = world.contact_id(ZOE)
    with world.database.begin() as conn:
        accounts.add_domain(conn, world.account, "acme.test")
        account_settings.set_setting(conn, world.account, "log_internal", True)
        account_settings.set_setting(conn, world.account, "bcc_address", "log@acme.test")
        never_log.add(conn, world.account, None, ["bank.test"], world.now)
        never_log.add(conn, world.account, ana.user_id, ["mum@home.test"], world.now)
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
