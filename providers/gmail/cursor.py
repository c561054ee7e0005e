"""Where in a mailbox's history we are.

`id` is the last record that was listed. The mailbox's own current id is not taken for it: it can
run ahead of the records that the listing shows. A mailbox in which only reading and other things
that are not listed happen would keep an old `id` until it expires; so the mailbox's id is noted
(`ahead`, seen at `ahead_at`), and believed when a complete listing comes ten minutes later.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from providers.client import Cursor, CursorExpired

BELIEVED_AFTER = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Position:
    """A cursor taken apart. `ahead` is 0 where nothing is noted; `ahead_at` in epoch seconds."""

    id: int
    ahead: int = 0
    ahead_at: float = 0.0

    def listed(self, record: int) -> "Position":
        """After a page whose last record is `record`."""
        return Position(max(self.id, record), self.ahead, self.ahead_at)

    def complete(self, mailbox_id: int, now: datetime) -> "Position":
        """After the last page, which gave the mailbox's current id."""
        at = now.timestamp()
        trusted = self.ahead > self.id and at - self.ahead_at > BELIEVED_AFTER
        reached = self.ahead if trusted else self.id
        if mailbox_id <= reached:
            return Position(reached)
        if self.ahead > reached:
            return Position(reached, self.ahead, self.ahead_at)
        return Position(reached, mailbox_id, at)

    def text(self) -> Cursor:
        ahead = [self.ahead, int(self.ahead_at)] if self.ahead else []
        return json.dumps([self.id, *ahead], separators=(",", ":"))


def read(cursor: Cursor) -> Position:
    """The position a stored cursor means. Raises CursorExpired for one that is none of ours."""
    try:
        parts = json.loads(cursor)
        return Position(*(int(part) for part in parts))
    except (TypeError, ValueError):
        raise CursorExpired from None
