"""What a run does where the provider does not know its cursor any more: list what came since the
last settled time, once, over as many runs as it takes (`crm.store.owed`)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from crm.store import mailboxes, owed, settle
from crm.store.outcomes import Run
from crm.store.owed import Owed
from infra.metrics import counter
from providers.client import CursorExpired, Item, MailClient
from workers.following import followed
from workers.runtime import Runtime
from workers.settling import Settling
from workers.times import OVERLAP, after_failure

log = structlog.get_logger(__name__)

EXPIRED = counter(
    "replylog_cursors_expired_total", "Cursors that a provider did not know any more", ["provider"]
)
REPAIRS = counter(
    "replylog_cursor_repairs_total", "Listings in place of an expired cursor, ended", ["provider"]
)


SEARCH_LAG = timedelta(seconds=30)  # a provider's search may be so much behind its mailbox


@dataclass
class Repair:
    """`step` is called after each batch that is stored; it raises where the run is to end.

    What arrived just before the new cursor was taken may not be listed yet: it is looked for once
    more when the search has caught up."""

    runtime: Runtime
    run: Run
    client: MailClient
    step: Callable[[], None]

    def __post_init__(self) -> None:
        self.owed = owed.of(self.run.mailbox)
        self.pause: timedelta | None = None  # where cursors expire again and again
        self.again_at: datetime | None = None  # when to look once more

    def begin(self, expired: CursorExpired) -> None:
        """Take a new cursor, and owe a listing."""
        mailbox = self.run.mailbox
        since = (mailbox.settled_at or mailbox.created_at) - OVERLAP
        log.warning("cursor expired, listing since", mailbox=mailbox.id, since=since)
        followed(self.runtime, mailbox, self.client)  # what the new cursor is to cover
        with self.runtime.database.read() as conn:  # the pages before it moved the cursor
            current = mailboxes.by_id(conn, mailbox.id)
        cursor = current.cursor if current else mailbox.cursor
        cursor, places = self.client.start_over(cursor, since, expired.places)
        now = self.runtime.clock()
        with self.runtime.database.begin() as conn:
            settle.commit(conn, self.run, (), now)
            listing = Owed(since, now, places)
            self.owed = owed.begin(conn, mailbox, self.run.lease, cursor, listing)
        EXPIRED.labels(mailbox.provider).inc()
        if mailbox.repairs:
            self.pause = after_failure(None, mailbox.repairs)

    def went_well(self) -> None:
        """A listing of changes came to its end."""
        if self.run.mailbox.repairs:
            with self.runtime.database.begin() as conn:
                owed.went_well(conn, self.run.mailbox, self.run.lease)

    def list_owed(self, settling: Settling) -> int:
        """List what is owed; how many messages that showed."""
        if self.owed is None:
            return 0
        again_at = self.owed.began + SEARCH_LAG
        if self.owed.since >= self.owed.began - SEARCH_LAG and self.runtime.clock() < again_at:
            self.again_at = again_at
            return 0
        try:
            return self._list(self.owed, settling)
        except CursorExpired as expired:  # a folder that was to be listed has gone
            self.begin(expired)
            self.pause = self.pause or after_failure(None, 0)
            return 0

    def _list(self, listing: Owed, settling: Settling) -> int:
        found = brought = 0
        for page in self.client.since(listing.since, listing.places):
            found += len(page.items)
            for items in self._fresh(listing, page.items, settling):
                settling.settle(items, None)
                self.step()
            with self.runtime.database.read() as conn:
                refs = [item.ref for item in page.items]
                brought += owed.logged(conn, self.run.mailbox, refs, listing.began)
        self._paid(listing, found, brought)
        return found

    def _paid(self, listing: Owed, found: int, brought: int) -> None:
        mailbox, token = self.run.mailbox, self.run.lease
        now, again_at = self.runtime.clock(), listing.began + SEARCH_LAG
        first = listing.since < listing.began - SEARCH_LAG
        with self.runtime.database.begin() as conn:
            settle.commit(conn, self.run, (), now)
            if first or brought:
                owed.paid(conn, mailbox, token, now, found, brought)
            else:
                owed.settled(conn, mailbox, token)
            if now < again_at:
                more = Owed(listing.began - SEARCH_LAG, listing.began, listing.places)
                owed.once_more(conn, mailbox, token, more)
                self.again_at = again_at
        if first:
            REPAIRS.labels(mailbox.provider).inc()
        self.owed = None

    def _fresh(
        self, listing: Owed, items: Sequence[Item], settling: Settling
    ) -> Iterator[list[Item]]:
        """Batches of what was not judged since the listing began, by this run or one before."""
        with self.runtime.database.read() as conn:
            refs = [item.ref for item in items]
            done = owed.judged(conn, self.run.mailbox, refs, listing.began)
        fresh = [item for item in items if item.ref.id not in done]
        while fresh:
            size = settling.size
            yield fresh[:size]
            fresh = fresh[size:]
