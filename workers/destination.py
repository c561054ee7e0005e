"""What a kind of receiver of events is; see `workers.outbox`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from crm.database import Connection
from crm.store.deliveries import Due
from crm.store.outbox import Event
from workers.runtime import Runtime


class NotDelivered(Exception):
    """The receiver does not have it; it is tried again. `error` is a class, never a text."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


def _always(_running: Runtime) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told of an event, by an id of the destination's own, and from when on."""

    event_id: int
    receiver: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Destination:
    """A kind of receiver. `targets` says who of an account is told of which events, and when; it may
    be asked twice. `send` brings one event to one of them, several where they are `together`: of these
    topics all that waits; or raises NotDelivered; it may happen twice. `there`: whether this
    installation has such receivers."""

    name: str
    targets: Callable[[Connection, int, Sequence[Event], datetime], Iterable[Target]]
    send: Callable[[Runtime, Sequence[Due]], None]
    there: Callable[[Runtime], bool] = _always
    together: frozenset[str] = frozenset()
