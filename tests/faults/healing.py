"""How long it took to heal: when each copy was first seen as it must be, beside what went wrong when.

An injection has healed when every copy that could have been settled by its end is as it must be.
Others were injected meanwhile, and the journal is looked at twice a second: so the times are upper
bounds. A copy was `on its way` during an injection when it could have been settled before its end
and was not before its beginning.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from crm.database import OperationalError
from tests.faults.kinds import Injection
from tests.faults.letters import Key, Letters
from tests.faults.office import Office
from tests.faults.verdicts import Found, journal

EVERY = 0.5  # seconds


@dataclass
class Watcher:
    """Notes when each copy is first seen as it must be, in seconds of the monotonic clock."""

    office: Office
    letters: Letters
    settled: dict[Key, float] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look again and again until the end of the block, and once more."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(EVERY):
                with suppress(OperationalError):  # away: it is one of the faults
                    self.look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.look()

    def look(self) -> None:
        now, rows = time.monotonic(), journal(self.office)
        for each in list(self.letters.expected):
            if each.key not in self.settled and each.right(*rows.get(each.key, ("", ""))):
                self.settled[each.key] = now

    def due_by(self, when: float) -> list[Key]:
        """The copies that could have been settled by then."""
        return [each.key for each in self.letters.expected if self.letters.due[each.key] <= when]

    def on_the_way(self, injection: Injection) -> set[Key]:
        ended = injection.ended or injection.began
        return {
            each
            for each in self.due_by(ended)
            if self.settled.get(each, float("inf")) >= injection.began
        }

    def healed_after(self, injection: Injection) -> float:
        """Seconds from an injection's end until all that was due then was settled."""
        ended = injection.ended or injection.began
        last = max((self.settled.get(each, float("inf")) for each in self.due_by(ended)), default=0)
        return max(0.0, last - ended)


def table(
    watcher: Watcher, injections: Sequence[Injection], found: Found, met: dict[str, int]
) -> list[dict[str, Any]]:
    """A row for each kind of fault, by name."""
    by_kind: dict[str, list[Injection]] = {}
    for injection in injections:
        by_kind.setdefault(injection.kind.name, []).append(injection)
    copies = {each.key: each for each in watcher.letters.expected}
    rows = []
    for name, some in sorted(by_kind.items()):
        way = {key for injection in some for key in watcher.on_the_way(injection)}
        healed = [watcher.healed_after(injection) for injection in some]
        fault = some[0].kind.fault
        rows.append(
            {
                "fault": name,
                "times": len(some),
                "met": met.get(fault, 0) if fault else None,
                "expected": len(way),
                "logged": sum(copies[key].verdict == "logged" for key in way - found.lost),
                "duplicates": sum(
                    copies[key].message_id.strip("<>") in found.doubled for key in way
                ),
                "lost": len(way & found.lost),
                "wrong": len(way & found.wrong),
                "healed": round(median(healed), 1),
                "longest": round(max(healed), 1),
            }
        )
    return rows
