"""Gmail's limits: units per user and minute, calls in flight, lock-outs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sandbox.google.errors import LIMITS, limited
from sandbox.world import World

LOCK_OUT = timedelta(minutes=15)


class Quota:
    """Counts units in fixed minutes; refuses with the shapes of `errors.LIMITS`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.used: Counter[tuple[str, int]] = Counter()  # (address or "", minute) -> units
        self.blocked: dict[str, tuple[str, datetime]] = {}  # address -> kind, until
        self._flying: Counter[str] = Counter()

    def reset(self) -> None:
        self.used.clear()
        self.blocked.clear()
        self._flying.clear()

    def block(self, address: str, kind: str, seconds: float) -> None:
        """Refuse everything of a user for a while; raises ValueError for an unknown kind."""
        if kind not in LIMITS:
            raise ValueError(f"kind is one of {', '.join(LIMITS)}")
        self.blocked[address] = (kind, self._world.now() + timedelta(seconds=seconds))

    def spend(self, address: str, units: int) -> None:
        """Take units of the minute; raises GoogleError when there are none left."""
        now = self._world.now()
        kind, until = self.blocked.get(address, ("", now))
        if until > now:
            if self._world.switches["gmail.rearm"]:
                until += timedelta(seconds=60)
                self.blocked[address] = (kind, until)
            raise limited(kind, until)
        minute = int(now.timestamp() // 60)
        self._check(address, minute, units, "gmail.units_per_minute")
        self._check("", minute, units, "gmail.project_units_per_minute")
        self.used[address, minute] += units
        self.used["", minute] += units

    def _check(self, whose: str, minute: int, units: int, switch: str) -> None:
        if not self._world.switches["gmail.quota"]:
            return
        if self.used[whose, minute] + units <= int(str(self._world.switches[switch])):
            return
        self._world.count("gmail.refused.quota")
        if whose:
            until = self._world.now() + LOCK_OUT
            self.blocked[whose] = ("retry-after", until)
            raise limited("retry-after", until)
        raise limited("exhausted", self._world.now())

    @contextmanager
    def flying(self, address: str) -> Iterator[None]:
        """One call in flight; raises GoogleError when there are too many."""
        with self._world.lock:
            if self._flying[address] >= int(str(self._world.switches["gmail.concurrency"])):
                self._world.count("gmail.refused.concurrent")
                raise limited("concurrent", self._world.now())
            self._flying[address] += 1
        try:
            yield
        finally:
            with self._world.lock:
                self._flying[address] -= 1
