"""What goes wrong in a run: deaths of processes, and a misbehaving provider."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import requests

from tests.faults.office import Office, children_of, within

API = {"gmail": "/(gmail|batch)", "graph": r"/v1\.0/(me|users|\$batch)"}


@dataclass
class Processes:
    """The processes of `replylog all`, found by /proc."""

    all_pid: int
    random: Random
    killed: Counter[str] = field(default_factory=Counter)

    def parent(self) -> int | None:
        """The process that keeps the workers."""
        found = children_of(self.all_pid)
        return next((pid for pid, command in found.items() if " worker " in command), None)

    def workers(self) -> list[int]:
        parent = self.parent()
        return sorted(children_of(parent)) if parent else []

    def kill_worker(self, signum: signal.Signals) -> None:
        """One worker, at random; waits for one to be there."""
        within(20, self.workers, 0.02)
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.random.choice(self.workers()), signum)
            self.killed[signum.name] += 1

    def kill_parent(self) -> None:
        """The workers' keeper; counted apart from workers."""
        parent = self.parent()
        if parent:
            os.kill(parent, signal.SIGKILL)
            self.killed["SIGKILL of the workers' parent"] += 1

    def redis(self) -> int | None:
        found = children_of(self.all_pid)
        return next((pid for pid, command in found.items() if "redis-server" in command), None)

    def kill_redis(self) -> None:
        within(20, self.redis, 0.02)
        pid = self.redis()
        if pid:
            os.kill(pid, signal.SIGKILL)
            self.killed["SIGKILL of Redis"] += 1


@dataclass
class Provider:
    """The pretend provider's moods, each for some seconds or some requests."""

    office: Office
    provider: str
    random: Random
    done: Counter[str] = field(default_factory=Counter)
    _until: float = 0.0  # when notifications behave again, monotonic

    def moods(self) -> dict[str, Callable[[], None]]:
        return {
            "429 with Retry-After": self.limited,
            "503": self.unavailable,
            "connection reset": self.reset,
            "answer cut off": self.truncated,
            "work done, answer lost": self.lost_answer,
            "notifications dropped for 3 s": lambda: self.notifications(drop=True),
            "notifications doubled for 3 s": lambda: self.notifications(duplicate=True),
            "notifications 2 s late for 3 s": lambda: self.notifications(delay=2.0),
            "notifications overtaking for 3 s": lambda: self.notifications(reorder=1.5),
            "cursors expired": self.expire_cursor,
            "access tokens expired": self.expire_token,
        }

    def tick(self) -> None:
        """Let notifications behave again when it is time."""
        if self._until and time.monotonic() > self._until:
            self.calm()

    def calm(self) -> None:
        self._until = 0.0
        self.office.world.post("notifications", drop=False, duplicate=False, delay=0.0, reorder=0.0)

    def forgive(self) -> None:
        """Take away what would still go wrong with requests."""
        requests.delete(f"{self.office.world.url}/control/faults", timeout=10).raise_for_status()

    def notifications(self, **how: object) -> None:
        self.calm()
        self.office.world.post("notifications", **how)
        self._until = time.monotonic() + 3

    def _fault(self, kind: str, times: int, **more: object) -> None:
        self.office.world.post("faults", match=API[self.provider], kind=kind, times=times, **more)

    def limited(self) -> None:
        self._fault("status", 3, status=429, headers={"Retry-After": "2"}, body="{}")

    def unavailable(self) -> None:
        self._fault("status", 3, status=503, body="{}")

    def reset(self) -> None:
        self._fault("reset", 2)

    def truncated(self) -> None:
        self._fault("truncate", 2)

    def lost_answer(self) -> None:
        self._fault("reset", 2, after=True)

    def _anybody(self) -> str:
        return self.random.choice(list(self.office.mailboxes))

    def expire_cursor(self) -> None:
        self.office.world.post("expire-history", address=self._anybody())

    def expire_token(self) -> None:
        self.office.world.post("expire-tokens", address=self._anybody())
