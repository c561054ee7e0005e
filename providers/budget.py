"""Counts what a mailbox's calls cost, and stops short of the provider's limit.

Every call of an adapter is paid for before it is made. The count comes from the mailbox's row and is
stored there again with each transaction of the run; a process that is killed forgets what it spent
since its last one. That, clocks that differ, and calls without a row (connecting, disconnecting) are
what the share is for that is left over.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from crm.spending import Allowance, Spent
from providers.client import OutOfBudget

SHARE = 0.9  # of a limit


def allowance(limit: int, seconds: float) -> Allowance:
    """What we allow ourselves of `limit` units in so many seconds."""
    return Allowance(int(limit * SHARE), seconds)


class Budget:
    """Of one mailbox. One thread spends; any may look at `spent`."""

    def __init__(
        self,
        allowed: Allowance,
        spent: Spent,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.spent = spent
        self._allowed = allowed
        self._clock = clock
        self._begun = False
        self._left_over = 0

    def sparingly(self) -> None:
        """From here on a quarter is left over for mail that is still to come."""
        self._left_over = self._allowed.units // 4

    def spend(self, units: int) -> None:
        """Pay for a call that is about to be made. Nothing is begun that could not get on: the first
        one takes room for more. Raises OutOfBudget."""
        now, least = self._clock(), max(units, self._allowed.units // 10)
        room = (units if self._begun else least) + self._left_over
        if self.spent.wait(room, self._allowed, now):
            raise OutOfBudget(self.spent.wait(least + self._left_over, self._allowed, now))
        self._begun = True
        self.spent = self.spent.plus(units, self._allowed, now)
