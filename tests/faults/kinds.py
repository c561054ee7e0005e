"""What a kind of fault is, and what is remembered of each time it was injected."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

PATIENCE = 90.0  # seconds
DISTANCE = 9.0  # seconds between kinds that are kept apart
End: TypeAlias = Callable[[], object]


class NotNow(Exception):
    """What is to be killed is not there at the moment: it is tried again a little later."""


@dataclass(frozen=True)
class Kind:
    """Something that goes wrong. `inject` makes it so and gives what ends it (None where it is over
    at once); `seconds`: how long it lasts; `until`: what it waits for then, for PATIENCE at most.
    `fault`: by which name the sandbox counts the requests that met it. `apart`: kinds of one such
    group keep a distance from each other. `times`: how often in a run, None = as often as the plan
    says of all."""

    name: str
    inject: Callable[[], End | None]
    seconds: float = 0.0
    until: Callable[[], bool] | None = None
    fault: str = ""
    apart: str = ""
    times: int | None = None


@dataclass
class Injection:
    """One time that something went wrong, in seconds of the monotonic clock."""

    kind: Kind
    began: float
    ended: float | None = None
    end: End | None = None

    def tick(self) -> None:
        """End it when it has lasted long enough."""
        lasted = time.monotonic() - self.began - self.kind.seconds
        if self.ended is not None or lasted < 0:
            return
        if self.kind.until and lasted < PATIENCE and not self.kind.until():
            return
        if self.end is not None:
            self.end()
        self.ended = time.monotonic()


@dataclass
class Injections:
    """All that went wrong in a run, and what of it still lasts."""

    done: list[Injection] = field(default_factory=list)

    def begin(self, kind: Kind) -> None:
        """Raises NotNow."""
        began = time.monotonic()
        for each in self.done:
            other = each.kind.apart == kind.apart and each.kind.name != kind.name
            if kind.apart and other and (each.ended or began) + DISTANCE > began:
                raise NotNow
        self.done.append(Injection(kind, began, end=kind.inject()))

    def tick(self) -> bool:
        """End what has lasted long enough; whether something lasts still."""
        for each in self.done:
            each.tick()
        return any(each.ended is None for each in self.done)

    def end_all(self) -> None:
        """Wait until nothing goes wrong any more."""
        while self.tick():
            time.sleep(0.2)
