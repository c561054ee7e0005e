"""A watch that is alive and says nothing: noticed by news that no push announced.

A run looks at what it found. A message that came since the last complete run began, in a place
that is watched, must have been announced since then, or a moment before. Where it was not, the push
may still be on its way: Graph takes up to three minutes, and ten more while it thinks that our
endpoint is slow; Gmail drops pushes that follow each other within a second. So the first such case
only makes the watch suspect. It is silent when news comes `LATE` after that case was found, or
later, and from the first case on not one push came; any push in between clears it.

Who rang is known from Redis, where each push leaves its time in the ring's own round trip. What
Redis does not know is unknown, never silent: a new mark is set there, and the suspicion is dropped.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from crm.model import WatchState
from crm.store import mailboxes, watching
from crm.store.mailboxes import Mailbox
from infra.metrics import counter
from providers.client import Item
from workers.queue import QueueDown
from workers.runtime import Runtime

UNANNOUNCED = counter(
    "replylog_watch_unannounced_total",
    "Runs that found news which a live watch had not announced",
    ["provider"],
)

BEFORE = timedelta(minutes=1)  # a push can outrun its listing by a few seconds
LATE = timedelta(minutes=15)  # no push takes longer
YOUNG = timedelta(hours=1)  # a watch that was made or renewed later is given its time


def announced(items: Iterable[Item], settled_at: datetime | None) -> set[str]:
    """The watches that must have announced one of `items`."""
    if settled_at is None:
        return set()
    return {
        item.watch
        for item in items
        if item.watch and (item.received_at is None or item.received_at >= settled_at)
    }


def listen(runtime: Runtime, mailbox: Mailbox, news: set[str]) -> None:
    """Judge the watches that must have announced the `news` of a complete run."""
    if not news or mailbox.settled_at is None:
        return
    with suppress(QueueDown):
        pushed = runtime.queue.pushed(mailbox.id, sorted(news))
        quiet = {each for each in news if not _came(pushed.get(each), mailbox.settled_at)}
        if quiet and _doubt(runtime, mailbox, quiet, pushed):
            runtime.queue.wake(mailbox.id)


def _came(pushed: datetime | None, settled_at: datetime) -> bool:
    return pushed is not None and pushed >= settled_at - BEFORE


def _doubt(
    runtime: Runtime, mailbox: Mailbox, quiet: set[str], pushed: dict[str, datetime]
) -> bool:
    """Suspect the watches of `quiet`; whether one is to be made anew, which is due at once then."""
    now = runtime.clock()
    with runtime.database.read() as conn:
        states = mailboxes.watches(conn, mailbox.account_id, mailbox.id)
    live = [each for each in states if each.resource in quiet and each.expires_at > now]
    unknown = [each.resource for each in live if each.resource not in pushed]
    if unknown:
        runtime.queue.expect(mailbox.id, (), unknown)
    sure = False
    with runtime.database.begin() as conn:
        for state in live:
            since = _silent_since(state, pushed.get(state.resource), mailbox.settled_at, now)
            is_sure = since is not None and since == state.silent_since and _sure(state, mailbox)
            watching.suspect(conn, mailbox, state.resource, since, is_sure)
            sure |= is_sure
        if sure:
            mailboxes.set_renew_at(conn, mailbox, now)
    if any(each.resource in pushed for each in live):
        UNANNOUNCED.labels(mailbox.provider).inc()
    return sure


def _silent_since(
    state: WatchState, pushed: datetime | None, settled_at: datetime | None, now: datetime
) -> datetime | None:
    """When the first news was found that should have been announced; None where that is unknown."""
    if pushed is None or settled_at is None or state.made_at is None or state.made_at > settled_at:
        return None
    if state.silent_since is not None and pushed < state.silent_since:
        return state.silent_since
    return now


def _sure(state: WatchState, mailbox: Mailbox) -> bool:
    settled_at, made_at, since = mailbox.settled_at, state.made_at, state.silent_since
    if settled_at is None or made_at is None or since is None:
        return False
    return settled_at >= since + LATE and settled_at >= made_at + YOUNG
