"""What a kind of receiver of events is; see `workers.outbox`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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
class Destination:
    """A kind of receiver. `targets` says who of an account is told of which events, as pairs of
    event id and an id of its own; it may be asked twice. `send` brings one event to one of them, or
    raises NotDelivered; it may happen twice. `there`: whether this installation has such receivers."""

    name: str
    targets: Callable[[Connection, int, Sequence[Event]], Iterable[tuple[int, int]]]
    send: Callable[[Runtime, Due], None]
    there: Callable[[Runtime], bool] = _always
