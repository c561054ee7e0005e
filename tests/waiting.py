"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable

LEAST = 60.0  # seconds


def patience(seconds: float) -> float:
    """How long to wait for what a quiet machine does within `seconds`: only a failure waits so long.

    A busy machine is no failure, and how busy it will be nobody knows beforehand.
    """
    return max(LEAST, 10 * seconds)


def within(seconds: float, true: Callable[[], object], step: float = 0.02) -> bool:
    """Whether `true` becomes so, as it does on a quiet machine within `seconds`, on a busy one later;
    it is asked every `step` seconds."""
    deadline = time.monotonic() + patience(seconds)
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True
