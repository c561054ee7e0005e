"""Writing logged e-mails: which are new, and which are copies of entries that are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from crm.columns import key
from crm.identity import has_own_id, identity, same_message
from crm.model import Headers
from crm.rules import turns
from crm.store import again, sql
from crm.store.context import logged_by_message_id
from crm.store.mailbox_rows import Mailbox
from crm.store.new_entries import NewEntry, believable, insert_entries
from crm.store.outcomes import Later, Logged, Outcome, Refused, Seen
from crm.tables import Email, Sighting


@dataclass(frozen=True, slots=True)
class Settled:
    """A message that is on timelines, by this copy or an earlier one (rule `duplicate`).

    `turned_by` are the switches with which this copy alone would not have put it there.
    """

    headers: Headers
    email_id: int
    rule: str
    turned_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: `outcomes` with every copy of a logged e-mail told apart, the new e-mails'
    ids and Message-IDs, and the addresses that became a contact's."""

    outcomes: list[Settled | Refused | Later]
    email_ids: tuple[int, ...]
    message_ids: tuple[str, ...]
    addresses: frozenset[str]


@dataclass(slots=True)
class _Entry:
    identity: str
    sender: str
    sent_at: datetime
    email_id: int = 0  # 0: not inserted yet


class _Entries:
    """The entries that messages of a batch may be copies of: logged ones, and new ones so far."""

    def __init__(self) -> None:
        self._by_message_id: dict[str, list[_Entry]] = {}
        self.by_identity: dict[str, _Entry] = {}
        self.threads: dict[str, int] = {}  # of logged e-mails, by `key(message_id)`

    def add(self, message_id: str, entry: _Entry) -> None:
        self.by_identity[entry.identity] = entry
        if message_id:
            self._by_message_id.setdefault(key(message_id), []).append(entry)

    def thread_of(self, headers: Headers) -> int | None:
        """The thread of the nearest logged e-mail that a message refers to, as it is now: another
        run may have logged a nearer one since the message was judged."""
        known = (self.threads.get(key(each)) for each in headers.answers)
        return next((each for each in known if each is not None), None)

    def find(self, headers: Headers, its_identity: str = "") -> _Entry | None:
        if its_identity in self.by_identity:
            return self.by_identity[its_identity]
        for entry in self._by_message_id.get(key(headers.message_id), ()):
            if same_message(headers, entry.sender, entry.sent_at):
                return entry
        return None


def write(
    conn: Connection, mailbox: Mailbox, outcomes: Sequence[Outcome], now: datetime
) -> Written:
    """Insert the e-mails among `outcomes` that are new, with all that hangs on them, and a sighting
    for every copy. The caller is `alone` in the account."""
    identities = {
        each.message.headers.ref.id: identity(each.message.headers, each.message.text)
        for each in outcomes
        if isinstance(each, Logged)
    }
    entries = _known(conn, mailbox, outcomes, identities)
    new: dict[str, NewEntry] = {}
    for each in outcomes:
        if isinstance(each, Logged):
            headers = each.message.headers
            own = identities[headers.ref.id]
            if entries.find(headers, own) is None:
                entries.add(
                    headers.message_id,
                    _Entry(own, headers.sender.address, believable(headers)),
                )
                new[own] = NewEntry(own, each, entries.thread_of(headers))
    inserted = insert_entries(conn, mailbox, list(new.values()), now)
    for own, email_id in inserted.ids.items():
        entries.by_identity[own].email_id = email_id
    settled = [_settle(each, entries, identities, new) for each in outcomes]
    _sightings(conn, mailbox, [each for each in settled if isinstance(each, Settled)])
    message_ids = (each.logged.message.headers.message_id for each in new.values())
    return Written(settled, tuple(inserted.ids.values()), tuple(message_ids), inserted.addresses)


def _known(
    conn: Connection, mailbox: Mailbox, outcomes: Sequence[Outcome], identities: dict[str, str]
) -> _Entries:
    entries = _Entries()
    message_ids = [headers.message_id for each in outcomes if (headers := _headers(each))]
    for each in outcomes:
        if isinstance(each, Logged):
            message_ids += each.message.headers.answers
    for name, rows in logged_by_message_id(conn, mailbox.account_id, message_ids).items():
        entries.threads[name] = rows[0].thread_id
        for row in rows:
            entries.add(row.message_id, _Entry(row.identity, row.sender, row.sent_at, row.id))
    without = [
        identities[each.message.headers.ref.id]
        for each in outcomes
        if isinstance(each, Logged) and not has_own_id(each.message.headers)
    ]
    for some in sql.chunks(without):
        query = select(Email.id, Email.identity, Email.sender, Email.sent_at).where(
            Email.account_id == mailbox.account_id, Email.identity.in_(some)
        )
        for email_id, its_identity, sender, sent_at in conn.execute(query):
            entries.add("", _Entry(its_identity, sender, sent_at, email_id))
    return entries


def _headers(outcome: Outcome) -> Headers | None:
    """The headers of what may be a copy of a logged e-mail without saying so."""
    if isinstance(outcome, Logged):
        return outcome.message.headers
    if isinstance(outcome, Refused) and outcome.rule not in again.BY_PLACE:
        return outcome.headers
    return None


def _settle(
    outcome: Outcome, entries: _Entries, identities: dict[str, str], new: dict[str, NewEntry]
) -> Settled | Refused | Later:
    if isinstance(outcome, Later):
        return outcome
    if isinstance(outcome, Seen):
        return Settled(outcome.headers, outcome.email_id, "duplicate", outcome.turned_by)
    headers = _headers(outcome)
    if isinstance(outcome, Refused):
        entry = entries.find(headers) if headers and headers.message_id else None
        if entry is None or headers is None:
            return outcome
        return Settled(headers, entry.email_id, "duplicate", turns.others(outcome.turned_by))
    headers = outcome.message.headers
    own = identities[headers.ref.id]
    entry = entries.find(headers, own)
    assert entry is not None
    first = own in new and new[own].logged is outcome
    rule = outcome.verdict.rule if first else "duplicate"
    return Settled(headers, entry.email_id, rule, outcome.turned_by)


def _sightings(conn: Connection, mailbox: Mailbox, settled: Sequence[Settled]) -> None:
    rows = [
        {
            "account_id": mailbox.account_id,
            "email_id": each.email_id,
            "mailbox_id": mailbox.id,
            "provider_id": each.headers.ref.id,
            "provider_thread": each.headers.ref.thread,
        }
        for each in settled
    ]
    sql.add_missing(conn, Sighting, rows)
