"""The outbox: events become deliveries, and deliveries reach their receivers.

A thread of each worker process does this beside the mail, with a small pool of its own: a receiver
that is slow holds one of these threads and none that reads mail. All it needs is in the database,
so nothing is lost with Redis or a worker: it looks there every second for what is due.

A new kind of receiver is one more `Destination`.
"""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import structlog

from crm.database import OperationalError
from crm.store import deliveries, outbox
from crm.store.deliveries import Due
from crm.store.outbox import Event
from crm.topics import again_after
from infra.metrics import counter
from workers import notices, webhooks
from workers.destination import Destination, NotDelivered
from workers.runtime import Runtime

log = structlog.get_logger(__name__)

DELIVERIES = counter(
    "replylog_outbox_deliveries_total",
    "Tries to tell of an event, by destination and outcome: delivered, failed or dead",
    ["destination", "outcome"],
)

THREADS = 4
LOOK_SECONDS = 1.0
SPREAD_AT_ONCE = 200  # events a transaction
TRY = timedelta(seconds=60)  # longer than any try takes: then another worker may


DESTINATIONS: tuple[Destination, ...] = (notices.MAIL,)  # beside webhooks, which have own queues


def spread(running: Runtime) -> int:
    """Make the deliveries of new events; how many events those were."""
    now = running.clock()
    with running.database.read() as conn:
        if not outbox.news(conn, now):
            return 0
    with running.database.begin() as conn:
        events = outbox.take_news(conn, now, SPREAD_AT_ONCE)
        by_account: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            by_account[event.account_id].append(event)
        for account_id, some in by_account.items():
            webhooks.address(conn, account_id, some, now)
            for each in (one for one in DESTINATIONS if one.there(running)):
                by_time: dict[datetime, list[tuple[int, int]]] = defaultdict(list)
                for one in each.targets(conn, account_id, some, now):
                    by_time[one.due_at].append((one.event_id, one.receiver))
                for due_at, pairs in by_time.items():
                    deliveries.add(conn, account_id, each.name, pairs, now, due_at)
    return len(events)


def send(running: Runtime, destination: Destination, some: Sequence[Due]) -> None:
    """One try of deliveries that go together, and what came of it."""
    error = ""
    try:
        destination.send(running, some)
    except NotDelivered as failure:
        error = failure.error
    except Exception as failure:
        error = type(failure).__name__
        log.exception("delivery failed", delivery=some[0].id, error=error)
    now, chance = running.clock(), random.random()  # noqa: S311 - jitter
    outcomes = []
    with running.database.begin() as conn:
        for due in some:
            if not error:
                deliveries.delivered(conn, due, None, now)
                outcomes.append("delivered")
                continue
            again = again_after(due.attempts, chance)
            deliveries.failed(conn, due, None if again is None else now + again, None, error)
            outcomes.append("dead" if again is None else "failed")
    for outcome in outcomes:
        DELIVERIES.labels(destination.name, outcome).inc()


class Post:
    """What one process does for the outbox."""

    def __init__(self, running: Runtime, stopping: threading.Event) -> None:
        self._running = running
        self._stopping = stopping
        self._under_way: set[Future[None]] = set()

    def keep(self) -> None:
        """Until the process is asked to stop. Outages are waited out."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="outbox") as pool:
            while not self._stopping.wait(LOOK_SECONDS):
                try:
                    while self.round(pool) and not self._stopping.is_set():
                        pass
                except OperationalError as error:
                    log.warning("outbox must wait", error=type(error).__name__)
                except Exception as error:
                    log.exception("outbox failed", error=type(error).__name__)

    def round(self, pool: ThreadPoolExecutor) -> bool:
        """Begin what is due, as far as threads are free; whether there may be more at once."""
        spread_now = spread(self._running)
        self._under_way = {each for each in self._under_way if not each.done()}
        free = THREADS - len(self._under_way)
        begun = 0
        for task in self._tasks(free):
            self._under_way.add(pool.submit(_guarded, task))
            begun += 1
        return spread_now == SPREAD_AT_ONCE or 0 < begun < free

    def _tasks(self, free: int) -> Iterable[Callable[[], None]]:
        running, now = self._running, self._running.clock()
        for each in DESTINATIONS:
            with running.database.read() as conn:
                waits = deliveries.waits(conn, each.name, now)
            if waits and free:
                with running.database.begin() as conn:
                    due = deliveries.claim_together(conn, each.name, each.together, now, now + TRY)
                if due:
                    free -= 1
                    yield partial(send, running, each, due)
        for _ in range(free):
            visit = webhooks.claim(running, self._stopping)
            if visit is None:
                return
            yield visit.make

    def once(self) -> None:
        """All that is due now, in this thread: for a worker that ends when nothing is left."""
        while spread(self._running):
            pass
        while not self._stopping.is_set():
            tasks = list(self._tasks(1))
            if not tasks:
                return
            for task in tasks:
                task()


def _guarded(task: Callable[[], None]) -> None:
    try:
        task()
    except Exception as error:
        log.exception("delivery failed", error=type(error).__name__)
