"""Writing logged e-mails: which are new, and which are copies of entries that are there."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, select

from crm.columns import key
from crm.identity import has_own_id, identity, same_message
from crm.kinds import kind as kind_by_headers
from crm.model import Headers, Kind, Root, Verdict
from crm.rules import turns
from crm.store import again, copies, file_copies, joining, sql
from crm.store.backfill import stand
from crm.store.context import logged_by_message_id
from crm.store.copies import Copy, owner
from crm.store.mailbox_rows import Mailbox
from crm.store.new_entries import NewEntry, add_people, insert_entries
from crm.store.outcomes import Later, Logged, Outcome, Refused, Seen
from crm.store.people import create_contacts
from crm.store.threads import Changed
from crm.tables import Email

DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Settled:
    """A message that is on timelines, by this copy or an earlier one (rule `duplicate`). `verdict` is
    that on this copy alone, None where it alone would not be there.

    `turned_by` are the switches with which this copy alone would not have put it there.
    """

    headers: Headers
    email_id: int
    rule: str
    verdict: Verdict | None
    refusal: str = ""  # the rule that refuses this copy
    kind: Kind | None = None  # None: of this copy only headers were read
    turned_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: `outcomes` with every copy of a logged e-mail told apart, the new e-mails'
    ids, Message-IDs whose refused copies may be known now, the addresses that became a contact's,
    and what threads must be mended for."""

    outcomes: list[Settled | Refused | Later]
    email_ids: tuple[int, ...]
    touched: frozenset[int]  # new e-mails, and those that have more copies now
    message_ids: frozenset[str]
    addresses: frozenset[str]
    changed: Changed


@dataclass(slots=True)
class _Entry:
    identity: str
    email_id: int = 0  # 0: not inserted yet
    facts: set[tuple[str, datetime | None]] = field(default_factory=set)  # sender, Date of copies


class _Entries:
    """The entries that messages of a batch may be copies of: logged ones, and new ones so far."""

    def __init__(self) -> None:
        self._by_message_id: dict[str, list[_Entry]] = {}
        self.by_identity: dict[str, _Entry] = {}
        self.threads: dict[str, int] = {}  # of logged e-mails, by `key(message_id)`
        self.widened: set[str] = set()  # Message-IDs of entries of which more is known now

    def entry(self, message_id: str, its_identity: str, email_id: int = 0) -> _Entry:
        """The entry with this identity, made where there is none."""
        if its_identity not in self.by_identity:
            made = self.by_identity[its_identity] = _Entry(its_identity, email_id)
            if message_id:
                self._by_message_id.setdefault(key(message_id), []).append(made)
        return self.by_identity[its_identity]

    def thread_of(self, headers: Headers) -> int | None:
        """The thread of the nearest logged e-mail that a message refers to, as it is now: another
        run may have logged a nearer one since the message was judged."""
        others = (each for each in headers.answers if each != headers.message_id)
        known = (self.threads.get(key(each)) for each in others)
        return next((each for each in known if each is not None), None)

    def find(self, headers: Headers, its_identity: str = "") -> list[_Entry]:
        """The entries that a message is a copy of. Several are then the same e-mail."""
        found = [self.by_identity[its_identity]] if its_identity in self.by_identity else []
        for entry in self._by_message_id.get(key(headers.message_id), ()):
            if entry not in found and any(same_message(headers, *each) for each in entry.facts):
                found.append(entry)
        return found

    def see(self, entry: _Entry, headers: Headers) -> None:
        """Remember what this copy of an entry says of itself."""
        fact = (headers.sender.address, headers.sent_at)
        if fact not in entry.facts:
            entry.facts.add(fact)
            self.widened.add(headers.message_id)


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
    new = _new(outcomes, entries, identities)
    inserted = insert_entries(conn, mailbox, list(new.values()), now)
    for own, email_id in inserted.ids.items():
        entries.by_identity[own].email_id = email_id
    same: list[set[int]] = []
    settled = [_settle(each, entries, identities, new, same) for each in outcomes]
    stored = [each for each in settled if isinstance(each, Settled)]
    copies.write(conn, mailbox, [_copy(mailbox, each) for each in stored])
    joined = joining.join(conn, mailbox.account_id, same, now)
    kept = [_moved(each, joined) if isinstance(each, Settled) else each for each in settled]
    later = [each for each in kept if isinstance(each, Settled) and each.rule == DUPLICATE]
    addresses = inserted.addresses | _dress(conn, mailbox, later, now)
    file_copies.read_again(conn, mailbox.account_id, {each.email_id for each in later}, now)
    changed = Changed(
        message_ids={each.headers.message_id for each in new.values()}
        | {each.headers.message_id for each in later if each.email_id in joined.values()},
        email_ids={
            inserted.ids[own]
            for own, each in new.items()
            if _thread(each.logged.verdict.root) != each.thread_id
        }
        - joined.keys()
        | copies.uncarried(conn, mailbox.account_id, {each.email_id for each in later}),
        thread_ids=copies.refresh(conn, mailbox.account_id, {each.email_id for each in later}),
    )
    ids = tuple(each for each in inserted.ids.values() if each not in joined)
    touched = frozenset({*ids, *(each.email_id for each in later)})
    return Written(kept, ids, touched, frozenset(entries.widened - {""}), addresses, changed)


def _new(
    outcomes: Sequence[Outcome], entries: _Entries, identities: dict[str, str]
) -> dict[str, NewEntry]:
    new: dict[str, NewEntry] = {}
    for each in outcomes:
        if isinstance(each, Logged):
            headers = each.message.headers
            own = identities[headers.ref.id]
            found = entries.find(headers, own)
            if not found:
                found = [entries.entry(headers.message_id, own)]
                new[own] = NewEntry(own, each, entries.thread_of(headers))
            entries.see(found[0], headers)
    return new


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
            entry = entries.entry(row.message_id, row.identity, row.id)
            entry.facts.add((row.sender, row.sent_at))
    without = [
        identities[each.message.headers.ref.id]
        for each in outcomes
        if isinstance(each, Logged) and not has_own_id(each.message.headers)
    ]
    for some in sql.chunks(without):
        query = select(Email.id, Email.identity).where(
            Email.account_id == mailbox.account_id, Email.identity.in_(some)
        )
        for email_id, its_identity in conn.execute(query):
            entries.entry("", its_identity, email_id)
    return entries


def _headers(outcome: Outcome) -> Headers | None:
    """The headers of what may be a copy of a logged e-mail without saying so."""
    if isinstance(outcome, Logged):
        return outcome.message.headers
    if isinstance(outcome, Refused) and outcome.rule in again.BY_PLACE:
        return None
    return None if isinstance(outcome, Later) else outcome.headers


def _settle(
    outcome: Outcome,
    entries: _Entries,
    identities: dict[str, str],
    new: dict[str, NewEntry],
    same: list[set[int]],
) -> Settled | Refused | Later:
    headers = _headers(outcome)
    if headers is None or isinstance(outcome, Later):
        assert isinstance(outcome, Refused | Later)
        return outcome
    own = identities.get(headers.ref.id, "") if isinstance(outcome, Logged) else ""
    found = entries.find(headers, own) if headers.message_id or own else []
    for entry in found:
        entries.see(entry, headers)
    if len(found) > 1:
        same.append({entry.email_id for entry in found})
    turned = outcome.turned_by
    if isinstance(outcome, Seen):
        email_id = found[0].email_id if found else outcome.email_id
        return Settled(headers, email_id, DUPLICATE, outcome.verdict, turned_by=turned)
    if isinstance(outcome, Refused):
        if not found:
            return outcome
        others = turns.others(turned)
        email_id = found[0].email_id
        return Settled(headers, email_id, DUPLICATE, None, outcome.rule, turned_by=others)
    first = own in new and new[own].logged is outcome
    rule = outcome.verdict.rule if first else DUPLICATE
    email_id, verdict = found[0].email_id, outcome.verdict
    return Settled(headers, email_id, rule, verdict, kind=outcome.kind, turned_by=turned)


def _copy(mailbox: Mailbox, settled: Settled) -> Copy:
    rule = settled.verdict.rule if settled.verdict else settled.refusal
    whose = owner(mailbox, settled.verdict) if settled.verdict else mailbox.user_id
    kind = settled.kind or kind_by_headers(settled.headers)
    return Copy(settled.email_id, settled.headers, kind, rule, bool(settled.verdict), whose)


def _moved(settled: Settled, joined: dict[int, int]) -> Settled:
    to = joined.get(settled.email_id)
    if to is None:
        return settled
    return replace(settled, email_id=to, rule=DUPLICATE)


def _dress(
    conn: Connection, mailbox: Mailbox, later: Sequence[Settled], now: datetime
) -> frozenset[str]:
    """What copies that the rules let in add to e-mails that are there: people, contacts. Gives the
    addresses that became a contact's."""
    letting = [each for each in later if each.verdict]
    if not letting:
        return frozenset()
    create = [person for each in letting if each.verdict for person in each.verdict.create]
    addresses = create_contacts(conn, mailbox.account_id, create, now)
    add_people(conn, mailbox.account_id, [(each.email_id, each.headers) for each in letting])
    stand(conn, mailbox.account_id, {each.email_id for each in letting})
    return addresses


def _thread(root: Root | None) -> int | None:
    return None if root is None else root.thread_id
