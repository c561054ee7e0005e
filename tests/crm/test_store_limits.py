"""What a mailbox's row remembers of deaths, limits and a listing that is owed, on both databases."""

from datetime import timedelta

import pytest

from crm.history import What
from crm.model import Ref
from crm.store import deaths, history, limits, mailboxes, owed, runs
from crm.store.outcomes import Later
from crm.store.owed import Owed
from tests.crm.store_world import TTL

HOUR = timedelta(hours=1)
LATER = 2 * TTL


@pytest.fixture
def ana(world):
    return world.mailbox()


def stored(world, mailbox):
    with world.database.read() as conn:
        return mailboxes.mailbox(conn, world.account, mailbox.id)


def told(world, mailbox):
    with world.database.read() as conn:
        found = history.listing(conn, world.account, mailbox.id, 50).items
    ours = {What.LIMITED, What.LIMIT_OVER, What.SETUP_FAULT, What.SETUP_MENDED,
            What.CURSOR_EXPIRED, What.CURSOR_REPAIRED}  # fmt: skip
    return [each.what for each in reversed(found) if each.what in ours]


def take(world, mailbox, token, now=None):
    with world.database.begin() as conn:
        return mailboxes.take_lease(conn, mailbox.id, token, now or world.now, TTL)


def hold(world, mailbox, token, what):
    with world.database.begin() as conn:
        deaths.take_in_hand(conn, mailbox, token, what)


def test_a_run_that_did_not_give_its_lease_back_is_a_death_and_what_it_held_a_suspect(world, ana):
    now = world.now
    assert take(world, ana, "1").deaths == 0
    second = take(world, ana, "2", now + LATER)
    assert (second.deaths, second.suspect, second.suspect_deaths) == (1, "", 0)
    hold(world, ana, "2", "message p1")
    third = take(world, ana, "3", now + 2 * LATER)
    assert (third.deaths, third.suspect, third.suspect_deaths) == (2, "message p1", 1)
    hold(world, ana, "3", "message p1")
    fourth = take(world, ana, "4", now + 3 * LATER)
    assert (fourth.suspect, fourth.suspect_deaths) == ("message p1", 2)
    hold(world, ana, "4", "message p2")
    fifth = take(world, ana, "5", now + 4 * LATER)
    assert (fifth.suspect, fifth.suspect_deaths) == ("message p2", 1), "another one: from the start"
    hold(world, ana, "5", "message p2")
    with world.database.begin() as conn:
        deaths.put_down(conn, ana, "5", "message p2")
    sixth = take(world, ana, "6", now + 5 * LATER)
    assert (sixth.deaths, sixth.suspect, sixth.suspect_deaths) == (5, "", 0)
    with world.database.begin() as conn:
        deaths.calm(conn, ana, "6")
        mailboxes.release(conn, ana, "6", now, now)
    assert take(world, ana, "7", now + 6 * LATER).deaths == 0


def test_nobody_notes_what_is_in_hand_without_the_lease(world, ana):
    take(world, ana, "1")
    with pytest.raises(mailboxes.LeaseLost):
        hold(world, ana, "2", "message p1")


def test_a_page_that_looks_is_no_run(world, ana):
    with world.database.begin() as conn:
        token = runs.borrow(conn, ana, world.now, TTL)
        assert token
        assert not runs.is_due(conn, ana.id, world.now)
    assert take(world, ana, "1") is None
    assert take(world, ana, "1", world.now + LATER).deaths == 0
    with world.database.begin() as conn:
        assert not runs.give_back(conn, ana, token, world.now), "it is a run's by now"
        assert not runs.borrow(conn, ana, world.now + LATER, TTL)


def test_limits_are_told_once_and_when_they_are_over(world, ana):
    now = world.now
    for n in range(3):
        with world.database.begin() as conn:
            limits.block(conn, ana, now + HOUR, "limit:user", now + n * HOUR)
    row = stored(world, ana)
    assert (row.blocked_since, row.failed_runs, limits.holds(row, now)) == (now, 3, True)
    with world.database.begin() as conn:
        limits.block(conn, ana, now + HOUR, "setup:project-quota", now + 3 * HOUR)
        limits.ended_well(conn, world.account, ana.id, now + 4 * HOUR)
    assert told(world, ana) == [
        What.LIMITED,
        What.LIMIT_OVER,
        What.SETUP_FAULT,
        What.SETUP_MENDED,
    ]
    row = stored(world, ana)
    assert (row.blocked_until, row.blocked_by, row.blocked_since, row.failed_runs) == (
        None, "", None, 0,
    )  # fmt: skip


def test_a_limit_of_the_project_reaches_other_accounts_but_no_other_provider(
    world, ana, monkeypatch
):
    monkeypatch.setattr(limits, "_AT_ONCE", 2)
    others = [world.mailbox(f"box{n}@acme.test") for n in range(4)]
    stranger = world.other_account()
    theirs = stranger.mailbox("zed@other.test")
    with world.database.begin() as conn:
        limits.block(conn, others[0], world.now + 2 * HOUR, "limit:user", world.now)
    after, rounds = 0, 0
    while after is not None:
        with world.database.begin() as conn:
            until, by = world.now + HOUR, "limit:project"
            after = limits.block_all(conn, "gmail", until, by, world.now, after)
        rounds += 1
    assert rounds == 3
    for each in (ana, *others[1:]):
        assert stored(world, each).blocked_until == world.now + HOUR
        assert told(world, each) == [What.LIMITED]
    assert stored(stranger, theirs).blocked_by == "limit:project"
    assert stored(world, others[0]).blocked_until == world.now + 2 * HOUR, "longer already"
    with world.database.begin() as conn:
        assert limits.block_all(conn, "graph", until, by, world.now) is None


def test_a_listing_is_owed_until_it_is_paid(world, ana):
    now = world.now
    world.settle(ana, world.refused(1, "unknown-thread"))
    assert take(world, ana, "1", now + LATER)
    with world.database.begin() as conn:
        first = owed.begin(conn, ana, "1", "c1", Owed(now - HOUR, now, ("A",)))
    row = stored(world, ana)
    assert (row.cursor, owed.of(row), row.repairs) == ("c1", first, 1)
    with world.database.begin() as conn:
        again = owed.begin(conn, row, "1", "c2", Owed(now, now + HOUR, ("B",)))
    assert again == Owed(now - HOUR, now + HOUR, ("A", "B"))
    world.now += 2 * HOUR
    with world.database.begin() as conn:
        runs.release(conn, ana, "1", now, now)
    world.settle(ana, world.refused(2, "unknown-thread"), Later(Ref("p3"), "error", "X", None))
    with world.database.begin() as conn:
        refs = [Ref("p1"), Ref("p2"), Ref("p3"), Ref("p4")]
        assert owed.judged(conn, ana, refs, again.began) == {"p2", "p3"}
        assert owed.logged(conn, ana, refs, again.began) == 0
    assert take(world, ana, "2", world.now + LATER)
    with world.database.begin() as conn:
        owed.paid(conn, ana, "2", world.now, 4, 0)
        owed.went_well(conn, ana, "2")
    row = stored(world, ana)
    assert (owed.of(row), row.repairs, row.cursor) == (None, 0, "c2")
    assert told(world, ana) == [What.CURSOR_EXPIRED, What.CURSOR_REPAIRED]


def test_a_folder_and_all_of_the_mailbox_are_all_of_it(world, ana):
    take(world, ana, "1")
    with world.database.begin() as conn:
        owed.begin(conn, ana, "1", "c1", Owed(world.now, world.now, ("A",)))
    with world.database.begin() as conn:
        both = owed.begin(conn, stored(world, ana), "1", "c2", Owed(world.now, world.now, ()))
    assert both.places == ()
