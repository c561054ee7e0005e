"""Deaths: of the processes of `replylog all`, of Redis, of the database."""

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url

from crm.database import BUSY_SECONDS
from tests.faults.kinds import End, Kind, NotNow
from tests.faults.office import Office, children_of

if TYPE_CHECKING:
    from tests.postgres import Server

LOCKED_SECONDS = BUSY_SECONDS + 3.0


@dataclass
class Processes:
    """The processes of `replylog all`, found by /proc; `server` is the database's, where it has one."""

    office: Office
    all_pid: int
    random: Random
    server: "Server | None" = None

    def kinds(self, terms: int, kills: int, redis_kills: int, parent_kills: int) -> Iterator[Kind]:
        """`terms` and so on: how often; the rest as often as the plan says."""
        yield Kind("SIGTERM of a worker", lambda: self._worker(signal.SIGTERM), times=terms)
        yield Kind("SIGKILL of a worker", lambda: self._worker(signal.SIGKILL), times=kills)
        yield Kind("SIGKILL of the workers' parent", self._role(" worker "), times=parent_kills)
        yield Kind("SIGKILL of Redis", self._role("redis-server"), times=redis_kills)
        yield Kind("SIGKILL of the web and webhooks process", self._role("serve-both", "granian"))
        yield Kind("SIGKILL of the timetable", self._role(" timetable"))
        yield Kind("two timetables", self._second_timetable, seconds=6.0)
        yield Kind("Redis emptied (FLUSHALL)", self._flush)
        yield Kind("Redis killed and its files deleted", self._redis_lost)
        if self.server is not None:
            yield Kind("PostgreSQL stopped at once and started", self.server.restart)
        else:
            yield Kind(
                f"SQLite locked for {LOCKED_SECONDS:.0f} s", self._lock, seconds=LOCKED_SECONDS
            )

    def parent(self) -> int | None:
        """The process that keeps the workers."""
        return self._child(" worker ")

    def _child(self, *marks: str) -> int | None:
        """The child of `replylog all` with one of these in its command line."""
        found = children_of(self.all_pid).items()
        return next((pid for pid, command in found if any(m in command for m in marks)), None)

    def workers(self) -> list[int]:
        parent = self.parent()
        return sorted(children_of(parent)) if parent else []

    def _worker(self, signum: signal.Signals) -> None:
        """One worker, at random."""
        workers = self.workers()
        if not workers:
            raise NotNow
        _kill(self.random.choice(workers), signum)

    def _role(self, *marks: str) -> Callable[[], None]:
        return lambda: _kill(self._child(*marks), signal.SIGKILL)

    def _second_timetable(self) -> End:
        stack = ExitStack()
        stack.enter_context(self.office.role("timetable", name="second-timetable"))
        return stack.close

    def _flush(self) -> None:
        try:
            with _client(self.office) as redis:
                redis.flushall()
        except (RedisError, OSError) as error:
            raise NotNow from error

    def _redis_lost(self) -> None:
        _kill(self._child("redis-server"), signal.SIGKILL)
        folder = self.office.settings.var / "redis"
        with suppress(FileNotFoundError):  # all at once: the next one may be starting already
            shutil.rmtree((folder / "appendonlydir").rename(folder / f"lost-{time.time_ns()}"))

    def _lock(self) -> End:
        """Somebody else writes for a long time. In a thread of its own: whoever injects has to write,
        too."""
        path = make_url(self.office.settings.resolved_database_url).database or ""
        thread = threading.Thread(target=_hold, args=(path, LOCKED_SECONDS), daemon=True)
        thread.start()
        return thread.join


def _kill(pid: int | None, signum: signal.Signals) -> None:
    if pid is None:
        raise NotNow
    try:
        os.kill(pid, signum)
    except ProcessLookupError as error:
        raise NotNow from error


def _hold(path: str, seconds: float) -> None:
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        held.execute("ROLLBACK")


@contextmanager
def _client(office: Office) -> Iterator[Redis]:
    """A client of the embedded Redis."""
    folder = office.settings.var.resolve() / "redis"
    record = folder / "socket"
    path = record.read_text().strip() if record.exists() else str(folder / "redis.sock")
    client = Redis(unix_socket_path=path, socket_timeout=5)
    try:
        yield client
    finally:
        client.close()
