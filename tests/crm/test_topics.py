"""When an event is told again: the schedule, and its jitter."""

from datetime import timedelta

import pytest

from crm.topics import SCHEDULE, again_after, pause_after


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_tries_spread_over_days_and_then_the_event_is_dead(chance):
    waits = [again_after(attempt, chance) for attempt in range(1, len(SCHEDULE) + 1)]

    assert waits == sorted(waits)
    assert timedelta(days=2) < sum(waits, timedelta()) < timedelta(days=5)
    assert again_after(len(SCHEDULE) + 1, chance) is None


def test_the_jitter_is_a_fifth_to_either_side():
    assert [again_after(2, chance) for chance in (0, 0.5, 1)] == [
        timedelta(minutes=4), timedelta(minutes=5), timedelta(minutes=6),
    ]  # fmt: skip


def test_an_endpoint_is_let_be_longer_with_each_failure_up_to_ten_minutes():
    pauses = [pause_after(failures) for failures in range(1, 9)]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(seconds=5), timedelta(minutes=10))
