"""The pretend provider's moods that Google and Microsoft share: refusals, broken connections,
notifications that get lost, cursors and tokens that end."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.faults.kinds import End, Kind
from tests.faults.letters import Letters
from tests.faults.office import Office, within

API = {"gmail": "/(gmail|batch)", "graph": r"/v1\.0/(me|users|\$batch)"}
TOKENS = {"gmail": "POST /token", "graph": "POST /[^/]+/oauth2/v2.0/token"}
WAITS = {
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "2"}},
    "429 without Retry-After": {"status": 429},
    "429 with Retry-After of zero": {"status": 429, "headers": {"Retry-After": "0"}},
    "500": {"status": 500},
    "503": {"status": 503},
    "503 with Retry-After": {"status": 503, "headers": {"Retry-After": "1"}},
}
NAMELESS = "connections broken while there are no names"
RING_AGAIN = 4.0  # seconds
PATIENCE = 6.0  # seconds after which a fault that nobody met is taken away


@dataclass
class Moods:
    """Of one provider in one world. Every request fault has a name, by which the sandbox counts the
    requests that met it."""

    office: Office
    letters: Letters
    provider: str
    random: Random
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lost: dict[str, float] = field(default_factory=dict)  # consents, and when they were rung

    def kinds(self) -> Iterator[Kind]:
        yield from self._refusals()
        yield from self._notifications()
        yield Kind("cursors expired", lambda: self._cut("expire-history"))
        yield Kind("access tokens expired", lambda: self._cut("expire-tokens"))
        for status, lasts in ((503, 4.0), (429, 2.0)):
            how = {"status": status, "times": None, "body": "{}"}
            yield self._tokens(f"token endpoint answers {status}", "status", lasts, **how)
        late = {"times": 2, "seconds": 3.0}
        yield self._tokens("token endpoint answers 3 s late", "delay", PATIENCE, **late)
        yield Kind("host name cannot be resolved", self._no_names, seconds=4.0, fault=NAMELESS)
        yield Kind("a watch ends and nobody is told", self._unwatched, seconds=2.0)
        yield Kind(
            "consent lost and given again",
            self._consent,
            seconds=1.0,
            until=self._given_again,
            apart="clock",
        )
        yield Kind("provider's clock 8 s ahead", self._skew(8), seconds=3.0, apart="clock")
        yield Kind("provider's clock 8 s behind", self._skew(-8), seconds=3.0, apart="clock")
        yield Kind("moved to another folder at once", lambda: self.letters.moved(self.provider))
        yield Kind("an inbox rule is made in mid-run", self._rule, seconds=2.0, times=1)
        yield Kind("the same message delivered twice", lambda: self._letter("twice"))
        yield Kind("an answer before its root is ticked", lambda: self._letter("late-root"))

    def _refusals(self) -> Iterator[Kind]:
        api = API[self.provider]
        for name, how in WAITS.items():
            yield self.fault(name, api, "status", times=3, body="{}", **how)
        yield self.fault("connection reset", api, "reset", times=2)
        yield self.fault("answer cut off", api, "truncate", times=2)
        yield self.fault("work done, answer lost", api, "reset", times=2, after=True)
        yield self.fault("answer that is no JSON", api, "bad_json", times=2)
        yield self.fault("JSON of another shape", api, "bad_json", times=2, body='{"odd": [1]}')
        yield self.fault("a page of HTML for an answer", api, "bad_json", times=2, body="<p>Oops")
        yield self.fault("answers 3 s late", api, "delay", times=6, seconds=3.0)
        yield self.fault("no answer for 25 s", api, "delay", times=2, seconds=25.0)

    def fault(self, name: str, match: str, kind: str, **more: Any) -> Kind:
        """Goes wrong with `times` requests, or until `PATIENCE` is over."""

        def inject() -> End:
            return self.set_fault(name, match, kind, **more)

        return Kind(name, inject, seconds=PATIENCE, fault=name)

    def set_fault(self, name: str, match: str, kind: str, **more: Any) -> End:
        """Set a fault in the sandbox; what takes it away."""
        self.office.world.post("faults", name=name, match=match, kind=kind, **more)
        return lambda: self.office.world.delete("faults", name=name)

    def switch(self, **switches: object) -> Callable[[], End]:
        """Turn switches of the sandbox; ending it puts them back."""

        def inject() -> End:
            before = self.office.world.get("switches")
            kept = {each: self._first(each, before) for each in switches}
            self.office.world.post("switches", **switches)
            return lambda: self.office.world.post("switches", **kept)

        return inject

    def _first(self, name: str, now: dict[str, object]) -> object:
        """What a switch was before anything was turned: two of a kind may overlap."""
        return self.office.calm.setdefault(name, now[name])

    def anybody(self) -> str:
        """A mailbox of this provider whose owner's consent stands."""
        return self.random.choice(self.letters.at_home(self.provider) or self._all())

    def _all(self) -> list[str]:
        of = self.office.provider_of
        return [each for each in self.letters.owners if of(each) == self.provider]

    def _cut(self, how: str) -> None:
        self.office.world.post(how, address=self.anybody())

    def _tokens(self, name: str, kind: str, lasts: float, **how: Any) -> Kind:
        """The token endpoint fails when somebody needs it."""

        def inject() -> End:
            end = self.set_fault(name, TOKENS[self.provider], kind, **how)
            address = self.anybody()
            self.office.world.post("expire-tokens", address=address)
            self.office.ring(address)
            return end

        return Kind(name, inject, seconds=lasts, fault=name)

    def _no_names(self) -> End:
        """Kept connections are broken, too: a new one needs the name."""
        self.office.names_down.touch()
        end = self.set_fault(NAMELESS, API[self.provider], "reset", times=8)

        def over() -> None:
            self.office.names_down.unlink(missing_ok=True)
            end()

        return over

    def _notifications(self) -> Iterator[Kind]:
        moods: dict[str, dict[str, Any]] = {
            "notifications dropped for 3 s": {"drop": True},
            "notifications doubled for 3 s": {"duplicate": True},
            "notifications 2 s late for 3 s": {"delay": 2.0},
            "notifications overtaking for 3 s": {"reorder": 1.5},
        }
        for name, how in moods.items():
            yield Kind(name, self._notify(how), seconds=3.0)

    def _notify(self, how: dict[str, Any]) -> Callable[[], End]:
        def inject() -> End:
            self.office.world.post("notifications", **how)
            calm = {name: type(value)() for name, value in how.items()}
            return lambda: self.office.world.post("notifications", **calm)

        return inject

    def _unwatched(self) -> End:
        """What a renewal brings within a day is brought forward by the end."""
        address = self.anybody()
        self.end_watch(address)
        return lambda: self.office.look_after_watches(address)

    def end_watch(self, address: str) -> None:
        path = {"gmail": "google/end-watch", "graph": "microsoft/end-subscriptions"}
        self.office.world.post(path[self.provider], address=address)

    def _consent(self) -> End:
        """Given again when it was noticed, that is. Nobody writes to the owner meanwhile: what arrives
        without consent is another story."""
        address = self.anybody()
        self.letters.away[address] += 1
        self.office.world.post("consent", address=address)
        self.office.world.post("expire-tokens", address=address)
        self.office.ring(address)
        self._lost[address] = time.monotonic()

        def again() -> None:
            if address in self._lost and not within(60, lambda: self.office.reconnect(address)):
                raise RuntimeError(f"{address} could not be connected again")
            self._lost.pop(address, None)
            self.letters.away[address] -= 1

        return again

    def _given_again(self) -> bool:
        """Connect again who is stopped, where the provider lets that be; whether all are. A ring may
        have come during a run, which then says itself when it wants to be rung."""
        now = time.monotonic()
        for address, rung_at in list(self._lost.items()):
            if not self.office.stopped(address):
                if now > rung_at + RING_AGAIN:
                    self.office.ring(address)
                    self._lost[address] = now
            elif self.office.reconnect(address):
                del self._lost[address]
        return not self._lost

    def _skew(self, seconds: float) -> Callable[[], End]:
        """Kept apart from lost consents: by a wrong clock mail would seem to have arrived without."""

        def inject() -> End:
            self.office.world.post("skew", seconds=seconds)
            return lambda: self.office.world.post("skew", seconds=0)

        return inject

    def _rule(self) -> End:
        """All mail of one contact goes to a folder of its own from now on. Nothing announces a new
        rule; what a run looks at every ten minutes is brought forward by the end."""
        address = self.anybody()
        self.letters.rule(address, f"Of a contact {next(self._numbers)}")
        return lambda: self.office.look_after_watches(address)

    def _letter(self, kind: str) -> None:
        self.letters.one(kind, self.provider)
