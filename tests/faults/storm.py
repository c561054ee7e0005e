"""When what goes wrong: a plan of fixed length in which each kind has its number, or half an hour in
which any kind may come at any time."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from tests.faults.kinds import Injections, Kind, NotNow
from tests.faults.letters import Letters

BURST = 10  # letters that arrive at once, on the average
BEFORE_END = 0.9  # of the time: then nothing is injected any more but deaths
SOAK_PAUSE = 2.0  # seconds between two injections, on the average
SOAK_BURST = 7.0  # seconds between two bursts of letters, on the average
LATER = 0.3  # seconds until another try to kill what is not there
ALONE = 150.0  # seconds at most that a kind has to heal in a run of one kind after the other
INSISTING = 400.0  # seconds for all kinds together that nobody met in the storm
TRIES = 2  # to have one of them met
PATIENCE = 300.0  # seconds of such tries after the planned time
DEATHS = ("SIGTERM", "SIGKILL")


@dataclass
class Storm:
    """Delivers letters and injects kinds meanwhile."""

    letters: Letters
    kinds: Sequence[Kind]
    injections: Injections
    random: Random

    def planned(self, letters: int, seconds: float, moods: int) -> None:
        """`letters` over `seconds`; kinds that do not say how often come `moods` times each."""
        numbers = itertools.count()
        events = [(at, next(numbers), act) for at, act in self._events(letters, seconds, moods)]
        heapq.heapify(events)
        began = time.monotonic()
        while events:
            at, _, act = heapq.heappop(events)
            self._wait(began + at)
            try:
                act()
            except NotNow as error:
                again = time.monotonic() - began + LATER
                if again > seconds + PATIENCE:
                    raise RuntimeError(f"not possible: {act}") from error
                heapq.heappush(events, (again, next(numbers), act))
        self._wait(began + seconds)

    def soak(self, seconds: float) -> None:
        """Any of the kinds, each as likely as another, for so long."""
        until = time.monotonic() + seconds
        next_letters = next_fault = 0.0
        while (now := time.monotonic()) < until:
            if now >= next_letters:
                self._burst(self.random.randint(1, 2 * BURST))
                next_letters = now + self.random.expovariate(1 / SOAK_BURST)
            if now >= next_fault:
                self._began(self.random.choice(self.kinds))
                next_fault = now + self.random.expovariate(1 / SOAK_PAUSE)
            self._wait(min(next_letters, next_fault, until))

    def one_by_one(self, settled: Callable[[], bool]) -> None:
        """Each kind alone, with a burst before it and one after its beginning; the next one comes
        when everything is settled. What announces itself afterwards brings what nobody heard of."""
        for kind in self.kinds:
            self._burst(BURST // 2)
            while not self._began(kind):
                time.sleep(LATER)
            self._burst(BURST // 2)
            self.injections.end_all()
            self.letters.tick_late()
            self.letters.sweep()
            until = time.monotonic() + ALONE
            while not settled() and time.monotonic() < until:
                time.sleep(LATER)

    def insist(self, met: Callable[[], dict[str, int]]) -> None:
        """Each kind again of which no request took notice, alone and with mail, until one does."""
        begun = {each.kind.name for each in self.injections.done}
        until = time.monotonic() + INSISTING
        for kind in [each for each in self.kinds if each.fault and each.name in begun]:
            lasting = replace(kind, until=lambda name=kind.fault: met().get(name, 0) > 0)
            for _ in range(TRIES):
                if time.monotonic() > until or (lasting.until and lasting.until()):
                    break
                self._began(lasting)
                while self.injections.tick():
                    self._burst(1)
                    time.sleep(1.0)

    def _began(self, kind: Kind) -> bool:
        with suppress(NotNow):
            self.injections.begin(kind)
            return True
        return False

    def _wait(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self.injections.tick()
            time.sleep(min(left, 0.2))

    def _burst(self, letters: int) -> None:
        for _ in range(letters):
            self.letters.one()

    def _events(
        self, letters: int, seconds: float, moods: int
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """What happens when, in seconds. Two of three deaths come within a second after a burst of
        mail, when there is work to disturb."""
        random = self.random
        bursts = sorted(random.uniform(0, seconds) for _ in range(max(letters // BURST, 1)))
        shares = [letters // len(bursts)] * len(bursts)
        shares[-1] += letters - sum(shares)
        for at, share in zip(bursts, shares, strict=True):
            yield at, partial(self._burst, share)
        for kind in self.kinds:
            death = kind.name.startswith(DEATHS)
            for _ in range(moods if kind.times is None else kind.times):
                at = random.uniform(0, seconds * (1 if death else BEFORE_END))
                if death and random.random() < 2 / 3:
                    at = random.choice(bursts) + random.uniform(0, 1)
                yield at, partial(self.injections.begin, kind)
