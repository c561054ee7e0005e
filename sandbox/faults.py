"""Faults on purpose: answers that go wrong and notifications that get lost, doubled or late."""

import re
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from random import Random

KINDS = ("delay", "status", "reset", "truncate", "bad_json")


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD /path?query" matches `match` (a regex)."""

    match: str
    kind: str
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    times: int | None = 1  # None = until taken away
    seconds: float = 0.0
    after: bool = False  # True: the request does its work first, only the answer is spoiled
    name: str = ""  # by which it can be taken away, and what met it is counted

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        re.compile(self.match)


class Faults:
    """The faults set at the moment; the first that matches is used up by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.met: Counter[str] = Counter()  # requests that met a fault, by its name

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def remove(self, fault: Fault) -> None:
        """Take one away; no harm when it is used up."""
        with self._lock:
            self._faults = [one for one in self._faults if one is not fault]

    def clear(self, name: str = "") -> None:
        """Take all away, or those of a name."""
        with self._lock:
            self._faults = [one for one in self._faults if name and one.name != name]

    def listing(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, method: str, path: str, inner: bool = False) -> Fault | None:
        """The fault for this request, counted down; None = behave. A request that travels `inner`
        a batch has no connection of its own: it can only be refused."""
        if not self._faults:
            return None
        with self._lock:
            line = f"{method} {path}"
            able = [f for f in self._faults if not inner or (f.kind == "status" and not f.after)]
            fault = next((f for f in able if re.search(f.match, line)), None)
            if fault:
                self.met[fault.name] += 1
            if fault and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault


@dataclass
class Sent:
    """A notification that left (or was dropped), for latency and tests."""

    provider: str
    address: str
    at: float  # seconds since the epoch when it left
    outcome: str  # "sent", "dropped" or the HTTP status it was answered with
    detail: Mapping[str, object]


@dataclass
class Notifications:
    """How notifications misbehave. `drop`: none leaves; `duplicate`: each leaves twice; `delay`:
    seconds of lateness; `reorder`: random lateness up to `reorder` seconds, so that they overtake."""

    drop: bool = False
    duplicate: bool = False
    delay: float = 0.0
    reorder: float = 0.0
    log: deque[Sent] = field(default_factory=lambda: deque(maxlen=10_000))
    _random: Random = field(default_factory=lambda: Random(7))

    def plan(self) -> list[float]:
        """When the next notification leaves: one delay in seconds per copy; empty = dropped."""
        if self.drop:
            return []
        times = 2 if self.duplicate else 1
        return [self.delay + self._random.uniform(0.0, self.reorder) for _ in range(times)]

    def record(
        self, provider: str, address: str, now: datetime, outcome: str, **detail: object
    ) -> None:
        """Note a notification; `outcome` is "sent", "dropped" or an HTTP status."""
        self.log.append(Sent(provider, address, now.timestamp(), outcome, detail))

    def clear(self) -> None:
        self.drop = self.duplicate = False
        self.delay = self.reorder = 0.0
        self.log.clear()
