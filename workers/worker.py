"""Long-lived RQ workers, and the parent that keeps them.

The parent imports the provider SDKs and forks; children inherit the imports and make their own
sockets. A child that dies is started again with back-off. SIGTERM lets a child finish the job in
hand and take no other.
"""

import gc
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NoReturn

import structlog
from redis import Redis
from rq import Queue as RqQueue
from rq import SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

from infra.children import end_with_parent
from infra.metrics import counter
from infra.settings import Settings
from providers import registry
from workers import drain
from workers.outbox import Post
from workers.pulse import SILENT, Pulse
from workers.queue import DRAIN, QUEUE_NAME
from workers.runtime import Runtime, runtime

log = structlog.get_logger(__name__)

ENDS = counter("replylog_worker_ends_total", "Worker processes that ended, by how", ["how"])

STOPPING = threading.Event()  # the process was asked to end: take nothing new
WORKER_TTL = 17  # RQ blocks for this less 15 s: how late a stop can be noticed
MAINTENANCE_SECONDS = 20
QUICK_DEATH = 1.0  # seconds; a child that lived longer did not die of its start
LONGEST_PAUSE = 10.0
PATIENCE = 9.0  # seconds for children to end; `replylog all` waits two more
POST_PATIENCE = 3.0  # seconds for posts under way; what they did not note is posted again
LATER = 3.0  # seconds that a worker has more than its parent gives it
SIGNALS = (signal.SIGTERM, signal.SIGINT)
PRELOAD = ("providers.gmail.client", "providers.graph.client", "crm.store.settle")


class NotAllowed(Exception):
    """A job names a function that is not ours: somebody else writes to Redis."""


class DrainJob(Job):
    """A job that can only be ours: RQ would run any function that can be imported."""

    @property
    def func(self) -> Any:
        if self.func_name != DRAIN or self.instance is not None:
            raise NotAllowed(self.func_name)
        return drain.drain

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None


class StoppableQueue(RqQueue):
    """Looks at the wish to stop before it takes the next job; RQ's own loop never does, and loses
    what it took (speed notes in docs/performance.md)."""

    job_class = DrainJob

    @classmethod
    def dequeue_any(cls, *args: Any, **kwargs: Any) -> Any:
        if STOPPING.is_set():
            raise StopRequested
        return super().dequeue_any(*args, **kwargs)


class Worker(SimpleWorker):
    """Runs drain jobs in its own process, so that connections and imports outlive a job."""

    job_class = DrainJob
    queue_class = StoppableQueue

    def request_stop(self, _signum: int, _frame: Any) -> None:
        STOPPING.set()
        self._stop_requested = True

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """A Redis that was emptied meanwhile learns of this worker again."""
        super().heartbeat(timeout, pipeline)
        worker_registration.register(self, pipeline)

    def subscribe(self) -> None:
        """No commands by pub/sub: whoever writes to Redis must not stop or kill workers."""


def work(settings: Settings, burst: bool) -> None:
    """Be one worker until asked to stop; with `burst` until nothing is awake."""
    from infra.redis_client import worker_client  # imports sockets' users after the fork

    redis = worker_client(settings)
    with runtime(settings, redis) as running:
        drain.use(running, STOPPING)
        if burst:
            _burst(running, redis)
            drain.finish()
            Post(running, STOPPING).once()
        else:
            threading.Thread(target=_end_late, name="end-late", daemon=True).start()
            post = threading.Thread(target=Post(running, STOPPING).keep, name="outbox", daemon=True)
            post.start()
            _worker(redis).work(logging_level="WARNING")
            drain.finish()
            post.join(POST_PATIENCE)


def _end_late() -> None:
    """End a process that was asked to and does not: one that waits for a Redis that stays away, and
    whose parent, which would end it, is gone. Its mailboxes are rung when their leases end."""
    STOPPING.wait()
    time.sleep(PATIENCE + LATER)
    log.warning("did not end in time")
    os._exit(1)


def _worker(redis: Redis) -> Worker:
    return Worker(
        [StoppableQueue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)],
        connection=redis,
        serializer=JSONSerializer,
        default_result_ttl=10,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )


def _burst(running: Runtime, redis: Redis) -> None:
    while running.queue.awake():
        running.queue.nudge()
        _worker(redis).work(burst=True, logging_level="WARNING")
        if STOPPING.wait(0.02):  # others may hold what is still awake
            return


def preload() -> None:
    """Import what every child needs. Opens no socket and starts no thread: both die in a fork."""
    for name in PRELOAD:
        importlib.import_module(name)


def run(settings: Settings, burst: bool = False, processes: int | None = None) -> None:
    """The role `worker`: keep `processes` workers alive until SIGTERM or SIGINT."""
    preload()
    registry.warm(settings)
    if burst:
        signal.signal(signal.SIGTERM, lambda *_: STOPPING.set())
        work(settings, burst=True)
        return
    gc.collect()
    gc.freeze()  # forked children then share these pages
    Parent(lambda: work(settings, burst=False)).keep(processes or min(4, os.cpu_count() or 1))


class Parent:
    """Forks children that run `child` and starts those again that die."""

    def __init__(self, child: Callable[[], None]) -> None:
        self._child = child
        self._started: dict[int, float] = {}  # pid -> time of its start
        self._pulses: dict[int, Pulse] = {}
        self._failures = 0
        self._not_before = 0.0  # no child is started before, monotonic

    def keep(self, count: int) -> None:
        """Until SIGTERM or SIGINT, which are passed on; returns when every child has ended."""
        for signum in SIGNALS:
            signal.signal(signum, lambda *_: self._stop())
        while not STOPPING.is_set():
            while len(self._started) < count and self._may_start():
                self._start()
            self._reap(os.WNOHANG)
            self._end_silent()
            time.sleep(0.1)  # STOPPING.wait could hold the event's lock when the handler sets it
        self._end(time.monotonic() + PATIENCE)

    def _end(self, deadline: float) -> None:
        """Wait for the children. One that does not end (RQ waits for a Redis that is away without
        looking at the wish to stop) is killed: its mailboxes are rung when their leases end."""
        while self._started:
            self._reap(os.WNOHANG)
            if time.monotonic() > deadline:
                for pid in self._started:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _end_silent(self) -> None:
        """Kill children that hang so deeply that they do nothing any more."""
        for pid, pulse in self._pulses.items():
            if pulse.age > SILENT:
                log.error("a worker hangs, killing it", silent_seconds=round(pulse.age))
                pulse.beat()  # once is enough
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _may_start(self) -> bool:
        return not STOPPING.is_set() and time.monotonic() >= self._not_before

    def _start(self) -> None:
        """Signals wait meanwhile: no child may act on its parent's handler, or be left out of it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pulse = Pulse()
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            self._be_child(parent, pulse)
        self._started[pid] = time.monotonic()
        self._pulses[pid] = pulse
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _be_child(self, parent: int, pulse: Pulse) -> NoReturn:
        code = 1
        try:
            for signum in SIGNALS:
                signal.signal(signum, lambda *_: STOPPING.set())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            end_with_parent()  # an orphan would work on beside the next parent's children
            pulse.keep()
            if os.getppid() == parent:
                self._child()
            code = 0
        except KeyboardInterrupt:
            code = 0
        except BaseException:
            log.exception("worker failed")
        finally:
            os._exit(code)

    def _stop(self) -> None:
        STOPPING.set()
        for pid in self._started:
            with suppress(ProcessLookupError):  # it ended a moment ago
                os.kill(pid, signal.SIGTERM)

    def _reap(self, flags: int) -> None:
        for pid, how in _ended(list(self._started), flags):
            ENDS.labels(how).inc()
            now = time.monotonic()
            lived = now - self._started.pop(pid)
            self._pulses.pop(pid).close()
            if STOPPING.is_set():
                continue
            self._failures = 0 if lived > QUICK_DEATH else self._failures + 1
            pause = min(0.1 * 2**self._failures, LONGEST_PAUSE) if self._failures else 0.0
            self._not_before = max(self._not_before, now + pause)
            log.warning("worker ended, starting another", lived_seconds=round(lived, 1))


def _ended(pids: Iterable[int], flags: int) -> list[tuple[int, str]]:
    """Of the children those that have ended, and how: `exit 0`, `signal 9`."""
    found = []
    for pid in pids:
        try:
            ended, status = os.waitpid(pid, flags)
        except ChildProcessError:
            found.append((pid, "unknown"))
            continue
        if ended:
            code = os.waitstatus_to_exitcode(status)
            found.append((pid, f"signal {-code}" if code < 0 else f"exit {code}"))
    return found
