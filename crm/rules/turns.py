"""Which switches would have decided otherwise: what the settings' previews are made of."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeAlias

from crm.model import Context, Headers, Switches, Verdict
from crm.rules.decide import decide
from crm.rules.registry import BY_ID

Judge: TypeAlias = Callable[[Headers, Context], Verdict]

SWITCHES = tuple(each.name for each in fields(Switches))
NARROWING = frozenset({"skip_automatic"})  # on, it refuses more; every other one lets more in


def turned_by(
    headers: Headers, context: Context, verdict: Verdict, judge: Judge = decide
) -> tuple[str, ...]:
    """The switches of which each, turned over by itself, gives another `logged` than `verdict`.

    Few are tried. A refusal stands unless the rule that refused reads the switch, and only
    letting more in can lift it; what is logged can only be refused by letting less in.
    """
    read = SWITCHES if verdict.logged else BY_ID[verdict.rule].switches
    return tuple(
        name
        for name in read
        if lets_more_in(name, context.switches) is not verdict.logged
        and judge(headers, _turned(context, name)).logged is not verdict.logged
    )


def lets_more_in(name: str, switches: Switches) -> bool:
    """Whether turning it over makes the rules let more in."""
    return bool(getattr(switches, name)) is (name in NARROWING)


def others(names: tuple[str, ...]) -> tuple[str, ...]:
    """All switches but these: those with which a copy that was refused would not be let in."""
    return tuple(name for name in SWITCHES if name not in names)


def _turned(context: Context, name: str) -> Context:
    now = bool(getattr(context.switches, name))
    return replace(context, switches=replace(context.switches, **{name: not now}))
