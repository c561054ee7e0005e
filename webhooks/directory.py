"""Which mailbox a push is about: asked of Redis, and of the database where Redis does not know."""

from collections.abc import Iterable

from crm.database import Database
from crm.store import mailboxes
from workers.queue import Queue, Subscription


class Directory:
    """Raises QueueDown or OperationalError when it cannot find out: the sender must repeat."""

    def __init__(self, queue: Queue, database: Database) -> None:
        self._queue = queue
        self._database = database

    def gmail_mailboxes(self, address: str) -> tuple[int, ...]:
        """The mailboxes of a Gmail address, lower-cased; () when it is none of ours."""
        known = self._queue.gmail_mailboxes(address)
        if known is None:
            with self._database.read() as conn:
                known = tuple(id for _, id in mailboxes.by_address(conn, address))
            self._queue.remember_gmail(address, known)
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
