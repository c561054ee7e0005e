"""Which mailbox a push is about: asked of Redis, and of the database where Redis does not know."""

import time
from collections.abc import Callable, Iterable

from crm.database import Database
from crm.store import mailboxes
from workers.queue import Queue, Subscription

HELD_SECONDS = 10.0  # a mailbox found is not looked up again for so long
MOST_HELD = 10_000


class Directory:
    """Raises QueueDown or OperationalError when it cannot find out: the sender must repeat."""

    def __init__(
        self, queue: Queue, database: Database, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue = queue
        self._database = database
        self._clock = clock
        self._held: dict[str, tuple[float, tuple[int, ...]]] = {}  # address: until when, mailboxes

    def gmail_mailboxes(self, address: str) -> tuple[int, ...]:
        """The mailboxes of a Gmail address, lower-cased; () when it is none of ours.

        What was found is held for a moment in this process, which halves the trips to Redis of a
        burst; that there is none is not.
        """
        now = self._clock()
        until, found = self._held.get(address, (0.0, ()))
        if now < until:
            return found
        found = self._looked_up(address)
        if found:
            if len(self._held) >= MOST_HELD:
                self._held.clear()
            self._held[address] = (now + HELD_SECONDS, found)
        return found

    def _looked_up(self, address: str) -> tuple[int, ...]:
        known = self._queue.gmail_mailboxes(address)
        if known is None:
            with self._database.read() as conn:
                known = tuple(id for _, id in mailboxes.by_address(conn, address))
            self._queue.remember_gmail(address, known)
        return known

    def google_account(self, mark: str) -> tuple[int, ...]:
        """The mailboxes with a mark of `infra.marks`; () when it is none of ours."""
        known = self._queue.google_account(mark)
        if known is None:
            with self._database.read() as conn:
                known = tuple(id for _, id in mailboxes.by_mark(conn, mark))
            self._queue.remember_google_account(mark, known)
        return known

    def subscriptions(self, ids: Iterable[str]) -> dict[str, Subscription | None]:
        """What is known of each Graph subscription id; None for one that is not ours."""
        wanted = set(ids)
        known = self._queue.subscriptions(wanted)
        for id in wanted - known.keys():
            with self._database.read() as conn:
                found = mailboxes.watch_by_provider_id(conn, id)
            known[id] = Subscription(*found) if found else None
            self._queue.remember_subscription(id, known[id])
        return known
