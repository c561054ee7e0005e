"""A mailbox's history: records of what changed, with ids that have random gaps."""

import random
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.google.errors import invalid, not_found
from sandbox.google.message import Json

KINDS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}


@dataclass(frozen=True)
class Record:
    id: int
    kind: str  # a key of KINDS
    message_id: str
    thread_id: str
    labels: frozenset[str]  # the message's labels after the change
    changed: tuple[str, ...]  # labels that came or went
    at: float  # seconds since the epoch


class History:
    """All records since `floor`; older cursors are too old."""

    def __init__(self) -> None:
        self.current = random.randint(100_000, 900_000)
        self.floor = 1
        self.records: list[Record] = []

    def next_id(self) -> int:
        self.current += random.randint(1, 60)
        return self.current

    def expire(self) -> None:
        """Every cursor handed out so far becomes too old."""
        self.next_id()
        self.floor = self.next_id()
        self.records.clear()

    def visible(self, now: float, lag: float) -> list[Record]:
        """Records that history.list knows of; the newest take `lag` seconds to show."""
        if not lag:
            return self.records
        end = len(self.records)
        while end and self.records[end - 1].at > now - lag:
            end -= 1
        return self.records[:end]

    def after(self, records: list[Record], start: int) -> list[Record]:
        """Records with an id above `start`."""
        return records[bisect_right(records, start, key=lambda r: r.id) :]


@dataclass(frozen=True)
class Asked:
    """The parameters of history.list."""

    start: int
    kinds: frozenset[str]
    label: str
    limit: int
    after: int  # from the page token: the last record seen; 0 = first page


def asked(start: str, kinds: Iterable[str], label: str, limit: str, token: str) -> Asked:
    """Checked parameters; raises the 400s that Gmail answers."""
    if not start:
        raise invalid("Missing required parameter: startHistoryId", "required")
    if not start.isdigit():
        raise invalid(f"Invalid value at 'start_history_id' (TYPE_UINT64), \"{start}\"")
    wanted = frozenset(kinds)
    for kind in wanted - set(KINDS):
        raise invalid(
            "Invalid value at 'history_types' (type.googleapis.com/"
            f'gmail.v1.ListHistoryRequest.HistoryType), "{kind}"'
        )
    if token and not (token.isdigit() and len(token) > 10):
        raise invalid("Invalid pageToken")
    after = int(token) - 10**15 if token else 0
    count = int(limit) if limit.isdigit() and limit != "0" else 100
    return Asked(int(start), wanted or frozenset(KINDS), label, min(count, 500), after)


def listing(history: History, want: Asked, now: float, lag: float, labels_shown: bool) -> Json:
    """The answer of history.list; raises 404 when the start is too old."""
    if want.start < history.floor:
        raise not_found()
    visible = history.visible(now, lag)
    found = [
        r
        for r in history.after(visible, max(want.start, want.after))
        if r.kind in want.kinds and (not want.label or want.label in r.labels)
    ]
    answer: Json = {}
    page = found[: want.limit]
    if page:
        answer["history"] = [_shown(r, labels_shown) for r in page]
    if len(found) > want.limit:
        answer["nextPageToken"] = str(10**15 + page[-1].id)
    hidden = len(visible) < len(history.records)
    seen = visible[-1].id if visible else want.start
    answer["historyId"] = str(max(seen, want.start) if hidden else history.current)
    return answer


def _shown(record: Record, labels_shown: bool) -> Json:
    message: Json = {"id": record.message_id, "threadId": record.thread_id}
    if labels_shown and record.labels:
        message["labelIds"] = sorted(record.labels)
    change: Json = {"message": message}
    if record.changed:
        change["labelIds"] = list(record.changed)
    short = {"id": record.message_id, "threadId": record.thread_id}
    return {"id": str(record.id), "messages": [short], KINDS[record.kind]: [change]}
