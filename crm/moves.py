"""When to believe that a mailbox's domain has moved to another provider. Pure.

One odd answer of DNS means nothing. A domain has several name servers, and while a change spreads,
or while somebody tries one out, they disagree; what a resolver answers may come out of its cache.
An MX record lives an hour as a rule, so answers two hours apart are mostly fresh ones: four equal
ones span six hours, which is longer than a slip lasts and short enough to be told the same day.
Nothing is lost meanwhile: the old mailbox is read on, and what came to the new one is offered when
it is connected.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.history import What

PROVIDERS = frozenset({"gmail", "graph"})  # a move is one between these
SILENT = "unknown"  # DNS did not answer
DAILY = timedelta(days=1)
IN_DOUBT = timedelta(hours=2)
TOLD_AFTER = 2  # equal answers: the history then speaks of a doubt
ENOUGH = 4
ENOUGH_BACK = 2  # a prompt that was wrong should go soon, and cost little if it comes again
SPAN = timedelta(hours=4.5)  # that ENOUGH answers lie apart, shortened waits allowed for


@dataclass(frozen=True, slots=True)
class Doubt:
    """Equal answers in a row that name another provider than the one that is believed."""

    host: str
    answers: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What is believed after an answer: `moved_to` ("": it is where it was), what is `told`, and
    how long to wait `before_next`."""

    moved_to: str
    doubt: Doubt | None
    told: What | None
    before_next: timedelta


def after(provider: str, moved_to: str, doubt: Doubt | None, host: str, now: datetime) -> Step:
    """What to make of DNS naming `host` for a mailbox of `provider`, believed to be at `moved_to`.

    Silence leaves a doubt as it is. A host that is no provider (a mail filter in front, a domain
    that is not there) is no move, and breaks the row of equal answers.
    """
    if host == SILENT:
        return Step(moved_to, doubt, None, IN_DOUBT)
    if host == (moved_to or provider) or host not in PROVIDERS:
        return Step(moved_to, None, None, DAILY)
    same = doubt is not None and doubt.host == host
    doubt = Doubt(host, doubt.answers + 1 if doubt and same else 1,
                  doubt.since if doubt and same else now)  # fmt: skip
    if host == provider and doubt.answers >= ENOUGH_BACK:
        return Step("", None, What.MOVED_BACK, DAILY)
    if host != provider and doubt.answers >= ENOUGH and now - doubt.since >= SPAN:
        return Step(host, None, What.MOVED, DAILY)
    told = What.MOVE_SUSPECTED if host != provider and doubt.answers == TOLD_AFTER else None
    return Step(moved_to, doubt, told, IN_DOUBT)
