"""Which switches would decide a message otherwise: exactly those with which `decide` does."""

from dataclasses import fields, replace

from hypothesis import given

from crm.model import Switches
from crm.rules.decide import decide
from crm.rules.turns import lets_more_in, others, turned_by
from tests.crm.test_rules_properties import CONTEXTS, HEADERS

NAMES = [each.name for each in fields(Switches)]


def flipped(context, name):
    now = getattr(context.switches, name)
    return replace(context, switches=replace(context.switches, **{name: not now}))


@given(HEADERS, CONTEXTS)
def test_a_switch_is_named_exactly_when_turning_it_changes_what_is_logged(headers, context):
    verdict = decide(headers, context)

    assert list(turned_by(headers, context, verdict)) == [
        name
        for name in NAMES
        if decide(headers, flipped(context, name)).logged is not verdict.logged
    ]


@given(HEADERS, CONTEXTS)
def test_a_verdict_tells_how_a_switch_stood_that_would_turn_it(headers, context):
    verdict = decide(headers, context)

    for name in turned_by(headers, context, verdict):
        assert lets_more_in(name, context.switches) is not verdict.logged


def test_the_others_are_all_but_those_that_are_named():
    assert set(others(("log_parent",))) == {*NAMES} - {"log_parent"}
