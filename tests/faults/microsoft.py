"""Moods that only Microsoft has."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.faults.kinds import End, Kind
from tests.faults.moods import API, Moods

LIFECYCLE = {
    "lifecycle event subscriptionRemoved": "subscriptionRemoved",
    "lifecycle event missed": "missed",
    "lifecycle event reauthorizationRequired": "reauthorizationRequired",
}
ONE = r"GET /v1\.0/(me|users/[^/]+)/messages/"
BUSY = '{"error": {"code": "ErrorServerBusy", "message": "The server is busy."}}'
THROTTLED = '{"error": {"code": "ApplicationThrottled", "message": "Too many requests."}}'


@dataclass
class MicrosoftMoods(Moods):
    def kinds(self) -> Iterator[Kind]:
        yield from super().kinds()
        api = API["graph"]
        for name, kind in LIFECYCLE.items():
            yield Kind(name, partial(self._lifecycle, kind))
        yield self.fault("504", api, "status", times=3, status=504, body="{}")
        yield self.fault("509 bandwidth", api, "status", times=2, status=509, body="{}")
        yield self.fault("403 ErrorServerBusy", api, "status", times=2, status=403, body=BUSY)
        seconds = {"Retry-After": "1"}
        yield self.fault(
            "one of a batch refused", ONE, "status",
            times=3, status=429, body=THROTTLED, headers=seconds,
        )  # fmt: skip
        yield self.fault("one of a batch fails", ONE, "status", times=3, status=500, body="{}")
        for name, seconds_, switches in _SWITCHES:
            yield Kind(name, self.switch(**switches), seconds=seconds_)
        yield Kind("sign-in temporarily unavailable", self._sign_in, seconds=3.0)
        yield Kind(
            "subscriptions cannot be validated",
            self._no_validation(),
            seconds=3.0,
            fault="validation",
        )

    def _lifecycle(self, kind: str) -> None:
        address = self.anybody()
        self.office.events.add(address)
        self.office.world.post("microsoft/lifecycle", address=address, kind=kind)

    def _sign_in(self) -> End:
        end = self.switch(**{"entra.error": "temporarily_unavailable"})()
        self.office.world.post("expire-tokens", address=self.anybody())
        return end

    def _no_validation(self) -> Callable[[], End]:
        """A watch that ended cannot be had again for a while."""

        def inject() -> End:
            address = self.anybody()
            end = self.set_fault(
                "validation", "POST /v1.0/subscriptions", "status", times=None, status=400,
                body='{"error": {"code": "InvalidRequest", "message": "Validation timed out."}}',
            )  # fmt: skip
            self.office.world.post(
                "microsoft/lifecycle", address=address, kind="subscriptionRemoved"
            )

            def over() -> None:
                end()
                self.office.look_after_watches(address)

            return over

        return inject


_SWITCHES: tuple[tuple[str, float, dict[str, object]], ...] = (
    ("new message not found at first", 4.0, {"graph.get_lag": 1.5}),
    ("delta tells everything twice", 4.0, {"graph.delta_replays": True}),
    ("delta begins with an empty page", 4.0, {"graph.delta_empty_page": True}),
    ("one call at a time per mailbox", 3.0, {"graph.concurrency": 1}),
    ("mail lies in the Inbox before its rule", 4.0, {"graph.rule_inbox_first": 1.0}),
)
