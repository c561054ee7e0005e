"""A sign of life that a process leaves for its parent, in memory that both have.

A parser that never comes back may hold the interpreter's lock: then nothing of the process runs any
more, not even what would end it. Whoever looks from outside sees that the pulse stopped.
"""

import mmap
import struct
import threading
import time

EVERY = 1.0  # seconds
SILENT = 90.0  # twice a lease: by then its mailboxes are others'
_NOW = struct.Struct("d")


class Pulse:
    """Made by the parent before it forks."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _NOW.size)
        self.beat()

    def beat(self) -> None:
        self._shared[: _NOW.size] = _NOW.pack(time.monotonic())

    def keep(self) -> None:
        """In the child: beat from now on, in a thread of its own."""
        threading.Thread(target=self._beat_on, name="pulse", daemon=True).start()

    def _beat_on(self) -> None:
        pause = threading.Event()
        while not pause.wait(EVERY):
            self.beat()

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - float(_NOW.unpack(self._shared[: _NOW.size])[0])

    def close(self) -> None:
        self._shared.close()
