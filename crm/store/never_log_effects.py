"""What Never Log entries stop: logged e-mails they would have kept out, and threads they end.

Counts are of all e-mails. Subjects and people are shown of what the viewer may see, and no more.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from crm.addresses import listed, never_log_entry
from crm.model import Direction, NeverLog, Root
from crm.store import sql
from crm.store.context import roots_of_threads
from crm.store.previews import LOOK_BACK
from crm.store.visibility import Viewer, visible
from crm.tables import (
    Contact,
    ContactAddress,
    Email,
    EmailContact,
    EmailPerson,
    NeverLogEntry,
    Thread,
)

SHOWN = 20  # threads
MOST_THREADS = 1000  # that are looked at; more are said to be there
MOST_ADDRESSES = 2000
MOST_ROWS = 4000  # of threads with one of their people


@dataclass(frozen=True, slots=True)
class Stopped:
    """A thread that ends, or (`senders`) in which the replies of some people end."""

    thread_id: int
    email_id: int  # the newest that the viewer may see
    subject: str
    contacts: tuple[tuple[int, str], ...]  # id and name
    senders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What entries stop: of the e-mails logged in the last 30 days `emails`, of the threads `number`
    (of which `threads` are shown). `stay` e-mails of these threads are logged and stay so. `capped`:
    there is more than was counted."""

    emails: int = 0
    number: int = 0
    threads: tuple[Stopped, ...] = ()
    stay: int = 0
    capped: bool = False


@dataclass(slots=True)
class _Lists:
    """The Never Log lists for the mailboxes of each owner, without some entries and with them."""

    account_id: int
    user_id: int | None
    entries: frozenset[str]
    rows: list[tuple[int | None, str]]
    _made: dict[int | None, tuple[NeverLog, NeverLog]] = field(default_factory=dict)

    def of(self, owner_id: int | None) -> tuple[NeverLog, NeverLog]:
        if owner_id not in self._made:
            before = frozenset(
                entry
                for user_id, entry in self.rows
                if user_id in (None, owner_id)
                and not (user_id == self.user_id and entry in self.entries)
            )
            self._made[owner_id] = (NeverLog(before), NeverLog(before | self.entries))
        return self._made[owner_id]


@dataclass(frozen=True, slots=True)
class _End:
    """How a thread ends: `whole`, or for some senders."""

    whole: bool
    senders: frozenset[str]


def effect(
    conn: Connection, viewer: Viewer, user_id: int | None, entries: Collection[str], now: datetime
) -> Effect:
    """What these entries stop on the list of this user or (None) of the account, whether they are on
    it already or not. A user's list is about the threads that the user began."""
    names = frozenset(never_log_entry(each) for each in entries) - {""}
    found, capped = _matching(conn, viewer.account_id, names)
    threads, more = _threads(conn, viewer.account_id, user_id, found)
    lists = _lists(conn, viewer.account_id, user_id, names)
    roots = roots_of_threads(conn, viewer.account_id, threads.keys())
    ends = {
        thread_id: end
        for thread_id, people in threads.items()
        if (root := roots.get(thread_id)) and (end := _end(root, people, lists))
    }
    stay, emails = _emails(conn, viewer.account_id, ends, roots, lists, now)
    return Effect(emails, len(ends), _shown(conn, viewer, ends), stay, capped or more)


def _lists(conn: Connection, account_id: int, user_id: int | None, names: frozenset[str]) -> _Lists:
    table = NeverLogEntry
    query = select(table.user_id, table.entry).where(table.account_id == account_id)
    if user_id is not None:
        query = query.where(or_(table.user_id.is_(None), table.user_id == user_id))
    rows = [(row.user_id, never_log_entry(row.entry)) for row in conn.execute(query)]
    return _Lists(account_id, user_id, names, rows)


def _matching(conn: Connection, account_id: int, names: frozenset[str]) -> tuple[list[str], bool]:
    """Addresses in logged e-mails that the entries cover, and whether there are more. Those of whole
    domains are told apart here: thousands of patterns would be matched by no index."""
    addresses = [each for each in names if "@" in each]
    if len(addresses) == len(names):
        return addresses[:MOST_ADDRESSES], len(addresses) > MOST_ADDRESSES
    entries = NeverLog(names)
    table = EmailPerson
    every = select(table.address).where(table.account_id == account_id).distinct()
    found = [each for each in conn.scalars(every) if listed(each, entries)]
    return found[:MOST_ADDRESSES], len(found) > MOST_ADDRESSES


def _threads(
    conn: Connection, account_id: int, user_id: int | None, addresses: Iterable[str]
) -> tuple[dict[int, set[str]], bool]:
    """Threads in which some of the addresses wrote, or are a contact's that was written to, by id
    with these; and whether there are more. Those of team inboxes are not: no Never Log list keeps mail out of them."""
    found: dict[int, set[str]] = {}
    cut = False
    wrote = (EmailPerson.role == "from") & (Email.direction != Direction.OUTGOING)
    contacts = select(ContactAddress.address).where(ContactAddress.account_id == account_id)
    for some in sql.chunks(addresses):
        query = (
            select(Email.thread_id, EmailPerson.address)
            .join(Email, Email.id == EmailPerson.email_id)
            .join(Thread, Thread.id == Email.thread_id)
            .where(
                EmailPerson.account_id == account_id,
                Email.account_id == account_id,
                Thread.account_id == account_id,
                EmailPerson.address.in_(some),
                or_(wrote, EmailPerson.role.in_(("to", "cc")) & EmailPerson.address.in_(contacts)),
                Thread.team.is_(False),
            )
            .distinct()
            .order_by(Email.thread_id.desc())
            .limit(MOST_ROWS)
        )
        if user_id is not None:
            query = query.where(Thread.owner_id == user_id)
        rows = conn.execute(query).all()
        cut = cut or len(rows) == MOST_ROWS
        for thread_id, address in rows:
            found.setdefault(thread_id, set()).add(address)
    newest = sorted(found, reverse=True)[:MOST_THREADS]
    return {each: found[each] for each in newest}, cut or len(found) > MOST_THREADS


def _end(root: Root, people: set[str], lists: _Lists) -> _End | None:
    before, after = lists.of(root.owner_id)
    contacts = root.contact_recipients
    if contacts and all(listed(each, before) for each in contacts):
        return None  # it has ended
    whole = bool(contacts) and all(listed(each, after) for each in contacts)
    senders = frozenset(each for each in people if not listed(each, before))
    return _End(whole, senders) if whole or senders else None


def _emails(
    conn: Connection,
    account_id: int,
    ends: dict[int, _End],
    roots: dict[int, Root],
    lists: _Lists,
    now: datetime,
) -> tuple[int, int]:
    """How many e-mails of these threads are logged, and how many of the last 30 days would not have
    been."""
    stay = stopped = 0
    for some in sql.chunks(ends):
        of_them = and_(Email.account_id == account_id, Email.thread_id.in_(some))
        stay += conn.scalar(select(func.count()).select_from(Email).where(of_them)) or 0
        newer = and_(of_them, Email.logged_at >= now - LOOK_BACK)
        sent_to = _contacts_of_sent(conn, account_id, newer)
        query = select(Email.id, Email.thread_id, Email.direction, Email.sender).where(newer)
        for row in conn.execute(query):
            end, after = ends[row.thread_id], lists.of(roots[row.thread_id].owner_id)[1]
            if row.direction == Direction.OUTGOING:
                to = sent_to.get(row.id, set())
                stopped += bool(to) and all(listed(each, after) for each in to)
            else:
                stopped += end.whole or row.sender in end.senders
    return stay, stopped


def _contacts_of_sent(
    conn: Connection, account_id: int, which: ColumnElement[bool]
) -> dict[int, set[str]]:
    """The contacts that sent e-mails went to: with all of them listed, one is not logged."""
    query = (
        select(Email.id, EmailPerson.address)
        .join(EmailPerson, EmailPerson.email_id == Email.id)
        .join(ContactAddress, ContactAddress.address == EmailPerson.address)
        .where(
            which,
            EmailPerson.account_id == account_id,
            ContactAddress.account_id == account_id,
            Email.direction == Direction.OUTGOING,
            EmailPerson.role.in_(("to", "cc")),
        )
    )
    found: dict[int, set[str]] = {}
    for email_id, address in conn.execute(query):
        found.setdefault(email_id, set()).add(address)
    return found


def _shown(conn: Connection, viewer: Viewer, ends: dict[int, _End]) -> tuple[Stopped, ...]:
    """The threads with the newest e-mails that the viewer may see."""
    newest: list[tuple[datetime, int]] = []
    for some in sql.chunks(ends):
        query = select(func.max(Email.sent_at), Email.thread_id).where(
            visible(viewer), Email.thread_id.in_(some)
        )
        newest += [(at, of) for at, of in conn.execute(query.group_by(Email.thread_id))]
    threads = [of for _, of in sorted(newest, reverse=True)[:SHOWN]]
    emails: dict[int, tuple[int, str]] = {}
    of_them = (
        select(Email.thread_id, Email.id, Email.subject)
        .where(visible(viewer), Email.thread_id.in_(threads))
        .order_by(Email.sent_at, Email.id)
    )
    for thread_id, email_id, subject in conn.execute(of_them):
        emails[thread_id] = (email_id, subject)
    people = _contacts(conn, viewer.account_id, [email_id for email_id, _ in emails.values()])
    return tuple(
        Stopped(
            each,
            *emails[each],
            contacts=tuple(people.get(emails[each][0], ())),
            senders=() if ends[each].whole else tuple(sorted(ends[each].senders)),
        )
        for each in threads
    )


def _contacts(
    conn: Connection, account_id: int, email_ids: list[int]
) -> dict[int, list[tuple[int, str]]]:
    query = (
        select(EmailContact.email_id, Contact.id, Contact.name, func.min(ContactAddress.address))
        .join(Contact, Contact.id == EmailContact.contact_id)
        .outerjoin(
            ContactAddress,
            and_(ContactAddress.contact_id == Contact.id, ContactAddress.account_id == account_id),
        )
        .where(
            EmailContact.account_id == account_id,
            Contact.account_id == account_id,
            EmailContact.email_id.in_(email_ids),
        )
        .group_by(EmailContact.email_id, Contact.id, Contact.name)
        .order_by(Contact.name, Contact.id)
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for email_id, contact_id, name, address in conn.execute(query):
        found.setdefault(email_id, []).append((contact_id, name or address or ""))
    return found
