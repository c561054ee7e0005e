"""The timetable: rings what is due. One leader at a time; a second one started by mistake waits.

It asks the database, by index, which mailboxes are due (quiet for long, a pending message, the end
of a provider's limit, a run that died, a watch to renew) and rings them; the work itself is the
run's. It also queues a drain job again that Redis or a worker lost.
"""

import signal
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from crm.database import OperationalError
from crm.store import history, journal, leases, mailboxes, outbox
from crm.store.leases import LEADER
from infra.blobs import Unavailable
from infra.metrics import counter, gauge
from infra.redis_client import worker_client
from infra.settings import Settings
from workers.audit import Nightly
from workers.gauges import Gauges
from workers.lapses import WatchGauges
from workers.limits import Project
from workers.moved import Moved
from workers.queue import QueueDown
from workers.runtime import Runtime, runtime
from workers.sweep import sweep

log = structlog.get_logger(__name__)

OVERDUE = gauge("replylog_mailboxes_due", "Mailboxes the timetable found due at its last tick")
TICKS = counter(
    "replylog_timetable_ticks_total",
    "Ticks of timetables by how they went: led, waited for another that leads, failed",
    ["outcome"],
)
LEADS = counter("replylog_timetable_leads_total", "Times that a timetable began to lead")

TICK_SECONDS = 1.0
MOST_DUE = 500  # a tick; the rest is due a second later
RETENTION = timedelta(days=30)  # of journal rows and events; what is logged stays on its timeline
HISTORY_KEPT = timedelta(days=400)  # of mailboxes: what was so a year ago is asked for
RETENTION_EVERY = timedelta(hours=1)
SWEEP_EVERY = timedelta(days=1)
SWEEP_ASKED = timedelta(minutes=10)
FORGOTTEN_AT_ONCE = 1000  # a tick; the rest goes with the next ones


class Timetable:
    """Ticks while this process is the leader."""

    def __init__(self, running: Runtime) -> None:
        self._running = running
        self._name = uuid.uuid4().hex
        self._leads = False
        self._forgot_at: datetime | None = None
        self._sweep_at: datetime | None = None  # when to see whether one is due
        self._sweeping: Iterator[int] = iter(())
        self._moved = Moved(running)
        self._nightly = Nightly(running)
        self._watches = WatchGauges(running)
        self._gauges = Gauges(running)
        self._project = Project(running)

    def tick(self) -> bool:
        """Ring what is due now; False where another process leads."""
        now = self._running.clock()
        if not self._lead(now):
            return False
        with self._running.database.read() as conn:
            due = mailboxes.due(conn, now, MOST_DUE)
        OVERDUE.set(len(due))
        if due:
            self._running.queue.wake(*(mailbox_id for _, mailbox_id in due))
        self._running.queue.nudge()
        self._watches.count_due(now)
        self._project.look_due(now)
        self._gauges.set_due(now)
        self._forget(now)
        self._sweep(now)
        self._moved.check_due()
        self._nightly.tick()
        TICKS.labels("led").inc()
        return True

    def _lead(self, now: datetime) -> bool:
        led = self._leads
        with self._running.database.begin() as conn:
            self._leads = leases.take(conn, "timetable", self._name, now, LEADER)
        if not self._leads:
            TICKS.labels("waited").inc()
        elif not led:
            LEADS.inc()
        return self._leads

    def _sweep(self, now: datetime) -> None:
        """A step of the sweep, and a new one once a day, whoever leads and however often it starts."""
        try:
            if next(self._sweeping, None) is not None:
                return
        except Unavailable as error:
            log.warning("files not swept", error=str(error))
        if self._sweep_at is None or self._sweep_at <= now:
            self._sweep_at = now + SWEEP_ASKED
            with self._running.database.begin() as conn:
                if leases.take(conn, "sweep", uuid.uuid4().hex, now, SWEEP_EVERY):
                    self._sweeping = sweep(self._running)

    def _forget(self, now: datetime) -> None:
        if self._forgot_at is not None and now - self._forgot_at < RETENTION_EVERY:
            return
        with self._running.database.begin() as conn:
            forgotten = journal.forget(conn, now - RETENTION, FORGOTTEN_AT_ONCE)
            history.forget(conn, now - HISTORY_KEPT)
            told = outbox.forget(conn, now - RETENTION, FORGOTTEN_AT_ONCE)
        self._forgot_at = now if max(forgotten, told) < FORGOTTEN_AT_ONCE else None


def run(settings: Settings) -> None:
    """The role `timetable`, until SIGTERM or SIGINT. Outages of Redis or the database are waited
    out: the next tick does what this one could not."""
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    with runtime(settings, worker_client(settings)) as running:
        timetable = Timetable(running)
        while not stopping.wait(TICK_SECONDS):
            try:
                timetable.tick()
            except (QueueDown, OperationalError) as error:
                TICKS.labels("failed").inc()
                log.warning("tick failed, trying again", error=type(error).__name__)
