"""Times in which a mailbox had no live watch: measured, counted, and told in its history."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from crm.database import Connection
from crm.history import What
from crm.model import WatchState
from crm.store import history, watching
from crm.store.mailboxes import Mailbox
from infra.metrics import counter, gauge
from providers.client import Operator
from workers.queue import Ask
from workers.runtime import Runtime

LAPSES = counter(
    "replylog_watch_lapses_total",
    "Times in which a mailbox had no live watch, by why it had none",
    ["provider", "why"],
)
LAPSE_SECONDS = counter(
    "replylog_watch_lapse_seconds_total", "How long they were, together", ["provider", "why"]
)
REFUSALS = counter(
    "replylog_watch_refusals_total",
    "Times a provider began to refuse watches for a cause that a person must mend",
    ["provider", "cause"],
)
EXPIRED = gauge(
    "replylog_watches_expired", "Watches of connected mailboxes that have run out (at most 1,000)"
)
OVERDUE = gauge(
    "replylog_watches_overdue",
    "Connected mailboxes whose watches and folders were due half an hour ago (at most 1,000)",
)
UNWATCHED = gauge(
    "replylog_mailboxes_unwatched",
    "Connected mailboxes without a watch that could not be had (at most 1,000)",
)
LONG_PAUSE = timedelta(minutes=10)  # a shorter one is everyday life, and costs no time
COUNTED_EVERY = timedelta(seconds=30)
LATE = timedelta(minutes=30)  # a refresh that fails is due again after five
MOST_COUNTED = 1000


class Why(StrEnum):
    EXPIRED = "expired"  # nobody renewed it in time
    REMOVED = "removed"  # the provider ended it before its time
    PAUSED = "paused"  # Graph waited to be authorised anew, and said so long ago
    SILENT = "silent"  # it was there, and announced nothing
    REFUSED = "refused"  # the provider would make none


@dataclass(frozen=True, slots=True)
class Lapse:
    why: Why
    since: datetime


def problem_of(failure: Exception | None) -> str:
    """What a person must mend so that there can be watches; '' for none."""
    return failure.cause if isinstance(failure, Operator) else ""


@dataclass
class Story:
    """What a renewal made of the watches of a mailbox."""

    mailbox: Mailbox
    before: Sequence[WatchState]
    after: Sequence[WatchState]
    now: datetime
    missing_since: datetime | None = field(default=None, init=False)  # see `tell`

    def ended(self, pushed: Mapping[str, datetime], asked: Mapping[Ask, datetime]) -> list[Lapse]:
        """The lapses that are over. One that was removed unnoticed was alive at its last push or
        renewal: its lapse is at most as long as is told."""
        there = {each.resource: each for each in self.after}
        paused_at = asked.get(Ask.REAUTHORIZE, self.now)
        lapses = []
        for old in self.before:
            new = there.get(old.resource)
            if new is None or old.made_at is None or old.made_at >= old.expires_at:
                continue  # not followed any more, or doubted because the mailbox was away
            if old.silent and old.silent_since:
                lapses.append(Lapse(Why.SILENT, old.silent_since))
            elif old.expires_at <= self.now:
                lapses.append(Lapse(Why.EXPIRED, old.expires_at))
            elif new.provider_id != old.provider_id:
                alive = max(old.made_at, pushed.get(old.resource, old.made_at))
                lapses.append(Lapse(Why.REMOVED, asked.get(Ask.REMOVED, alive)))
            elif self.now - paused_at >= LONG_PAUSE:
                lapses.append(Lapse(Why.PAUSED, paused_at))
        return lapses

    def tell(
        self,
        conn: Connection,
        ended: Sequence[Lapse],
        failure: Exception | None,
        wanted: Set[str],
    ) -> None:
        """Note what ended, each reason once with its longest time, and what began."""
        started = self.mailbox.unwatched_since
        if failure is None and started is not None:
            ended = [Lapse(Why.REFUSED, started)]  # the others are part of it
        for why in dict.fromkeys(each.why for each in ended):
            since = min(each.since for each in ended if each.why is why)
            self._note(conn, Lapse(why, since), sum(each.why is why for each in ended))
        problem = problem_of(failure)
        if problem and problem != self.mailbox.watch_problem:
            REFUSALS.labels(self.mailbox.provider, problem).inc()
            self._write(conn, What.WATCH_REFUSED, cause=problem)
        if failure is not None:
            self.missing_since = started or self._missing(wanted)

    def _note(self, conn: Connection, lapse: Lapse, watches: int) -> None:
        seconds = max(0.0, (self.now - lapse.since).total_seconds())
        LAPSES.labels(self.mailbox.provider, lapse.why).inc()
        LAPSE_SECONDS.labels(self.mailbox.provider, lapse.why).inc(seconds)
        facts = {"why": lapse.why.value, "seconds": int(seconds), "watches": watches}
        self._write(conn, What.WATCH_REMADE, **facts)

    def _write(self, conn: Connection, what: What, **facts: object) -> None:
        history.note(conn, self.mailbox.account_id, self.mailbox.id, what, self.now, **facts)

    def _missing(self, wanted: Collection[str]) -> datetime | None:
        """Since when a watch is missing; None where all are alive and only a renewal failed."""
        over = [each.expires_at for each in self.after if each.expires_at <= self.now]
        lacking = set(wanted) - {each.resource for each in self.after}
        return min([*over, *([self.now] if lacking or not self.after else [])], default=None)


class WatchGauges:
    """How many watches ran out or are overdue, counted by the timetable through indexes."""

    def __init__(self, running: Runtime) -> None:
        self._running = running
        self._counted_at: datetime | None = None

    def count_due(self, now: datetime) -> None:
        if self._counted_at is not None and now - self._counted_at < COUNTED_EVERY:
            return
        self._counted_at = now
        with self._running.database.read() as conn:
            EXPIRED.set(watching.expired(conn, now, MOST_COUNTED))
            OVERDUE.set(watching.overdue(conn, now - LATE, MOST_COUNTED))
            UNWATCHED.set(watching.unwatched(conn, MOST_COUNTED))
