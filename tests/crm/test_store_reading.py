"""What pages read: accounts, contacts, timelines, the journal."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crm.model import AccountSettings, Address, Place, Ref, Switches
from crm.store import accounts, companies, contacts, deals, journal, never_log, paging, timeline
from crm.store import settings as account_settings
from crm.store.outcomes import Refused
from tests.crm.store_world import ZOE


def test_there_is_one_account_however_often_it_is_asked_for(world):
    with world.database.begin() as conn:
        again = accounts.ensure_account(conn, "Other name", world.secrets, world.now)
    assert again == world.account


def test_a_person_is_found_by_address_and_an_address_is_taken_once(world):
    ana = world.user("Ana@Acme.test")
    with world.database.begin() as conn:
        found = accounts.user_by_address(conn, "ANA@acme.test")
        assert found == accounts.user(conn, world.account, ana)
        assert (found.address, found.role, found.active) == ("ana@acme.test", "member", True)
        assert accounts.user_by_address(conn, "ben@acme.test") is None
        assert accounts.user(conn, world.account, ana + 1) is None
        assert accounts.users(conn, world.account) == [found]
        with pytest.raises(accounts.AddressTaken):
            accounts.add_user(conn, world.account, accounts.NewUser("ana@acme.test"), world.now)


def test_settings_are_the_defaults_and_what_was_set(world):
    with world.database.begin() as conn:
        assert account_settings.settings_of(conn, world.account) == AccountSettings()
        account_settings.set_setting(conn, world.account, "log_own_replies", True)
        account_settings.set_setting(conn, world.account, "log_label", "CRM")
        account_settings.set_setting(conn, world.account, "log_label", "Keep")
        found = account_settings.settings_of(conn, world.account)
        assert found == AccountSettings(Switches(log_own_replies=True), log_label="Keep")
        for name, value in (("no_such", True), ("log_own_replies", "yes"), ("log_label", True)):
            with pytest.raises(ValueError):
                account_settings.set_setting(conn, world.account, name, value)


def test_domains_come_and_go(world):
    with world.database.begin() as conn:
        accounts.add_domain(conn, world.account, " Acme.test ")
        accounts.add_domain(conn, world.account, "acme.test")
        assert accounts.domains(conn, world.account) == {"acme.test"}
        accounts.remove_domain(conn, world.account, "acme.test")
        assert accounts.domains(conn, world.account) == frozenset()


def test_never_log_lists_are_the_accounts_and_the_users_own(world):
    ana, ben = world.user("ana@acme.test"), world.user("ben@acme.test")
    with world.database.begin() as conn:
        for _ in range(2):
            never_log.add(conn, world.account, None, ["bank.test"], world.now)
            never_log.add(conn, world.account, ana, ["mum@home.test"], world.now)
        assert never_log.listed(conn, world.account, ana).entries == {
            "bank.test",
            "mum@home.test",
        }
        assert never_log.listed(conn, world.account, ben).entries == {"bank.test"}
        (mine,) = (each for each in never_log.rows(conn, world.account, ana) if each.user_id)
        never_log.remove(conn, world.account, ben, mine.id)
        never_log.remove(conn, world.account, None, mine.id)
        assert len(never_log.rows(conn, world.account, ana)) == 2
        never_log.remove(conn, world.account, ana, mine.id)
        assert never_log.listed(conn, world.account, ana).entries == {"bank.test"}


def test_an_address_belongs_to_one_contact(world):
    zoe, joe = world.contact(ZOE), world.contact("joe@x.test")

    def add(contact, address):
        with world.database.begin() as conn:
            contacts.add_address(conn, world.account, contact, address, world.now)

    add(zoe, "Zoe@Home.test")
    add(zoe, "zoe@home.test")
    with pytest.raises(contacts.AddressOfAnother) as caught:
        add(zoe, "joe@x.test")
    assert caught.value.contact_id == joe
    with pytest.raises(contacts.AddressOfAnother):
        world.contact("new@x.test", "joe@x.test")
    with pytest.raises(contacts.NotAnAddress):
        add(zoe, "not an address")
    with pytest.raises(contacts.NoSuchContact):
        add(zoe + 99, "new@x.test")
    with world.database.begin() as conn:
        assert contacts.find(conn, world.account, "ZOE@home.test").addresses == (
            ZOE,
            "zoe@home.test",
        )
        assert contacts.find(conn, world.account, "new@x.test") is None
        contacts.remove_address(conn, world.account, zoe, "zoe@home.test")
        assert contacts.find(conn, world.account, "zoe@home.test") is None


def test_contacts_are_listed_by_name_and_found_by_a_part_of_name_or_address(world):
    for name, address in (("Zoe", ZOE), ("adam 100%", "a_b@x.test"), ("Bea", "bea@x.test")):
        world.contact(address, name=name)

    def names(search="", **page):
        with world.database.read() as conn:
            return [each.name for each in contacts.listing(conn, world.account, search, **page)]

    assert names() == ["adam 100%", "Bea", "Zoe"]
    assert names(offset=1, limit=1) == ["Bea"]
    assert names("GLOBEX") == ["Zoe"]
    assert names("be") == ["Bea", "Zoe"]
    assert names("0%") == ["adam 100%"]
    assert names("a_b") == ["adam 100%"]
    assert names("nobody") == []


def test_a_contact_has_a_name_a_company_deals_and_a_number_of_e_mails(world):
    ana = world.mailbox()
    zoe = world.contact(ZOE)
    world.settle(ana, world.sent(1), world.sent(2))
    with world.database.begin() as conn:
        company = companies.ensure(conn, world.account, "Globex", "globex.test")
        assert companies.ensure(conn, world.account, "Umbrella") == companies.ensure(
            conn, world.account, "Umbrella"
        )
        contacts.rename(conn, world.account, zoe, " Zoe Z ")
        contacts.set_company(conn, world.account, zoe, company)
        old = deals.add(conn, world.account, "Old", [zoe], world.now)
        deals.add(conn, world.account, "New", [zoe], world.now + timedelta(days=1))
        deals.set_open(conn, world.account, old, False)
        found = contacts.contact(conn, world.account, zoe)
        assert (found.name, found.company.domain) == ("Zoe Z", "globex.test")
        assert timeline.numbers(conn, world.everything, [zoe, zoe + 1]) == {zoe: 2}
        assert [(each.name, each.open) for each in deals.of_contact(conn, world.account, zoe)] == [
            ("New", True),
            ("Old", False),
        ]
        assert [each.company.name for each in companies.listing(conn, world.account)] == [
            "Globex",
            "Umbrella",
        ]
        with pytest.raises(LookupError):
            contacts.set_company(conn, world.account, zoe, company + 99)
        with pytest.raises(contacts.NoSuchContact):
            contacts.rename(conn, world.account, zoe + 99, "x")
        with pytest.raises(contacts.NoSuchContact):
            deals.add(conn, world.account, "x", [zoe + 99], world.now)


def test_a_timeline_is_read_in_pages_of_threads(world):
    ana = world.mailbox()
    zoe = world.contact(ZOE)
    world.settle(ana, *(world.sent(number) for number in range(1, 8)))
    root = world.root(ana, world.incoming(50, ZOE, 2))
    world.settle(ana, world.reply(50, root, answers=2))
    seen, after, sizes = [], "", []
    while True:
        with world.database.read() as conn:
            page = timeline.of_contact(conn, world.everything, zoe, after, 3)
        sizes.append(len(page.items))
        seen += [(thread.newest_at, len(thread.emails)) for thread in page.items]
        after = page.next
        if not after:
            break
    assert sizes == [3, 3, 1]
    minutes = [(when - world.now) / timedelta(minutes=1) for when, _ in seen]
    assert minutes == [50, 7, 6, 5, 4, 3, 1]
    assert [number for _, number in seen] == [2, 1, 1, 1, 1, 1, 1]


def test_an_e_mail_stands_on_the_timelines_of_its_own_contacts_alone(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1, [ZOE, "pia@x.test"]))
    world.settle(ana, world.reply(2, world.root(ana, world.incoming(2, ZOE, 1))))
    with world.database.read() as conn:
        pia = contacts.find(conn, world.account, "pia@x.test").id
        zoe = contacts.find(conn, world.account, ZOE).id
    assert [len(each.emails) for each in world.timeline(zoe)] == [2]
    assert [len(each.emails) for each in world.timeline(pia)] == [1]
    assert world.timeline(zoe)[0].subject == "Re: Offer"


@pytest.mark.parametrize("wrong", ["x", "~", "2026-03-02~1", "2026-03-02T09:00:00+00:00~x", "~1"])
def test_a_wrong_cursor_is_refused(world, wrong):
    with world.database.read() as conn, pytest.raises(paging.WrongCursor):
        timeline.of_contact(conn, world.everything, 1, wrong)


def test_the_journal_is_read_by_sender_rule_verdict_and_time(world):
    ana = world.mailbox()
    world.settle(
        ana,
        world.sent(1),
        world.refused(2, "unknown-sender", "eve@x.test"),
        world.refused(3, "unknown-thread"),
        Refused(Ref("j"), Place.JUNK, None, "junk"),
    )

    def found(**wanted):
        with world.database.read() as conn:
            page = journal.rows(conn, world.account, ana.id, journal.Filter(**wanted))
        return [row.provider_id for row in page.items]

    minute = timedelta(minutes=1)
    assert found() == ["p3", "p2", "p1", "j"]
    assert found(sender="EVE@") == ["p2"]
    assert found(sender="e_e") == []
    assert found(rule="junk") == ["j"]
    assert found(verdict="logged") == ["p1"]
    assert found(since=world.now + minute, until=world.now + 3 * minute) == ["p2", "p1"]
    with world.database.read() as conn:
        first = journal.rows(conn, world.account, ana.id, journal.Filter(), limit=3)
        rest = journal.rows(conn, world.account, ana.id, journal.Filter(), first.next, 3)
        one = journal.row(conn, world.account, first.items[0].id)
        counts = journal.counts(conn, world.account, [ana.id], world.now)
    assert [row.provider_id for row in rest.items] == ["j"]
    assert rest.next == ""
    assert one == first.items[0]
    assert [(each.day, each.verdict, each.rule, each.number) for each in counts] == [
        ("2026-03-02", "logged", "sent-bcc", 1),
        ("2026-03-02", "refused", "junk", 1),
        ("2026-03-02", "refused", "unknown-sender", 1),
        ("2026-03-02", "refused", "unknown-thread", 1),
    ]


def test_journals_of_several_mailboxes_are_read_together(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    world.settle(ana, world.refused(2, "unknown-sender", "eve@x.test"))
    world.settle(ben, world.refused(3, "unknown-thread", "eve.two@y.test"))
    world.settle(ben, world.refused(4, "unknown-thread", "zed@z.test"))

    with world.database.read() as conn:
        wanted = journal.Filter(sender="EVE@ @y.test")
        page = journal.rows_of(conn, world.account, [ana.id, ben.id], wanted)
        nobody = journal.rows_of(conn, world.account, [], journal.Filter())
        counted = journal.counts(conn, world.account, [ben.id], world.now, wanted)
    assert [(row.mailbox_id, row.provider_id) for row in page.items] == [
        (ben.id, "p3"),
        (ana.id, "p2"),
    ]
    assert nobody.items == ()
    assert [(each.mailbox_id, each.number) for each in counted] == [(ben.id, 1)]


def test_the_journal_is_kept_for_a_while(world):
    ana = world.mailbox()
    world.settle(ana, *(world.refused(number, "unknown-thread") for number in range(1, 6)))
    old = world.now
    world.now += timedelta(days=31)
    world.settle(ana, world.refused(6, "unknown-thread"))
    with world.database.begin() as conn:
        before = old + timedelta(days=1)
        assert journal.forget(conn, before, 3) == 3
        assert journal.forget(conn, before, 3) == 2
        assert journal.forget(conn, before, 3) == 0
        left = journal.rows(conn, world.account, ana.id, journal.Filter()).items
    assert [row.provider_id for row in left] == ["p6"]


def test_people_of_an_e_mail_are_kept_once_in_each_role(world):
    ana = world.mailbox()
    twice = (Address("Zoe@globex.test".lower(), "Zoe"), Address(ZOE, "Z."), Address("", "nobody"))
    sent = world.sent(1)
    message = replace(sent.message, headers=replace(sent.message.headers, to=twice, cc=twice[:1]))
    world.settle(ana, replace(sent, message=message))
    with world.database.read() as conn:
        zoe = contacts.find(conn, world.account, ZOE)
    (thread,) = world.timeline(zoe.id)
    assert [(each.role, each.address, each.name) for each in thread.emails[0].people] == [
        ("from", "ana@acme.test", "Ana"),
        ("to", ZOE, "Zoe"),
        ("cc", ZOE, "Zoe"),
    ]
