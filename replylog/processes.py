"""Everything on one machine: one process that keeps the roles and the embedded Redis alive.

A child that ends is started again after a pause that grows with each quick death. SIGTERM or SIGINT
ends all of them in good order within 15 seconds; if this process is killed, they end themselves.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from infra import redis_server
from infra.children import end_with_parent

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.1
SETTLED_SECONDS = 10.0  # who lived so long did not die of its start
LONGEST_PAUSE = 10.0
PATIENCE = 11.0  # for roles to end by themselves; Redis has 3 more, which makes less than 15


@dataclass
class Child:
    """A role in a process of its own, started anew whenever it ends."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    not_before: float = 0.0
    quick_deaths: int = 0

    def keep(self, now: float) -> None:
        """Start it when it does not run and its pause is over; `now` in seconds, monotonic."""
        if self.process is not None and self.process.poll() is not None:
            self._bury(self.process.returncode, now)
        if self.process is None and now >= self.not_before:
            self.started = now
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us: we end them in order, and once
                preexec_fn=end_with_parent,
            )

    def _bury(self, code: int, now: float) -> None:
        lived = now - self.started
        self.quick_deaths = 0 if lived > SETTLED_SECONDS else self.quick_deaths + 1
        pause = min(0.25 * 2**self.quick_deaths, LONGEST_PAUSE) if self.quick_deaths else 0.0
        log.warning("role ended, starting it again", name=self.name, exit_code=code,
                  lived_seconds=round(lived, 1), pause_seconds=pause)  # fmt: skip
        self.process, self.not_before = None, now + pause


class EmbeddedRedis:
    """The Redis under `var`, started again when it is gone."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._server = redis_server.start(var)
        self._next_look = 0.0

    @property
    def url(self) -> str:
        return self._server.url

    def keep(self, now: float) -> None:
        ours = self._server.process
        if now < self._next_look or (ours is not None and ours.poll() is None):
            return
        self._next_look = now + 1
        if redis_server.answers(self._server.socket):
            return
        log.warning("Redis ended, starting it again")
        try:
            self._server = redis_server.start(self._var)
        except redis_server.RedisServerError as error:
            log.warning("Redis did not start", reason=str(error))
            self._next_look = now + LONGEST_PAUSE

    def stop(self) -> None:
        self._server.stop(patience=3)


def keep(children: Iterable[Child], redis: EmbeddedRedis | None, ready: Callable[[], bool]) -> None:
    """Keep all of them alive until SIGTERM or SIGINT, then end them.

    `ready` is called now and then until it returns True: the moment to tell people.
    """
    group = list(children)
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    told, looks = False, 0
    while not stopping.wait(LOOK_SECONDS):
        now = time.monotonic()
        if redis is not None:
            redis.keep(now)
        for child in group:
            child.keep(now)
        looks += 1
        told = told or (looks % 3 == 0 and ready())
    end(child.process for child in group if child.process is not None)


def end(processes: "Iterable[subprocess.Popen[bytes]]") -> None:
    """Ask all to end, and kill those that have not done so after PATIENCE seconds."""
    alive = list(processes)
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in alive:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("a role did not end in time and was killed", pid=process.pid)
            process.kill()
            process.wait()
