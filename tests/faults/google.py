"""Moods that only Google has."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tests.faults.kinds import End, Kind
from tests.faults.moods import Moods

LIMITS = {
    "429 with the time in its text": "retry-after",
    "403 rateLimitExceeded": "403-rate",
    "403 userRateLimitExceeded": "403-user",
}
ONE = r"GET /gmail/v1/users/me/messages/"


@dataclass
class GoogleMoods(Moods):
    def kinds(self) -> Iterator[Kind]:
        yield from super().kinds()
        for name, limit in LIMITS.items():
            yield Kind(name, partial(self._limit, limit), seconds=2.0)
        refused = '{"error": {"code": 429, "message": "Too many concurrent requests for user"}}'
        yield self.fault("one of a batch refused", ONE, "status", times=3, status=429, body=refused)
        yield self.fault("one of a batch fails", ONE, "status", times=3, status=500, body="{}")
        yield Kind(
            "new message not found at first", self.switch(**{"gmail.get_lag": 1.5}), seconds=4.0
        )
        yield Kind(
            "push outruns the listing by 1 s",
            self.switch(**{"gmail.history_lag": 1.0}),
            seconds=4.0,
        )
        yield Kind("cursor expired, search behind", self._behind, seconds=4.0)
        yield Kind(
            "two calls at a time per user", self.switch(**{"gmail.concurrency": 2}), seconds=3
        )
        yield Kind(
            "certificates' host down, new key",
            self._certificates,
            seconds=4.0,
            fault="certificates",
        )
        yield Kind("another push client takes the watch", self._stolen, seconds=2.0)

    def _limit(self, kind: str) -> None:
        self.office.world.post("google/limit", address=self.anybody(), kind=kind, seconds=2)

    def _behind(self) -> End:
        end = self.switch(**{"gmail.search_lag": 2.0})()
        self.office.world.post("expire-history", address=self.anybody())
        return end

    def _certificates(self) -> End:
        """Pushes cannot be verified, are answered 503, and come again."""
        end = self.set_fault("certificates", "GET /oauth2/v1/certs", "status", times=None)
        self.office.world.post("rotate-certs", keep_old=True)
        return end

    def _stolen(self) -> End:
        address = self.anybody()
        self.office.world.post("google/steal-watch", address=address)
        return lambda: self.office.look_after_watches(address)
