"""A mailbox in memory: the smallest thing that keeps the contract of a provider.

`MemoryMailbox` is the provider's side: put mail in, move it, break it. `MemoryClient` is our side.
"""

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from crm.messages import attachment, parse
from crm.model import (
    WHOLE_MAILBOX,
    Attachment,
    Content,
    Dropped,
    Folder,
    Headers,
    Message,
    Place,
    Ref,
    WatchState,
)
from crm.spending import Spent
from providers.client import CHUNK, Cursor, CursorExpired, Gone, Item, Page

WATCH_LIFE = timedelta(days=7)
SCAN = Attachment("scan", "Scan In Progress", "text/html", 40, content=Content.SCANNED)


@dataclass(frozen=True, slots=True)
class Stored:
    raw: bytes
    place: Place
    received_at: datetime
    labels: frozenset[str] = frozenset()


@dataclass(slots=True)
class Fault:
    error: Exception
    times: int
    method: str  # "" for any


class MemoryMailbox:
    """Messages and a log of changes, guarded by one lock; many clients may share it."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.messages: dict[str, Stored] = {}
        self.log: list[tuple[int, str]] = []  # (number of the change, message), ascending
        self.last = 0
        self.floor = 0  # a cursor below it is too old
        self.followed: tuple[Folder, ...] = ()
        self.labels: list[str] = []
        self.watches: tuple[WatchState, ...] = ()
        self.scanning: set[str] = set()  # messages whose files are being scanned
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()

    def deliver(
        self, raw: bytes, place: Place = Place.FOLLOWED, received_at: datetime | None = None
    ) -> str:
        """A new message; its id. It is listed from now on, though it may have arrived earlier."""
        with self.lock:
            ref = f"m{self.last + 1}"
            self._put(ref, Stored(raw, place, received_at or self.now()))
            return ref

    def send(self, raw: bytes) -> str:
        return self.deliver(raw, Place.SENT)

    def move(self, ref: str, place: Place) -> None:
        with self.lock:
            old = self.messages[ref]
            self._put(ref, Stored(old.raw, place, old.received_at, old.labels))

    def label(self, ref: str, name: str) -> None:
        with self.lock:
            old = self.messages[ref]
            self._put(ref, Stored(old.raw, old.place, old.received_at, old.labels | {name}))

    def delete(self, ref: str) -> None:
        with self.lock:
            del self.messages[ref]

    def expire(self) -> None:
        """Every cursor handed out until now becomes too old."""
        with self.lock:
            self.last += 1
            self.floor = self.last

    def refuse(self, error: Exception, times: int = 1, method: str = "") -> None:
        """The next `times` calls (of `method` only, where given) raise `error`."""
        with self.lock:
            self.faults.append(Fault(error, times, method))

    def enter(self, method: str) -> None:
        """Count a call, and fail it where a fault is due."""
        with self.lock:
            self.calls[method] += 1
            for fault in self.faults:
                if fault.times > 0 and fault.method in {"", method}:
                    fault.times -= 1
                    raise fault.error

    def _put(self, ref: str, stored: Stored) -> None:
        self.messages[ref] = stored
        self.last += 1
        self.log.append((self.last, ref))


class MemoryClient:
    """A `MailClient` of a `MemoryMailbox`; every page has at most `page_size` changes."""

    def __init__(self, mailbox: MemoryMailbox, page_size: int = 500) -> None:
        self.mailbox = mailbox
        self.page_size = page_size

    def baseline(self) -> Cursor:
        self.mailbox.enter("baseline")
        return str(self.mailbox.last)

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        at = int(cursor)
        more = True
        while more:
            self.mailbox.enter("changes")
            with self.mailbox.lock:
                if at < self.mailbox.floor:
                    raise CursorExpired
                found = [(n, ref) for n, ref in self.mailbox.log if n > at]
                page, more = found[: self.page_size], len(found) > self.page_size
                at = page[-1][0] if page else at
                refs = dict.fromkeys(ref for _, ref in page)
                yielded = Page(self._items(list(refs)), str(at))
            yield yielded

    def start_over(
        self, cursor: Cursor, when: datetime, places: Sequence[str]
    ) -> tuple[Cursor, tuple[str, ...]]:
        del cursor, when, places
        return self.baseline(), ()

    def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:  # noqa: ARG002 - it has one
        self.mailbox.enter("since")
        with self.mailbox.lock:
            cursor = str(self.mailbox.last)
            found = [ref for ref, held in self.mailbox.messages.items() if held.received_at >= when]
        while len(found) > self.page_size:
            yield Page(self._items(found[: self.page_size]), "")
            self.mailbox.enter("since")
            found = found[self.page_size :]
        yield Page(self._items(found), cursor)

    def arrived(self, since: datetime, until: datetime) -> Iterator[int]:
        for items in self.between(since, until):
            yield sum(item.place is Place.FOLLOWED for item in items)

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Item, ...]]:
        self.mailbox.enter("between")
        with self.mailbox.lock:
            held = self.mailbox.messages.items()
            found = [ref for ref, each in held if since <= each.received_at < until]
        for start in range(0, max(len(found), 1), self.page_size):
            if start:
                self.mailbox.enter("between")
            yield self._items(found[start : start + self.page_size])

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        self.mailbox.enter("headers")
        held = [(ref, self.mailbox.messages.get(ref.id)) for ref in refs]
        return [_read(ref, stored).headers if stored else None for ref, stored in held]

    def message(self, ref: Ref) -> Message:
        self.mailbox.enter("message")
        stored = self.mailbox.messages.get(ref.id)
        if stored is None:
            raise Gone
        message = _read(ref, stored)
        return replace(message, attachments=(SCAN,)) if ref.id in self.mailbox.scanning else message

    def messages(self, refs: Sequence[Ref]) -> Sequence[Message | Exception]:
        self.mailbox.enter("messages")
        found: list[Message | Exception] = []
        for ref in refs:
            try:
                found.append(self.message(ref))
            except Exception as error:  # noqa: BLE001 - whoever asked for it raises it
                found.append(error)
        return found

    def attachment(self, ref: Ref, part: str) -> Generator[bytes]:
        self.mailbox.enter("attachment")
        stored = self.mailbox.messages.get(ref.id)
        data = attachment(stored.raw, part) if stored else None
        if data is None:
            raise Gone
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]

    def folders(self, more: Sequence[str] = ()) -> Sequence[Folder]:  # noqa: ARG002 - all is followed
        self.mailbox.enter("folders")
        return self.mailbox.followed

    def follow(self, folders: Sequence[Folder], cursor: Cursor, since: datetime) -> Cursor:  # noqa: ARG002 - all is followed
        self.mailbox.enter("follow")
        return cursor

    def dropped(self, folder: Folder) -> Dropped:  # noqa: ARG002 - it has no rules
        return Dropped.RULE_GONE

    def hidden_rules(self) -> Sequence[str]:
        return ()

    def lost_sight(self, push_was_empty: bool) -> bool:  # noqa: ARG002 - all is followed
        return False

    def ensure_label(self, name: str) -> None:
        self.mailbox.enter("ensure_label")
        if name.casefold() not in {one.casefold() for one in self.mailbox.labels}:
            self.mailbox.labels.append(name)

    def watch(self, have: Sequence[WatchState]) -> Sequence[WatchState]:  # noqa: ARG002 - it has one at most
        self.mailbox.enter("watch")
        until = self.mailbox.now() + WATCH_LIFE
        self.mailbox.watches = (WatchState(WHOLE_MAILBOX, "memory", until),)
        return self.mailbox.watches

    def unwatch(self, have: Sequence[WatchState]) -> None:  # noqa: ARG002
        self.mailbox.enter("unwatch")
        self.mailbox.watches = ()

    def carefully(self) -> None:
        """Listings have no headers anyhow."""

    def sparingly(self) -> None:
        """Nobody counts."""

    def spent(self) -> Spent | None:
        """Nobody counts."""
        return None

    def close(self) -> None:
        """Nothing is open."""

    def _items(self, refs: Sequence[str]) -> tuple[Item, ...]:
        held = [(ref, self.mailbox.messages.get(ref)) for ref in refs]
        return tuple(
            Item(Ref(ref), stored.place, watch=WHOLE_MAILBOX, received_at=stored.received_at)
            for ref, stored in held
            if stored
        )


def _read(ref: Ref, stored: Stored) -> Message:
    message = parse(stored.raw, ref, stored.place, stored.received_at, stored.labels)
    return replace(message, size=len(stored.raw))
