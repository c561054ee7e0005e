"""The one RQ job: take awake mailboxes, several at once, until there are none or time is up.

RQ costs 4 to 5 ms a job and a worker mostly waits for providers; so one job serves many mailboxes
and a small pool of threads waits for several providers at once.
"""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import ClassVar

import structlog

from workers.queue import QueueDown
from workers.runtime import Runtime
from workers.sync import FAILURES, sync

log = structlog.get_logger(__name__)

THREADS = 8  # runs at once that have only just begun
MOST = 32  # with those that wait for a slow provider, or have much to read
SLOW = 3.0  # seconds; a run that has lasted longer keeps no other from beginning
HUNG = 330.0  # seconds; a run that has not ended by then has lost its lease, and never will
BUDGET_SECONDS = 50.0


class _Process:
    """What this worker process has: set once by `use`, read by the job that RQ names."""

    runtime: Runtime | None = None
    stopping = threading.Event()
    pool: ThreadPoolExecutor | None = None
    running: ClassVar[dict[Future[None], float]] = {}  # since when, monotonic


def use(runtime: Runtime, stopping: threading.Event) -> None:
    """Give this process's jobs what they work with. Called once, after the fork."""
    _Process.runtime = runtime
    _Process.stopping = stopping
    _Process.pool = ThreadPoolExecutor(MOST, thread_name_prefix="sync")
    _Process.running = {}


def drain() -> int:
    """Settle awake mailboxes; how many. Ends when none is left or after BUDGET_SECONDS, with slow
    runs perhaps still under way (the next job counts them), or when the process was asked to stop;
    what is still awake then is queued again."""
    runtime, running = _Process.runtime, _Process.running
    assert runtime is not None, "workers.drain.use was not called in this process"
    until = time.monotonic() + BUDGET_SECONDS
    settled = 0
    while True:
        while time.monotonic() < until and _has_room() and not _Process.stopping.is_set():
            mailbox_id = runtime.queue.claim()
            if mailbox_id is None:
                break
            _begin(runtime, mailbox_id)
        if not running or (time.monotonic() >= until and not _young()):
            break
        settled += _collect(0.05)
        _end_where_hung()
    runtime.queue.nudge()
    return settled


def finish() -> None:
    """Wait for the runs that are under way, but for those that hang."""
    while any(age < HUNG for age in _ages()):
        _collect(0.05)


def _begin(runtime: Runtime, mailbox_id: int) -> None:
    assert _Process.pool is not None
    began = _Process.pool.submit(_sync, runtime, mailbox_id)
    _Process.running[began] = time.monotonic()


def _collect(seconds: float) -> int:
    """Forget the runs that have ended, where one does within some seconds; how many those were."""
    ended, _ = wait(_Process.running, timeout=seconds, return_when=FIRST_COMPLETED)
    for each in ended:
        del _Process.running[each]
    return len(ended)


def _has_room() -> bool:
    """A provider that hangs, or mailboxes with much to read, must not keep all others waiting: runs
    that take long only count towards MOST."""
    return _young() < THREADS and len(_Process.running) < MOST


def _young() -> int:
    return sum(age < SLOW for age in _ages())


def _ages() -> list[float]:
    now = time.monotonic()
    return [now - began for began in _Process.running.values()]


def _end_where_hung() -> None:
    """A run that hangs keeps its thread for ever: the process ends, and its parent starts another."""
    if not _Process.stopping.is_set() and any(age >= HUNG for age in _ages()):
        log.error("a run hangs: this worker ends")
        _Process.stopping.set()


def _sync(runtime: Runtime, mailbox_id: int) -> None:
    try:
        sync(runtime, mailbox_id, _Process.stopping)
    except QueueDown as error:
        FAILURES.labels(type(error).__name__).inc()
        log.warning("redis is down; the timetable rings this mailbox again", mailbox=mailbox_id)
    except Exception as error:
        FAILURES.labels(type(error).__name__).inc()
        log.exception("sync failed", mailbox=mailbox_id, error=type(error).__name__)
