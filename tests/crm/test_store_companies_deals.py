"""Companies and deals in the store, and which threads stand on their timelines."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crm.model import Address, Place
from crm.rules.decide import decide
from crm.store import companies, contacts, deals, never_log, settle, timeline
from crm.store.outcomes import Logged
from tests.crm.store_world import World, message_id

MARIA, JOE, ZOE = "maria@globex.test", "joe@initech.test", "zoe@stranger.test"


class Firms:
    """Maria of Globex and Joe of Initech, with a deal each."""

    def __init__(self, world: World) -> None:
        self.world = world
        with world.database.begin() as conn:
            self.globex = companies.ensure(conn, world.account, "Globex", "globex.test")
            self.initech = companies.ensure(conn, world.account, "Initech", "initech.test")
        self.maria = world.contact(MARIA, name="Maria", company=self.globex)
        self.joe = world.contact(JOE, name="Joe", company=self.initech)
        with world.database.begin() as conn:
            self.deal = deals.add(conn, world.account, "40 seats", [self.maria], world.now)
            self.other = deals.add(conn, world.account, "Training", [self.joe], world.now)

    def on(self, company: int) -> list[str]:
        """Message-IDs on a company's timeline, oldest first."""
        with self.world.database.read() as conn:
            page = timeline.of_company(conn, self.world.everything, company)
        return sorted(each.message_id for thread in page.items for each in thread.emails)

    def on_deal(self, deal: int) -> list[str]:
        with self.world.database.read() as conn:
            page = timeline.of_deal(conn, self.world.everything, deal)
        return sorted(each.message_id for thread in page.items for each in thread.emails)


@pytest.fixture
def firms(world: World) -> Firms:
    return Firms(world)


def ticked(world: World, number: int, to: list[str], **more: object) -> Logged:
    """Sent with Log ticked, to contacts: nobody becomes one."""
    sent = world.sent(number, to, **more)
    return replace(sent, verdict=replace(sent.verdict, create=()))


def test_a_root_and_its_replies_stand_with_every_recipients_company_and_deal(
    world: World, firms: Firms
) -> None:
    ana = world.mailbox()
    world.settle(ana, ticked(world, 1, [MARIA], cc=(Address(JOE),)))
    world.settle(ana, world.reply(2, world.root(ana, world.incoming(2, MARIA, 1)), MARIA))
    both = [message_id(1), message_id(2)]
    assert [firms.on(firms.globex), firms.on(firms.initech)] == [both, both]
    assert [firms.on_deal(firms.deal), firms.on_deal(firms.other)] == [both, both]


def test_a_contact_in_bcc_brings_neither_company_nor_deal(world: World, firms: Firms) -> None:
    ana = world.mailbox()
    world.settle(ana, ticked(world, 1, [MARIA], bcc=(Address(JOE),)))
    assert [len(firms.on(firms.globex)), len(firms.on(firms.initech))] == [1, 0]
    assert firms.on_deal(firms.other) == []


def test_of_mixed_recipients_those_on_a_never_log_list_get_nothing(
    world: World, firms: Firms
) -> None:
    ana = world.mailbox()
    with world.database.begin() as conn:
        never_log.add(conn, world.account, None, ["initech.test"], world.now)
        everyone = tuple(map(Address, (MARIA, JOE, ZOE)))
        headers = world.headers(1, Place.SENT, to=everyone, labels=frozenset({"Log to CRM"}))
        context = settle.load_context(conn, ana, [headers]).of(headers)
    sent = world.sent(1, [*everyone])
    message = replace(sent.message, headers=headers)
    verdict = decide(headers, context)
    assert (verdict.logged, verdict.rule, verdict.contacts) == (True, "sent-label", (MARIA,))
    world.settle(ana, replace(sent, message=message, verdict=verdict))
    assert [len(firms.on(firms.globex)), len(firms.on(firms.initech))] == [1, 0]
    assert [len(world.timeline(each)) for each in (firms.maria, firms.joe)] == [1, 0]


def test_a_later_sent_e_mail_brings_the_thread_to_its_own_recipients_companies(
    world: World, firms: Firms
) -> None:
    ana = world.mailbox()
    world.settle(ana, ticked(world, 1, [MARIA]))
    world.settle(ana, world.reply(2, world.root(ana, world.incoming(2, MARIA, 1)), MARIA))
    assert firms.on(firms.initech) == []
    world.settle(ana, ticked(world, 3, [MARIA, JOE], in_reply_to=(message_id(2),)))
    assert len(firms.on(firms.initech)) == 3


def test_a_contact_in_cc_of_a_reply_does_not_bring_its_company(world: World, firms: Firms) -> None:
    ana = world.mailbox()
    world.settle(ana, ticked(world, 1, [MARIA]))
    root = world.root(ana, world.incoming(2, MARIA, 1))
    world.settle(ana, world.reply(2, root, MARIA, cc=(Address(JOE),)))
    assert firms.on(firms.initech) == []
    assert len(world.timeline(firms.joe)) == 1


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)], ids=str)
def test_companies_do_not_depend_on_the_order_in_which_a_thread_is_logged(
    world: World, firms: Firms, order: tuple[int, ...]
) -> None:
    """Sent to Maria; her reply with Joe in Cc; sent to Joe as an answer to the reply."""
    ana = world.mailbox()
    mail = {
        1: lambda: ticked(world, 1, [MARIA]),
        2: lambda: world.reply(2, None, MARIA, cc=(Address(JOE),)),
        3: lambda: ticked(world, 3, [JOE], in_reply_to=(message_id(2),)),
    }
    for number in order:
        world.settle(ana, mail[number]())
    everything = [message_id(number) for number in (1, 2, 3)]
    assert [firms.on(firms.globex), firms.on(firms.initech)] == [everything, everything]


def test_a_reply_that_was_logged_as_a_root_brings_nothing_once_its_own_root_is_there(
    world: World, firms: Firms
) -> None:
    ana = world.mailbox()
    world.settle(ana, world.reply(2, None, MARIA, cc=(Address(JOE),)))
    assert len(firms.on(firms.initech)) == 1
    world.settle(ana, ticked(world, 1, [MARIA]))
    assert [len(firms.on(firms.globex)), len(firms.on(firms.initech))] == [2, 0]


def test_a_new_contact_brings_its_company_and_deals_to_what_was_sent_to_it(
    world: World, firms: Firms
) -> None:
    ana = world.mailbox()
    world.settle(ana, ticked(world, 1, [ZOE]))
    with world.database.begin() as conn:
        firm = companies.ensure(conn, world.account, "Stranger")
        contacts.add_contact(conn, world.account, "Zoe", [ZOE], world.now, firm)
    assert firms.on(firm) == [message_id(1)]


def test_contacts_come_into_a_deal_once_and_leave_it(world: World, firms: Firms) -> None:
    with world.database.begin() as conn:
        for _ in range(2):
            deals.put_contact(conn, world.account, firms.deal, firms.joe)
        both = [each.name for each in contacts.of_deal(conn, world.account, firms.deal)]
        deals.remove_contact(conn, world.account, firms.deal, firms.maria)
        one = [each.name for each in contacts.of_deal(conn, world.account, firms.deal)]
        assert (both, one) == (["Joe", "Maria"], ["Joe"])
        assert deals.of_contact(conn, world.account, firms.maria) == []
        with pytest.raises(contacts.NoSuchContact):
            deals.put_contact(conn, world.account, firms.deal, 999)
        with pytest.raises(deals.NoSuchDeal):
            deals.put_contact(conn, world.account, 999, firms.joe)
        with pytest.raises(deals.NoSuchDeal):
            deals.set_open(conn, world.account, 999, False)
        assert deals.deal(conn, world.account, 999) is None


def test_companies_and_deals_are_found_by_a_part_of_their_names(world: World, firms: Firms) -> None:
    with world.database.begin() as conn:
        deals.add(conn, world.account, "100%", [], world.now + timedelta(days=1))
        deals.set_open(conn, world.account, firms.deal, False)

        def named(search: str = "") -> list[str]:
            return [each.name for each in deals.listing(conn, world.account, search)]

        def firm(search: str) -> list[tuple[str, int]]:
            found = companies.listing(conn, world.account, search)
            return [(each.company.name, each.contacts) for each in found]

        assert named() == ["100%", "Training", "40 seats"]
        assert (named("SEAT"), named("0%"), named("_")) == (["40 seats"], ["100%"], [])
        assert firm("GLOB") == [("Globex", 1)]
        assert firm("initech.t") == [("Initech", 1)]
        assert firm("%") == []
        assert [each.name for each in contacts.of_company(conn, world.account, firms.globex)] == [
            "Maria"
        ]
        assert companies.company(conn, world.account, 999) is None
