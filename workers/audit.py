"""The safety net below pushes and listings: the last days of a mailbox compared with its journal.

In the mailbox's lease, at the end of an ordinary run, a slice at a time: between two pages or
batches it ends where somebody rings, and goes on after the run that this brings. Each time it gives
way it takes twice as many steps before the next, so that a busy mailbox is compared as well. What
the journal does not know is judged like any other message, headers first; the cursor is left alone.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from crm.audit_words import Why
from crm.columns import key
from crm.database import Connection, OperationalError
from crm.history import What
from crm.model import Place, VerdictKind
from crm.store import accounts, audits, mailboxes, nights
from crm.store.audits import AuditRow, Found, Tally
from crm.store.mailboxes import Mailbox
from crm.store.settle import LeaseLost
from infra.metrics import counter, gauge
from providers.client import Item, Limited, MailClient, Operator, ProviderError, Reconnect
from workers.runtime import Runtime, Stopped
from workers.settling import Settling
from workers.times import jitter

log = structlog.get_logger(__name__)

REPAIRED = counter(
    "replylog_repaired_messages_total",
    "Messages that an audit found missing from the journal and had judged, by why they were missing",
    ["provider", "reason"],
)
AUDITS = counter("replylog_audits_total", "Audits that ended, by how", ["provider", "outcome"])
MISSED_PUSHES = counter(
    "replylog_missed_pushes_total",
    "Messages that nobody announced: found when a quiet mailbox was asked anyway",
    ["provider"],
)

LAST_AGE = gauge(
    "replylog_last_audit_age_seconds", "How long ago an audit of any mailbox was ended last"
)
OVERDUE = gauge(
    "replylog_audits_overdue_seconds", "How long the audit is overdue that has been due longest"
)

IN_FLIGHT = timedelta(minutes=10)  # younger mail may be on its way through push and listing
TOLD = timedelta(seconds=1)  # Graph tells times in whole ones
WINDOW = timedelta(days=1)  # of mail is listed at once; a run that dies repeats it
STEPS = 10  # pages and batches a slice
SOON = timedelta(seconds=1)
BUSY = timedelta(seconds=30)
AFTER_FAILURE = timedelta(minutes=5)
MOST_FAILURES = 6
MOST_PATIENCE = 10  # doublings
NARROWEST = 5  # halvings of a window that it did not get to the end of
MOST_DUE = 50  # mailboxes a tick; the rest is due a second later
TOLD_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=90)
PUSH_TAKES = timedelta(minutes=2)
OPEN_PLACES = frozenset({Place.FOLLOWED, Place.SENT})
BY_RIGHT = frozenset({"draft", "junk", "trash", "folder", "disconnected"})  # in no journal
ENDS_THE_RUN = (LeaseLost, OperationalError, Reconnect, Operator, Stopped)

_SLOTS = threading.BoundedSemaphore(2)  # of a process's threads; the others are for pushes


def audit(
    runtime: Runtime,
    settling: Settling,
    client: MailClient,
    settled_at: datetime | None,
    go_on: Callable[[], None],
) -> datetime | None:
    """A slice of the mailbox's audit where it is due; when to come back for the next one. All that
    was received before `settled_at` is settled; None where that is not known, and this not the time."""
    mailbox, now = settling.run.mailbox, runtime.clock()
    if mailbox.audit_due_at is None or mailbox.audit_due_at > now:
        return None
    if settled_at is None or not _SLOTS.acquire(blocking=False):
        with runtime.database.begin() as conn:
            audits.later(conn, settling.run, now + jitter(BUSY))
        return None
    slice_ = _Slice(runtime, settling, client, settled_at, go_on)
    try:
        return slice_.work()
    finally:
        _SLOTS.release()


@dataclass
class _Slice:
    runtime: Runtime
    settling: Settling
    client: MailClient
    settled_at: datetime
    go_on: Callable[[], None]
    steps: int = 0

    def __post_init__(self) -> None:
        self.run = self.settling.run
        self.mailbox = self.run.mailbox

    def work(self) -> datetime | None:
        current = self._opened()
        if current is None:
            return None
        try:
            return self._compare(current)
        except ENDS_THE_RUN:
            raise
        except Exception as error:
            if isinstance(error, Limited) or getattr(error, "after", None) is not None:
                raise  # a limit holds for the whole mailbox
            known = isinstance(error, ProviderError)  # else it is a bug, and its trace is wanted
            name = type(error).__name__
            log.warning("audit failed", mailbox=self.mailbox.id, error=name, exc_info=not known)
            return self._failed(current.id)

    def _opened(self) -> AuditRow | None:
        """The audit that is under way, or the night's."""
        mailbox, now = self.mailbox, self.runtime.clock()
        with self.runtime.database.begin() as conn:
            current = audits.open_one(conn, mailbox.account_id, mailbox.id)
            if current is None:
                days, why = audits.DAYS, audits.NIGHTLY
                audits.open_new(conn, mailbox.account_id, mailbox.id, days, why, now)
                current = audits.open_one(conn, mailbox.account_id, mailbox.id)
            if current is not None and current.until is None:
                until = max((self.settled_at - IN_FLIGHT).replace(microsecond=0), current.since)
                audits.set_until(conn, mailbox.account_id, current.id, until)
                current = audits.one(conn, mailbox.account_id, current.id)
        return current

    def _compare(self, current: AuditRow) -> datetime | None:
        until = current.until or current.since
        self._learn(current)
        while current.reached < until:
            span = WINDOW / 2 ** min(current.tries, NARROWEST)
            edge = min((current.reached + span).replace(microsecond=0), until)
            looked = 0
            for items in self.client.between(current.reached, edge):
                looked += sum(map(_counts, items))
                for batch in self._unknown(items):
                    self._judge(batch, current.id)
                    if self._gives_way(current):
                        return self._later(current, self.runtime.clock())
                if self._gives_way(current):
                    return self._later(current, self.runtime.clock())
            now = self.runtime.clock()
            with self.runtime.database.begin() as conn:
                further = audits.reach(conn, self.run, current, edge, looked, now)
            if further is None or (self.steps >= STEPS and edge < until):
                return self._later(None, now + SOON)
            current = further
        self._ended(current.id)
        return None

    def _unknown(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Those that the journal does not know, in batches; drafts left out."""
        lying = {item.ref.id: _lies_open(item.place) for item in items if _counts(item)}
        with self.runtime.database.read() as conn:
            known = audits.known(conn, self.mailbox, lying)
            missing = [item for item in items if item.ref.id in lying.keys() - known.ids]
            told = {self._digest(item): item for item in missing if item.headers}
            otherwise = audits.known_otherwise(conn, self.mailbox, told)
        self.stale = known.stale
        missing = [item for item in missing if self._name(item) not in otherwise]
        while missing:
            size = self.settling.size
            yield missing[:size]
            missing = missing[size:]

    def _digest(self, item: Item) -> str:
        assert item.headers is not None
        return self.digests.of(item.headers.message_id)

    def _name(self, item: Item) -> tuple[str, str] | None:
        return (self._digest(item), key(item.headers.sender.address)) if item.headers else None

    def _judge(self, batch: Sequence[Item], audit_id: int) -> None:
        """Settle what is missing, and count it by what came out in the same transactions: a process
        that dies in between has done both or neither."""
        folders = {item.ref.id: item.headers.folder for item in batch if item.headers}
        self.settling.also = partial(self._count, audit_id, folders)
        try:
            self.settling.settle(batch, None)
        finally:
            self.settling.also = None

    def _count(
        self, audit_id: int, folders: Mapping[str, str], conn: Connection, ids: Sequence[str]
    ) -> Callable[[], None]:
        found = audits.found(conn, self.mailbox, ids)
        missed = [each for each in found if each.rule not in BY_RIGHT and not each.copied]
        reasons = [self._why(each, folders.get(each.provider_id, "")) for each in missed]
        logged = [each for each in missed if _was_logged(each)]
        tally = Tally(reasons, len(logged), len(found) - len(missed))
        audits.repaired(conn, self.mailbox.account_id, audit_id, tally)
        return partial(self._tell, reasons)

    def _tell(self, reasons: Sequence[str]) -> None:
        for reason in reasons:
            REPAIRED.labels(self.mailbox.provider, reason).inc()
        if reasons:
            log.warning("messages were missing", mailbox=self.mailbox.id, number=len(reasons))

    def _learn(self, current: AuditRow) -> None:
        """What happened to the mailbox in the days that are compared."""
        mailbox = self.mailbox
        with self.runtime.database.read() as conn:
            self.digests = accounts.digests(conn, mailbox.account_id, self.run.secrets)
            lapses = audits.happened(conn, mailbox, What.WATCH_REMADE, current.since)
            repairs = audits.happened(conn, mailbox, What.CURSOR_EXPIRED, current.since)
            new = audits.happened(conn, mailbox, What.FOLDER_FOLLOWED, current.since)
            folders = mailboxes.folders(conn, mailbox.account_id, mailbox.id)
        self.lapses = [(at - timedelta(seconds=facts["seconds"]), at) for at, facts in lapses]
        if mailbox.unwatched_since is not None:
            self.lapses.append((mailbox.unwatched_since, self.runtime.clock()))
        followed_at = {facts["folder"]: at for at, facts in new}
        self.followed_at = {each.id: followed_at.get(each.name) for each in folders}
        self.repairs = [(datetime.fromisoformat(facts["since"]), at) for at, facts in repairs]

    def _why(self, message: Found, folder: str) -> str:
        """The likeliest reason; what came while nothing announced mail is looked for by the rhythm
        of a quiet mailbox alone."""
        when = message.received_at
        if message.provider_id in self.stale:
            return Why.RESCUED
        followed_at = self.followed_at.get(folder)
        if when is not None and followed_at is not None and when < followed_at:
            return Why.FOLDER
        if when is not None and any(began <= when <= ended for began, ended in self.repairs):
            return Why.REPAIR
        if when is not None and any(began - TOLD <= when <= ended for began, ended in self.lapses):
            return Why.PUSH
        return Why.LISTING

    def _gives_way(self, current: AuditRow) -> bool:
        """Whether to end here for somebody who rang."""
        self.go_on()
        self.steps += 1
        if self.steps < 2 ** min(current.tries, MOST_PATIENCE):
            return False
        with self.runtime.database.read() as conn:
            return audits.rung(conn, self.mailbox)

    def _later(self, gave_way: AuditRow | None, when: datetime) -> datetime:
        with self.runtime.database.begin() as conn:
            if gave_way is not None:
                audits.put_off(conn, self.run, gave_way, when)
            else:
                audits.later(conn, self.run, when)
        return when

    def _failed(self, audit_id: int) -> datetime | None:
        """Once more a little later; after some failures in another night."""
        mailbox, now = self.mailbox, self.runtime.clock()
        with self.runtime.database.begin() as conn:
            current = audits.one(conn, mailbox.account_id, audit_id)
            failures = current.failures + 1 if current else MOST_FAILURES
            if current is None or failures >= MOST_FAILURES:
                audits.end(conn, self.run, audit_id, now, given_up=True)
                AUDITS.labels(mailbox.provider, "given-up").inc()
                return None
            when = now + jitter(AFTER_FAILURE * failures)
            audits.put_off(conn, self.run, current, when, failed=True)
        return when

    def _ended(self, audit_id: int) -> None:
        with self.runtime.database.begin() as conn:
            ended = audits.end(conn, self.run, audit_id, self.runtime.clock())
        if ended is not None:
            outcome = "missed" if ended.missed else "clean"
            AUDITS.labels(self.mailbox.provider, outcome).inc()
            log.info(
                "audited",
                mailbox=self.mailbox.id,
                looked=ended.looked,
                missed=ended.missed,
                logged=ended.logged,
            )


def _lies_open(place: Place | None) -> bool | None:
    return None if place is None else place in OPEN_PLACES


def _counts(item: Item) -> bool:
    return item.place is not Place.DRAFT


def _was_logged(message: Found) -> bool:
    return message.verdict == VerdictKind.LOGGED and message.rule != "duplicate"


def count_unannounced(
    runtime: Runtime, mailbox: Mailbox, began: datetime, rung: bool, found: int
) -> None:
    """After a run that nobody rang: what it found and somebody should have announced by then."""
    since, until = mailbox.settled_at, began - PUSH_TAKES
    if rung or not found or since is None or since >= until:
        return
    with runtime.database.read() as conn:
        watched = any(
            each.expires_at > began
            for each in mailboxes.watches(conn, mailbox.account_id, mailbox.id)
        )
        number = audits.unannounced(conn, mailbox, since, until, began) if watched else 0
    if number:
        MISSED_PUSHES.labels(mailbox.provider).inc(number)


class Nightly:
    """The timetable's side: rings what is due, tells the operator, forgets what is old."""

    def __init__(self, running: Runtime) -> None:
        self._running = running
        self._told_at: datetime | None = None

    def tick(self) -> int:
        """Ring mailboxes whose audit is due; how many."""
        now = self._running.clock()
        with self._running.database.read() as conn:
            due = nights.due(conn, now, MOST_DUE)
        if due:
            with self._running.database.begin() as conn:
                nights.ring(conn, due, now)
            self._running.queue.wake(*due)
        if self._told_at is None or now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            self._tell(now)
        return len(due)

    def _tell(self, now: datetime) -> None:
        with self._running.database.begin() as conn:
            last, since = nights.last_ended(conn), nights.overdue_since(conn)
            nights.forget(conn, now - KEPT)
        if last is not None:
            LAST_AGE.set((now - last).total_seconds())
        OVERDUE.set(max(0.0, (now - since).total_seconds()) if since is not None else 0.0)
