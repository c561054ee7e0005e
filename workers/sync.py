"""One run for one mailbox: ask the provider what changed, and settle every message of it.

The run holds the mailbox's lease, a row in the database whose token every commit checks: a run that
lost it can do no harm. While the run lives, `wake_at` lies at the end of the lease, so a run that
died is rung again by the timetable.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from crm.database import OperationalError
from crm.spending import Spent
from crm.store import limits, mailboxes, runs, settle
from crm.store.mailboxes import LeaseLost, Mailbox
from infra.metrics import counter
from providers.client import (
    CursorExpired,
    MailClient,
    OutOfBudget,
    ProviderError,
    Reconnect,
)
from providers.waiting import LIMITS
from workers import consent
from workers.audit import audit, count_unannounced
from workers.caution import SOON, Caution
from workers.files import Files
from workers.following import stray
from workers.gaps import Gaps
from workers.labels import ensure_label
from workers.limits import block_everyone, rest_after, spread
from workers.queue import QueueDown
from workers.repair import Repair
from workers.runtime import Runtime, Stopped
from workers.settling import Settling
from workers.silence import announced, listen
from workers.times import quiet
from workers.watches import AGAIN, refresh

log = structlog.get_logger(__name__)

FAILURES = counter(
    "replylog_run_failures_total", "Runs that ended early, by class of the error", ["error"]
)

LEASE = timedelta(seconds=45)
TURN = timedelta(seconds=20)  # how long a run works while others wait
SILENT_BEATS = 20  # a lease is not renewed for ever for a run that hangs
RECHECK = timedelta(seconds=3)  # a push can outrun its listing; Gmail drops pushes within a second
JUDGED_AGAIN_ROUNDS = (
    20  # each settles a batch of pending messages; the rest waits for the next run
)


class Blocked(Stopped):
    """Somebody else met a limit that holds for this mailbox as well."""


class GaveWay(Stopped):
    """The run has had its turn, and goes on when others have had theirs."""


def sync(runtime: Runtime, mailbox_id: int, stopping: threading.Event) -> None:
    """Settle what is new in a mailbox. Safe to call at any time, twice, or to be killed anywhere."""
    token = uuid.uuid4().hex
    now = runtime.clock()
    with runtime.database.begin() as conn:
        before = mailboxes.by_id(conn, mailbox_id)
        mailbox = mailboxes.take_lease(conn, mailbox_id, token, now, LEASE)
    with suppress(QueueDown):  # the mark is then forgotten by its age: one run too many
        runtime.queue.done(mailbox_id)
    if mailbox is None:
        consent.heard(runtime, before)
        _ring_if_due(runtime, mailbox_id)
        return
    rung = before is None or before.wake_at is None or before.wake_at > now
    run = Running(runtime, mailbox, token, stopping, rung)
    next_wake = run.guarded()
    with runtime.database.begin() as conn:
        now = runtime.clock()
        runs.note_spent(conn, mailbox, token, run.held.spent(), now)
        again = mailboxes.release(conn, mailbox, token, now, next_wake, run.settled_at)
        if run.well and (mailbox.blocked_by or mailbox.failed_runs):
            limits.ended_well(conn, mailbox.account_id, mailbox.id, now)
    if again:
        with suppress(QueueDown):  # the timetable rings it as well, a second later
            runtime.queue.wake(mailbox_id)


def _ring_if_due(runtime: Runtime, mailbox_id: int) -> None:
    """The run that held the mailbox may have ended, and rung, just before we cleared its mark."""
    with runtime.database.read() as conn:
        waits = runs.is_due(conn, mailbox_id, runtime.clock())
    if waits:
        with suppress(QueueDown):
            runtime.queue.wake(mailbox_id)


@dataclass
class Running:
    runtime: Runtime
    mailbox: Mailbox
    token: str
    stopping: threading.Event
    rung: bool  # by a push or a person, not by the timetable
    well: bool = False  # it did what it could, and nothing refused it
    settled_at: datetime | None = None  # everything received before is settled; None: as it was
    beats: int = 0  # renewals of the lease since the run last moved

    client: MailClient | None = field(default=None, init=False)
    settling: Settling = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.runtime.clock()
        secrets = self.runtime.secrets
        self.held = settle.Run(self.mailbox, self.token, LEASE, secrets, self._spent)
        self.caution = Caution(self.runtime, self.held)

    def _spent(self) -> Spent | None:
        return self.client.spent() if self.client else None

    def guarded(self) -> datetime | None:
        """The run, with every failure turned into what the mailbox needs next; when to wake it."""
        now = self.runtime.clock()
        blocked = self.mailbox.blocked_until
        if blocked and self.mailbox.rests(now):
            return blocked + spread(self.mailbox.blocked_by)
        with self.caution.alone() as may:
            return self._attempt() if may else now + SOON

    def _attempt(self) -> datetime | None:
        try:
            self.caution.begin()
            client = self.client = self.runtime.open_client(self.mailbox)
            try:
                if self.caution.on:
                    client.carefully()
                with self._heartbeat():
                    return self._run(client)
            finally:
                client.close()
        except LeaseLost:
            log.info("lease lost, the run ends", mailbox=self.mailbox.id)
            return self.runtime.clock()
        except Stopped as ended:
            return self._ended(ended)
        except ProviderError as error:
            return self._refused(error)
        except OperationalError:  # the database is away: the lease ends by itself
            raise
        except Exception as error:
            log.exception("run failed", mailbox=self.mailbox.id, error=type(error).__name__)
            return self._failed(error)

    def _ended(self, why: Stopped) -> datetime | None:
        """When to go on with a run that ended between two steps."""
        if isinstance(why, Blocked):
            return self.settling.blocked_until
        self.well = isinstance(why, GaveWay)
        return self.runtime.clock()

    @contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Renew the lease while the run waits for its provider. Otherwise a provider that is slow
        for longer than a lease would hand the mailbox from run to run, and none would get on."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(LEASE.total_seconds() / 3) and self.beats < SILENT_BEATS:
                self.beats += 1
                try:
                    with self.runtime.database.begin() as conn:
                        settle.commit(conn, self.held, (), self.runtime.clock())
                except LeaseLost:
                    return
                except OperationalError:
                    continue

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _run(self, client: MailClient) -> datetime | None:
        settling = self.settling = Settling(self.runtime, self.held, client, self.caution)
        consent.check(self.runtime, self.mailbox)
        complete = refresh(self.runtime, self.mailbox, self.token, client)
        away = Gaps(self.runtime, self.held, client, self._step)
        away.count()
        began = self.runtime.clock()
        repair = Repair(self.runtime, self.held, client, self._step)
        news: set[str] = set()
        found = self._changes(client, settling, repair, news) + repair.list_owed(settling)
        self.settled_at = began if complete else None
        listen(self.runtime, self.mailbox, news)
        stray(self.runtime, self.mailbox, client, push_was_empty=self.rung and not found)
        for _ in range(JUDGED_AGAIN_ROUNDS):
            self._go_on()
            if not settling.settle_pending():
                break
            self._give_way()
        held, go_on = self.held, self._go_on
        files_at = Files(self.runtime, held, client, go_on, self.caution, self._give_way).read_due()
        ensure_label(self.runtime, self.mailbox, client)
        count_unannounced(self.runtime, self.mailbox, began, self.rung, found)
        client.sparingly()
        more = away.read(settling)
        audit_at = None if more else audit(self.runtime, settling, client, self.settled_at, go_on)
        self.caution.end()
        self.well = True
        if more:
            return self.runtime.clock()
        return self._next_wake(found, (files_at, audit_at, repair.again_at), repair.pause)

    def _changes(
        self, client: MailClient, settling: Settling, repair: Repair, news: set[str]
    ) -> int:
        """Settle what changed since the cursor; how many messages that were. What a provider should
        have announced is put into `news`."""
        found = 0
        with self.runtime.database.read() as conn:  # `refresh` may have moved it
            current = mailboxes.by_id(conn, self.mailbox.id)
        try:
            for page in client.changes(current.cursor if current else self.mailbox.cursor):
                found += len(page.items)
                news |= announced(page.items, self.mailbox.settled_at)
                for batch, cursor in settling.batches(page):
                    self._go_on()
                    settling.settle(batch, cursor)
                if page.items:
                    self._give_way()
        except CursorExpired as expired:
            repair.begin(expired)
        else:
            repair.went_well()
        return found

    def _step(self) -> None:
        self._go_on()
        self._give_way()

    def _go_on(self) -> None:
        self.beats = 0
        if self.stopping.is_set():
            raise Stopped
        until = self.settling.blocked_until
        if until and until > self.runtime.clock():
            raise Blocked

    def _give_way(self) -> None:
        """After each step that is stored: let others have the thread, where they wait for one."""
        if self.runtime.clock() - self.began < TURN:
            return
        with suppress(QueueDown):
            if self.runtime.queue.awake():
                raise GaveWay

    def _next_wake(
        self, found: int, more: Sequence[datetime | None], pause: timedelta | None
    ) -> datetime | None:
        now = self.runtime.clock()
        with self.runtime.database.read() as conn:
            pending = settle.next_pending(conn, self.mailbox)
            current = mailboxes.by_id(conn, self.mailbox.id)
        soon = self._soon(now, bool(found))
        renewal = current.renew_at if current else None
        if renewal and renewal <= now:  # it could not be done in this run
            renewal = now + min(max(now - renewal, RECHECK), AGAIN)
        if pause:  # its cursors expire one after the other: each listing is one of days
            self.well = False
            with self.runtime.database.begin() as conn:
                limits.block(conn, self.mailbox, now + pause, "error:CursorExpired", now)
            return now + pause
        return min(when for when in (soon, pending, renewal, *more) if when is not None)

    def _soon(self, now: datetime, found: bool) -> datetime:
        """When to look again though nobody rings. A run that the last one's release has rung (a push
        had come meanwhile), or that was due anyhow when a push came, does not know of the push: so
        it looks once more than others."""
        last = self.mailbox.last_synced_at
        since = now - last if last else quiet(now) - now
        if self.rung or found or since < RECHECK / 2:
            return now + RECHECK
        return now + 3 * RECHECK if since < 2 * RECHECK else quiet(now)

    def _refused(self, error: ProviderError) -> datetime | None:
        """When to come back: of its limit nothing may be left, which is no failure."""
        if isinstance(error, OutOfBudget):
            LIMITS.labels(self.mailbox.provider, error.shape).inc()
            return self.runtime.clock() + timedelta(seconds=error.after)
        name = type(error).__name__
        log.warning("provider refused", mailbox=self.mailbox.id, error=name, cause=str(error))
        return self._failed(error)

    def _failed(self, error: Exception) -> datetime | None:
        """Stop or block the mailbox, unless it is another run's by now, or connected again."""
        FAILURES.labels(type(error).__name__).inc()
        now = self.runtime.clock()
        if isinstance(error, Reconnect):
            return self._stop(error, now)
        rest = rest_after(error, self.mailbox)
        until = now + rest.span
        with suppress(LeaseLost), self.runtime.database.begin() as conn:
            settle.commit(conn, self.held, (), now)
            limits.block(conn, self.mailbox, until, rest.by, now)
        if rest.everyone:
            block_everyone(self.runtime, self.mailbox.provider, until, rest.by)
        return until

    def _stop(self, error: Reconnect, now: datetime) -> datetime | None:
        """Stop the mailbox until a person connects it again, unless somebody stored new tokens since
        the refusal: those count, and are tried."""
        which = (self.mailbox.account_id, self.mailbox.id)
        with suppress(LeaseLost), self.runtime.database.begin() as conn:
            settle.commit(conn, self.held, (), now)
            version = error.tokens_version
            if not mailboxes.need_reconnect(conn, *which, error.cause, now, version):
                return now + RECHECK
            mailboxes.must_prove(conn, *which, error.claims)
        return None
