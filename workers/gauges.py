"""The numbers of the operator's page as gauges, set by whoever leads the timetable.

All of them in one place: what the page shows a person (`crm.store.operations`), an alarm can watch.
"""

from datetime import datetime, timedelta

from crm.store import operations
from crm.store.operations import State
from infra.metrics import gauge
from workers.runtime import Runtime

MAILBOXES = gauge("replylog_mailboxes", "Mailboxes by status", ["status"])
STOPPED = gauge(
    "replylog_mailboxes_stopped", "Mailboxes that wait to be connected again, by cause", ["cause"]
)
BLOCKED = gauge(
    "replylog_mailboxes_blocked", "Mailboxes that wait for the end of a provider's limit"
)
LAG = gauge(
    "replylog_lag_seconds",
    "How long ago all mail of a connected mailbox was settled: worst and median",
    ["which"],
)
OLDEST_DUE = gauge("replylog_oldest_due_seconds", "Since when the longest due mailbox is due")
MESSAGES = gauge(
    "replylog_pending_messages", "Messages to be judged again, and those given up", ["state"]
)
FILES = gauge("replylog_files_waiting", "Files of logged e-mails that are still to be read")
OUTBOX_DUE = gauge("replylog_outbox_due", "Deliveries of events that are due")
OUTBOX_DEAD = gauge("replylog_outbox_dead", "Deliveries of events that used all their tries")
OUTBOX_UNSENT = gauge(
    "replylog_outbox_mails_unsent", "Mails to people that were given up in the last day"
)
OUTBOX_OLDEST = gauge(
    "replylog_outbox_oldest_seconds", "Age of the oldest event that an active receiver lacks"
)
ENDPOINTS_STOPPED = gauge(
    "replylog_webhook_endpoints_stopped", "Endpoints that failed until they were told no more"
)
AWAKE = gauge("replylog_mailboxes_awake", "Mailboxes that wait for a worker or have one")
JOBS = gauge("replylog_queue_jobs", "Jobs that wait for a worker")
WORKERS = gauge("replylog_workers", "Workers that are alive")
TICKED = gauge("replylog_timetable_ticked_seconds", "When the timetable last ticked, Unix time")

EVERY = timedelta(seconds=15)


class Gauges:
    """Steps for the timetable."""

    def __init__(self, running: Runtime) -> None:
        self._running = running
        self._set_at: datetime | None = None
        self._causes: set[str] = set()  # ever seen: one that is gone is 0, not what it was

    def set_due(self, now: datetime) -> bool:
        """Set all gauges when it is time; the tick's own with every call. Raises QueueDown."""
        TICKED.set(now.timestamp())
        if self._set_at is not None and now - self._set_at < EVERY:
            return False
        self._set_at = now
        with self._running.database.read() as conn:
            self._set(operations.state(conn, now))
        queue = self._running.queue
        AWAKE.set(queue.awake())
        JOBS.set(queue.jobs())
        WORKERS.set(queue.workers())
        return True

    def _set(self, found: State) -> None:
        for status, number in (
            ("connected", found.connected),
            ("reconnect", found.reconnect),
            ("disconnected", found.disconnected),
        ):
            MAILBOXES.labels(status).set(number)
        self._causes |= found.stopped.keys()
        for cause in self._causes:
            STOPPED.labels(cause).set(found.stopped.get(cause, 0))
        BLOCKED.set(found.blocked)
        LAG.labels("worst").set(since(found.lag.worst, found.now))
        LAG.labels("median").set(since(found.lag.median, found.now))
        OLDEST_DUE.set(since(found.oldest_due, found.now))
        MESSAGES.labels("waiting").set(found.waiting)
        MESSAGES.labels("given-up").set(found.given_up)
        FILES.set(found.files)
        OUTBOX_DUE.set(found.outbox.due)
        OUTBOX_DEAD.set(found.outbox.dead)
        OUTBOX_UNSENT.set(found.outbox.unsent)
        OUTBOX_OLDEST.set(since(found.outbox.oldest, found.now))
        ENDPOINTS_STOPPED.set(found.stopped_endpoints)


def since(then: datetime | None, now: datetime) -> float:
    """Seconds from then to now, 0 where there is no then."""
    return 0.0 if then is None else max((now - then).total_seconds(), 0.0)
