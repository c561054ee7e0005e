"""Which switches would decide a message otherwise: exactly those with which `decide` does."""

from dataclasses import fields, replace

import pytest
from hypothesis import given

from crm.model import Place, Switches
from crm.rules.decide import decide
from crm.rules.turns import lets_more_in, others, turned_by
from tests.crm.test_rules import AUTO, CONTEXT, EVE, MAIL, SENT, when
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


@pytest.mark.parametrize(
    ("headers", "context", "names"),
    [
        (MAIL, CONTEXT, ()),
        (replace(MAIL, subject="Lunch"), CONTEXT, ("subject_changes_allowed",)),
        (replace(MAIL, subject="Lunch"), when(subject_changes_allowed=True), ("subject_changes_allowed",)),
        (replace(MAIL, signs=AUTO), CONTEXT, ("skip_automatic",)),
        (replace(MAIL, signs=AUTO), when(skip_automatic=True), ("skip_automatic",)),
        (replace(MAIL, in_reply_to=()), CONTEXT, ("log_all_known",)),
        (replace(MAIL, in_reply_to=()), when(log_all_known=True), ("log_all_known",)),
        (SENT, CONTEXT, ("log_all_known",)),
        (SENT, when(log_all_known=True, log_own_replies=True), ("log_all_known",)),
        (replace(MAIL, sender=EVE), CONTEXT, ("log_unknown_sender",)),
        (replace(MAIL, place=Place.JUNK), CONTEXT, ()),
    ],
    ids=[
        "a contact's reply", "a changed subject", "one that may change", "an automatic reply",
        "one that is skipped", "a new e-mail", "one that is wanted", "a sent e-mail",
        "one that is wanted for its recipient", "a stranger's reply", "junk",
    ],
)  # fmt: skip
def test_the_switches_that_would_turn(headers, context, names):
    assert turned_by(headers, context, decide(headers, context)) == names


def test_the_others_are_all_but_those_that_are_named():
    assert set(others(("log_parent",))) == {*NAMES} - {"log_parent"}
