"""Gaps in the database: choices are made once, and only about gaps that are open."""

from datetime import timedelta

import pytest

from crm.model import GapState, Period
from crm.store import gaps, mailboxes

DAY = timedelta(days=1)


@pytest.fixture
def gap(world):
    """Of one day, counted: three messages."""
    world.box = world.mailbox("ana@acme.test")
    with world.database.begin() as conn:
        gaps.begin(conn, world.account, world.box.id, world.now, world.now + DAY)
        gaps.begin(conn, world.account, world.box.id, world.now, world.now + DAY)
        [row] = gaps.work(conn, world.account, world.box.id)
        gaps.counted(conn, world.account, row.id, 3, done=True)
        gaps.counted(conn, world.account, row.id, 9, done=True)
    return row.id


def state(world):
    with world.database.read() as conn:
        found = gaps.latest(conn, world.account, world.box.id)
    return found.state, found.arrived


def test_a_gap_is_counted_once(world, gap):
    assert state(world) == (GapState.OPEN, 3)


def test_a_choice_is_made_once(world, gap):
    with world.database.begin() as conn:
        gaps.leave(conn, world.account, gap, world.now)
        assert gaps.read(conn, world.account, gap, world.now) == set()
    assert state(world) == (GapState.LEFT, 3)


def test_reading_joins_the_periods_around_the_gap_and_no_others(world, gap):
    hour = timedelta(hours=1)
    with world.database.begin() as conn:
        box = world.box.id
        mailboxes.disconnect(conn, world.account, box, world.now)
    with world.database.begin() as conn:
        assert mailboxes.periods(conn, world.account, box) == (Period(world.now, world.now),)
    for at in (world.now + DAY, world.now + 3 * DAY):
        world.now = at
        again = world.mailbox("ana@acme.test")
        with world.database.begin() as conn:
            mailboxes.need_reconnect(conn, world.account, again.id, "revoked", at + hour)
    with world.database.begin() as conn:
        gaps.read(conn, world.account, gap, world.now)
    with world.database.read() as conn:
        first, second = mailboxes.periods(conn, world.account, box)
    assert (first.until, second.since) == (world.now - 2 * DAY + hour, world.now)


def test_progress_counts_until_the_end(world, gap):
    with world.database.begin() as conn:
        gaps.read(conn, world.account, gap, world.now + DAY)
        gaps.read_up_to(conn, world.account, gap, world.now + DAY / 2, 2, world.now + DAY)
        [row] = gaps.undecided(conn, world.account, [world.box.id])
        assert (row.state, row.found, row.read_to) == (GapState.READING, 2, world.now + DAY / 2)
        gaps.read_up_to(conn, world.account, gap, world.now + DAY, 1, world.now + DAY)
        assert gaps.undecided(conn, world.account, [world.box.id]) == []
    assert state(world)[0] is GapState.READ
