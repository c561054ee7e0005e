"""The one RQ job: take awake mailboxes, several at once, until there are none or time is up.

RQ costs 4 to 5 ms a job and a worker mostly waits for providers; so one job serves many mailboxes
and a small pool of threads waits for several providers at once.
"""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import structlog

from workers.queue import QueueDown
from workers.runtime import Runtime
from workers.sync import sync

log = structlog.get_logger(__name__)

THREADS = 8
BUDGET_SECONDS = 50.0


class _Process:
    """What this worker process has: set once by `use`, read by the job that RQ names."""

    runtime: Runtime | None = None
    stopping = threading.Event()
    pool: ThreadPoolExecutor | None = None


def use(runtime: Runtime, stopping: threading.Event) -> None:
    """Give this process's jobs what they work with. Called once, after the fork."""
    _Process.runtime = runtime
    _Process.stopping = stopping
    _Process.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sync")


def drain() -> int:
    """Settle awake mailboxes; how many. Ends when none is left, after BUDGET_SECONDS, or when the
    process was asked to stop; what is still awake then is queued again."""
    runtime, pool = _Process.runtime, _Process.pool
    assert runtime is not None, "workers.drain.use was not called in this process"
    assert pool is not None
    until = time.monotonic() + BUDGET_SECONDS
    running: set[Future[None]] = set()
    settled = 0
    while True:
        while len(running) < THREADS and time.monotonic() < until:
            mailbox_id = None if _Process.stopping.is_set() else runtime.queue.claim()
            if mailbox_id is None:
                break
            running.add(pool.submit(_sync, runtime, mailbox_id))
        if not running:
            break
        ended, running = wait(running, timeout=0.05, return_when=FIRST_COMPLETED)
        settled += len(ended)
    runtime.queue.nudge()
    return settled


def _sync(runtime: Runtime, mailbox_id: int) -> None:
    try:
        sync(runtime, mailbox_id, _Process.stopping)
    except QueueDown:
        log.warning("redis is down; the timetable rings this mailbox again", mailbox=mailbox_id)
    except Exception as error:
        log.exception("sync failed", mailbox=mailbox_id, error=type(error).__name__)
