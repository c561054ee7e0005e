"""Waiting for what another process or thread does."""

import os
import time
from collections.abc import Callable


def busy() -> float:
    """How many times longer than on an idle machine things may take here and now; at least 1.

    A limit in seconds is meant for an idle machine: multiply it by this.
    """
    return max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def within(seconds: float, true: Callable[[], object]) -> bool:
    """Whether `true` becomes so in time, on a busy machine in more; it is asked every 20 ms."""
    deadline = time.monotonic() + seconds * busy()
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
