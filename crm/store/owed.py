"""A listing that is owed: the cursor expired, and what came since the last settled time must be
looked for once.

The new cursor is taken before the listing begins and is good at once, so that new mail does not
wait for old. What is owed is a row's business, not a run's: a run that is killed, or gives way,
leaves it to the next, which goes past what was judged since the listing began (`judged`). The
cursor that was taken first tells of all that changed since then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from crm.history import What
from crm.model import Ref, VerdictKind
from crm.store import history, sql
from crm.store.mailbox_rows import Mailbox
from crm.store.runs import HELD, which
from crm.tables import JournalRow
from crm.tables import Mailbox as Table


@dataclass(frozen=True, slots=True)
class Owed:
    """A listing since `since` of `places` (() for all of the mailbox); it was `began` then."""

    since: datetime
    began: datetime
    places: tuple[str, ...]


def of(mailbox: Mailbox) -> Owed | None:
    """What is owed in a mailbox; None where nothing is."""
    if mailbox.owed_since is None or mailbox.owed_began is None:
        return None
    return Owed(mailbox.owed_since, mailbox.owed_began, mailbox.owed_places)


def begin(conn: Connection, mailbox: Mailbox, token: str, cursor: str, listing: Owed) -> Owed:
    """The cursor expired: `cursor` takes its place, `listing` is owed. One that was owed before is
    part of it, and begins again: nobody knows what changed while no cursor was good."""
    before = of(mailbox)
    if before is not None:
        since = min(listing.since, before.since)
        both = tuple(dict.fromkeys((*before.places, *listing.places)))
        places = both if before.places and listing.places else ()
        listing = Owed(since, listing.began, places)
    values = {
        "cursor": cursor,
        "owed_since": listing.since,
        "owed_began": listing.began,
        "owed_places": list(listing.places),
    }
    conn.execute(HELD.values(**values, repairs=Table.repairs + 1), which(mailbox, token))
    if before is None:
        facts = {"since": listing.since.isoformat(), "folders": len(listing.places)}
        what, now = What.CURSOR_EXPIRED, listing.began
        history.note(conn, mailbox.account_id, mailbox.id, what, now, **facts)
    return listing


def judged(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref], began: datetime) -> set[str]:
    """Provider ids of those messages that were judged since the listing began."""
    return _since(conn, mailbox, refs, began, tuple(VerdictKind))


def logged(conn: Connection, mailbox: Mailbox, refs: Sequence[Ref], began: datetime) -> int:
    """How many of those messages were logged since the listing began."""
    return len(_since(conn, mailbox, refs, began, (VerdictKind.LOGGED,)))


def _since(
    conn: Connection,
    mailbox: Mailbox,
    refs: Sequence[Ref],
    began: datetime,
    verdicts: Collection[VerdictKind],
) -> set[str]:
    found: set[str] = set()
    for some in sql.chunks(ref.id for ref in refs):
        query = select(JournalRow.provider_id).where(
            JournalRow.account_id == mailbox.account_id,
            JournalRow.mailbox_id == mailbox.id,
            JournalRow.provider_id.in_(some),
            JournalRow.decided_at > began,
            JournalRow.verdict.in_([each.value for each in verdicts]),
        )
        found.update(conn.scalars(query))
    return found


def paid(
    conn: Connection, mailbox: Mailbox, token: str, now: datetime, found: int, brought: int
) -> None:
    """The listing came to its end: it showed `found` messages, of which `brought` were not logged
    before and are now."""
    owed = select(Table.owed_since).where(
        Table.account_id == mailbox.account_id, Table.id == mailbox.id
    )
    since = conn.scalar(owed)
    settled(conn, mailbox, token)
    facts = {"since": since.isoformat() if since else "", "found": found, "logged": brought}
    history.note(conn, mailbox.account_id, mailbox.id, What.CURSOR_REPAIRED, now, **facts)


def settled(conn: Connection, mailbox: Mailbox, token: str) -> None:
    """Nothing is owed any more."""
    nothing = HELD.values(owed_since=None, owed_began=None, owed_places=[])
    conn.execute(nothing, which(mailbox, token))


def once_more(conn: Connection, mailbox: Mailbox, token: str, listing: Owed) -> None:
    """The end of a listing is owed once more."""
    values = {"owed_since": listing.since, "owed_began": listing.began}
    conn.execute(HELD.values(**values, owed_places=list(listing.places)), which(mailbox, token))


def went_well(conn: Connection, mailbox: Mailbox, token: str) -> None:
    """A cursor led to its end: the next one that expires is the first again."""
    conn.execute(HELD.values(repairs=0), which(mailbox, token))
