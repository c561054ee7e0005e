"""Never Log lists in the store: what is on them, what they stop, what they stopped."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crm.model import Address, Visibility
from crm.store import again, never_log, never_log_effects, previews, visibility
from crm.store.visibility import Viewer
from tests.crm.store_world import ZOE

JOE = "joe@initech.test"


def add(world, user_id, *entries):
    with world.database.begin() as conn:
        return never_log.add(conn, world.account, user_id, entries, world.now)


def effect(world, user_id, *entries, viewer=None):
    with world.database.read() as conn:
        seen_by = viewer or Viewer(world.account, world.users["ana@acme.test"])
        return never_log_effects.effect(conn, seen_by, user_id, entries, world.now)


@pytest.fixture
def ana(world):
    """Ana's mailbox: a thread with Zoe, who answered, and one with Zoe and Joe, who answered."""
    ana = world.mailbox()
    world.settle(ana, world.sent(1, subject="Offer"))
    world.settle(ana, world.sent(2, [Address(ZOE, "Zoe"), Address(JOE, "Joe")], subject="Visit"))
    first = world.root(ana, world.reply(9, None, answers=1).message.headers)
    second = world.root(ana, world.reply(9, None, answers=2).message.headers)
    world.settle(ana, world.reply(3, first, ZOE, 1, subject="Re: Offer"))
    world.settle(ana, world.reply(4, second, JOE, 2, subject="Re: Visit"))
    return ana


def test_adding_says_what_is_new_and_what_was_there(world):
    ana = world.user("ana@acme.test")
    add(world, None, "bank.test")
    added = add(world, None, "*@bank.test", "mum@home.test")
    assert [each.entry for each in added.new] == ["mum@home.test"]
    assert [each.entry for each in added.known] == ["bank.test"]
    assert [each.entry for each in add(world, ana, "bank.test").new] == ["bank.test"]


def test_a_list_has_room_for_so_many(world, monkeypatch):
    monkeypatch.setattr(never_log, "MOST", 2)
    with pytest.raises(never_log.ListFull):
        add(world, None, "a.test", "b.test", "c.test")
    with world.database.read() as conn:
        assert never_log.rows(conn, world.account, None) == []
    add(world, None, "a.test", "b.test")
    assert len(add(world, None, "a.test").known) == 1


def test_a_thread_whose_contacts_are_all_listed_ends(world, ana):
    found = effect(world, None, ZOE)
    assert (found.emails, found.number, found.stay) == (2, 2, 4)
    visit, offer = found.threads
    assert (offer.subject, offer.senders) == ("Re: Offer", ())
    assert [name for _, name in offer.contacts] == [ZOE]
    assert (visit.subject, visit.senders) == ("Re: Visit", (ZOE,))


def test_a_domain_stops_all_its_people(world, ana):
    found = effect(world, None, "initech.test", "globex.test")
    assert (found.emails, found.number) == (4, 2)
    assert all(each.senders == () for each in found.threads)
    assert effect(world, None, "*.globex.test") == never_log_effects.Effect()


def test_an_entry_that_is_there_already_tells_what_it_stops(world, ana):
    before = effect(world, None, ZOE)
    add(world, None, ZOE)
    assert effect(world, None, ZOE) == before
    assert effect(world, None, "globex.test") == never_log_effects.Effect()
    assert effect(world, None, JOE).threads[0].senders == (), "now nobody is left in that thread"


def test_a_users_own_list_stops_the_threads_that_the_user_began(world, ana):
    ben = world.mailbox("ben@acme.test")
    world.settle(ben, world.sent(6, subject="From Ben", sender=Address("ben@acme.test")))
    assert effect(world, None, ZOE).number == 3
    assert effect(world, ana.user_id, ZOE).number == 2
    assert effect(world, ben.user_id, ZOE).number == 1
    add(world, ben.user_id, ZOE)
    assert effect(world, None, ZOE).number == 2, "Ben's thread has ended already"


def test_only_the_last_thirty_days_are_counted_but_all_threads(world, ana):
    world.now += timedelta(days=31)
    found = effect(world, None, ZOE)
    assert (found.emails, found.number, found.stay) == (0, 2, 4)


def test_what_is_too_much_to_count_is_said_to_be_more(world, ana, monkeypatch):
    assert not effect(world, None, "globex.test").capped
    for name in ("MOST_THREADS", "MOST_ROWS", "MOST_ADDRESSES"):
        with monkeypatch.context() as patch:
            patch.setattr(never_log_effects, name, 1)
            found = effect(world, None, "globex.test", "initech.test")
        assert found.capped, name
        assert found.number <= 2


def test_what_the_viewer_may_not_see_is_counted_and_not_shown(world, ana):
    viewer = Viewer(world.account, ana.user_id)
    shown = effect(world, None, ZOE, viewer=viewer).threads
    with world.database.begin() as conn:
        for each in shown:
            visibility.restrict(conn, viewer, each.email_id, Visibility.OWNER)
    ben = Viewer(world.account, world.user("ben@acme.test"))
    found = effect(world, None, ZOE, viewer=ben)
    assert (found.emails, found.number) == (2, 2)
    assert {each.subject for each in found.threads} & {"Re: Offer", "Re: Visit"} == set()


def test_what_the_lists_refused_is_counted_once_and_judged_again(world):
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    refused = world.refused(1, "never-log")
    world.settle(ana, refused, world.refused(2, "unknown-sender"))
    world.settle(ben, refused, world.refused(3, "never-log"))
    with world.database.begin() as conn:
        numbers = [
            previews.never_log(conn, world.account, each, world.now) for each in (None, ana.user_id)
        ]
        assert numbers == [2, 1]
        assert again.after_never_log(conn, world.account, ana.user_id, world.now) == {ana.id}
    assert world.due_in(ana) == [("p1", "setting")]
    assert world.due_in(ben) == []
    with world.database.begin() as conn:
        assert again.after_never_log(conn, world.account, None, world.now) == {ana.id, ben.id}


def test_a_switch_sends_round_again_what_it_would_let_in(world):
    ana = world.mailbox()
    stopped = replace(world.refused(1, "subject-changed"), turned_by=("subject_changes_allowed",))
    world.settle(ana, stopped, world.refused(2, "subject-changed"))
    with world.database.begin() as conn:
        assert again.after_switch(conn, world.account, "log_internal", world.now) == set()
        rung = again.after_switch(conn, world.account, "subject_changes_allowed", world.now)
    assert rung == {ana.id}
    assert world.due_in(ana) == [("p1", "setting")]
