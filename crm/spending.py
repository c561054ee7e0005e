"""How much of a provider's limit the calls of the last while have used. Pure.

A provider counts what is asked of it in units, over a stretch of time, for each mailbox. We count as
well, and keep it with the mailbox, so as to stop short of the limit. A stretch is counted in SLOTS
slots, each of which counts until all of it is over: wherever the provider's own stretch begins, it
never holds more than is allowed.
"""

import json
from dataclasses import dataclass
from datetime import datetime

SLOTS = 6


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many units in any stretch of so many seconds."""

    units: int
    seconds: float

    def slot(self, now: datetime) -> int:
        """The number of the slot that `now` lies in."""
        return int(now.timestamp() / self.seconds * SLOTS)

    def over(self, slot: int, now: datetime) -> float:
        """In how many seconds a slot counts no more."""
        return (slot + SLOTS + 1) * self.seconds / SLOTS - now.timestamp()


@dataclass(frozen=True, slots=True)
class Spent:
    """Units by slot, oldest first."""

    slots: tuple[tuple[int, int], ...] = ()

    @property
    def units(self) -> int:
        return sum(units for _, units in self.slots)

    def lately(self, allowed: Allowance, now: datetime) -> "Spent":
        """What still counts. What lies far ahead was stored by a clock that was put back since, or
        for another provider: that counts for nothing."""
        this = allowed.slot(now)
        return Spent(tuple(each for each in self.slots if abs(this - each[0]) <= SLOTS))

    def wait(self, units: int, allowed: Allowance, now: datetime) -> float:
        """Seconds until `units` more are allowed; 0 where they are. More than is ever allowed at
        once may be spent when nothing else is."""
        held = self.lately(allowed, now)
        left, seconds = held.units, 0.0
        for slot, used in held.slots:
            if left + units <= allowed.units:
                break
            left, seconds = left - used, allowed.over(slot, now)
        return max(seconds, 0.0)

    def plus(self, units: int, allowed: Allowance, now: datetime) -> "Spent":
        """With `units` of this moment."""
        held, this = dict(self.lately(allowed, now).slots), allowed.slot(now)
        held[this] = held.get(this, 0) + units
        return Spent(tuple(sorted(held.items())))

    def text(self) -> str:
        return json.dumps(self.slots, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> "Spent":
        """What `text` wrote. Nothing of '', and of what another version wrote in another way."""
        try:
            return cls(tuple((int(slot), int(units)) for slot, units in json.loads(text or "[]")))
        except (TypeError, ValueError):
            return cls()


NOTHING = Spent()
