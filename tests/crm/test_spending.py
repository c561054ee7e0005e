"""How much is left of a limit: never more than is allowed, wherever the provider's minute begins."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from crm.spending import NOTHING, SLOTS, Allowance, Spent

ALLOWED = Allowance(1000, 60)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("seed", range(5))
def test_no_minute_holds_more_than_is_allowed_and_a_busy_mailbox_gets_most_of_it(seed: int) -> None:
    random, now, spent = Random(seed), 0.0, NOTHING
    calls: list[tuple[float, int]] = []
    while now < 1800:
        units = random.choice([1, 2, 20, 20, 200])
        wait = spent.wait(units, ALLOWED, at(now))
        if wait:
            now += wait  # as a run does that comes back when there is room
            assert not spent.wait(units, ALLOWED, at(now))
            continue
        spent = Spent.read(spent.plus(units, ALLOWED, at(now)).text())
        calls.append((now, units))
        now += random.choice([0.0, 0.02, 0.3])
    for begins, _ in calls:
        assert sum(units for when, units in calls if begins <= when < begins + 60) <= 1000
    assert sum(units for _, units in calls) > 1000 * 30 * 0.7
    assert len(spent.slots) <= SLOTS + 1


def test_room_comes_back_when_all_of_a_slot_is_a_minute_ago() -> None:
    spent = NOTHING.plus(990, ALLOWED, at(3))
    assert spent.wait(10, ALLOWED, at(4)) == 0
    assert spent.wait(11, ALLOWED, at(4)) == 66
    assert spent.wait(11, ALLOWED, at(70)) == 0


def test_what_began_a_slot_counts_for_all_of_it() -> None:
    assert NOTHING.plus(1000, ALLOWED, at(9.9)).wait(1, ALLOWED, at(69)) == 1


def test_only_as_much_is_waited_for_as_is_needed() -> None:
    spent = NOTHING.plus(300, ALLOWED, at(0)).plus(700, ALLOWED, at(30))
    assert spent.wait(300, ALLOWED, at(31)) == 39
    assert spent.wait(301, ALLOWED, at(31)) == 69


def test_what_is_never_allowed_at_once_is_let_through_by_itself() -> None:
    assert NOTHING.wait(5000, ALLOWED, at(0)) == 0
    assert NOTHING.plus(1, ALLOWED, at(0)).wait(5000, ALLOWED, at(0)) == 70


@pytest.mark.parametrize("hours", [-3, 3])
def test_what_a_clock_stored_that_was_wrong_counts_for_nothing(hours: int) -> None:
    spent = NOTHING.plus(1000, ALLOWED, at(3600 * hours))
    assert spent.wait(20, ALLOWED, at(0)) == 0
    assert spent.plus(20, ALLOWED, at(0)).units == 20


@pytest.mark.parametrize("text", ["", "[]", "7", "{", '[["x", 1]]', "[1]", '{"used": 5}'])
def test_what_is_no_count_of_ours_is_nothing(text: str) -> None:
    assert Spent.read(text) == NOTHING


def test_a_clock_that_is_a_little_ahead_counts() -> None:
    assert NOTHING.plus(1000, ALLOWED, at(20)).wait(20, ALLOWED, at(0)) == 90


def test_another_providers_count_is_none_of_this_ones() -> None:
    graph = Allowance(9000, 600)
    assert NOTHING.plus(1000, ALLOWED, at(0)).lately(graph, at(0)) == NOTHING
    assert NOTHING.plus(9000, graph, at(0)).lately(ALLOWED, at(0)) == NOTHING
