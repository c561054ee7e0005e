"""When a move to another provider is believed, suspected, or nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from crm.history import What
from crm.moves import DAILY, IN_DOUBT, Doubt, Step, after

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def play(*hosts: str, provider: str = "gmail", wait: timedelta = IN_DOUBT) -> list[Step]:
    """What is made of these answers, one after another."""
    steps: list[Step] = []
    moved_to, doubt, now = "", None, NOON
    for host in hosts:
        steps.append(after(provider, moved_to, doubt, host, now))
        moved_to, doubt, now = steps[-1].moved_to, steps[-1].doubt, now + wait
    return steps


def test_the_own_provider_is_looked_up_once_a_day():
    assert play("gmail") == [Step("", None, None, DAILY)]


@pytest.mark.parametrize(
    "odd", ["unknown", "no-domain", "no-mail", "other", "outlook.com", "graph"]
)
def test_one_odd_answer_is_no_move_and_nothing_to_tell(odd):
    steps = play("gmail", odd, "gmail", "gmail")
    assert [(step.moved_to, step.told) for step in steps] == [("", None)] * 4
    assert steps[-1].doubt is None


@pytest.mark.parametrize("host", ["unknown", "no-domain", "no-mail", "other", "outlook.com"])
def test_what_names_no_other_provider_is_no_move_however_often_it_comes(host):
    assert {(step.moved_to, step.told) for step in play(*[host] * 50)} == {("", None)}


def test_a_move_is_believed_after_four_equal_answers_over_hours():
    steps = play("graph", "graph", "graph", "graph")
    assert [step.moved_to for step in steps] == ["", "", "", "graph"]
    assert [step.told for step in steps] == [None, What.MOVE_SUSPECTED, None, What.MOVED]
    assert [step.before_next for step in steps] == [IN_DOUBT] * 3 + [DAILY]


def test_four_equal_answers_within_minutes_are_not_enough():
    steps = play(*["graph"] * 20, wait=timedelta(minutes=10))
    assert {step.moved_to for step in steps} == {""}


def test_the_answers_must_come_in_a_row_but_silence_does_not_count():
    with_filter = play("graph", "graph", "graph", "other", "graph", "graph")
    assert with_filter[-1].moved_to == ""
    with_silence = play("graph", "unknown", "graph", "unknown", "unknown", "graph", "graph")
    assert [step.moved_to for step in with_silence][-2:] == ["", "graph"]


def test_going_back_clears_it_and_is_told():
    steps = play(*["graph"] * 4, "gmail", "gmail", "gmail")
    assert [step.moved_to for step in steps[3:]] == ["graph", "graph", "", ""]
    assert [step.told for step in steps[4:]] == [None, What.MOVED_BACK, None]


def test_a_filter_put_in_front_of_the_new_provider_does_not_clear_it():
    steps = play(*["graph"] * 4, "other", "unknown", "no-domain", "gmail", "other", "gmail")
    assert {step.moved_to for step in steps[4:]} == {"graph"}


def test_it_is_told_once_and_stays_believed():
    steps = play(*["gmail"] * 30, provider="graph")
    assert [step.told for step in steps].count(What.MOVED) == 1
    assert steps[-1] == Step("gmail", None, None, DAILY)


def test_a_doubt_counts_what_is_equal():
    doubt = Doubt("graph", 3, NOON - timedelta(hours=1))
    assert after("gmail", "", doubt, "graph", NOON).doubt == Doubt("graph", 4, doubt.since)
