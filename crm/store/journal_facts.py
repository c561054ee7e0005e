"""What the logged e-mails tell about rows of the journal: threads, owners, contacts.

Of a refused message only digests are kept. Where they lead to a logged e-mail that the asking person
may see, the row can name its thread.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select

from crm.store import sql, timeline
from crm.store.context import contacts_of
from crm.store.visibility import Viewer, visible
from crm.tables import (
    Contact,
    ContactAddress,
    Email,
    EmailContact,
    JournalReference,
    JournalRow,
    Thread,
    User,
)

_MOST = 5  # contacts named of one e-mail or thread


@dataclass(frozen=True, slots=True)
class Known:
    """A contact by the name that people call it, or its address."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Stands:
    """Where a logged e-mail stands."""

    subject: str
    contacts: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The logged thread that a refused message answers; `owner` is who began it: a name, "you", or ''."""

    thread_id: int
    subject: str
    owner: str
    contacts: tuple[Known, ...]


def stands(conn: Connection, viewer: Viewer, email_ids: Collection[int]) -> dict[int, Stands]:
    """Thread and contacts of those logged e-mails that the viewer may see, by the e-mail's id."""
    found: dict[int, Stands] = {}
    for some in sql.chunks(email_ids):
        query = select(Email.id, Email.thread_id).where(visible(viewer), Email.id.in_(some))
        threads = {row.id: row.thread_id for row in conn.execute(query)}
        named = timeline.subjects(conn, viewer, list(set(threads.values())))
        people = _people_of_emails(conn, viewer.account_id, threads)
        for email_id, thread_id in threads.items():
            contacts = tuple(people.get(email_id, ())[:_MOST])
            found[email_id] = Stands(named.get(thread_id, ""), contacts)
    return found


def answered(conn: Connection, viewer: Viewer, journal_ids: Collection[int]) -> dict[int, Answered]:
    """The threads that refused messages answer, by the row's id, as far as the journal still knows
    the answered e-mail and the viewer may see it."""
    digests = _digests(conn, viewer.account_id, journal_ids)
    emails = _emails(conn, viewer.account_id, {each for of in digests.values() for each in of})
    threads = _threads(conn, viewer, {each for of in emails.values() for each in of})
    thread_ids = {row.thread_id for row in threads.values()}
    named = timeline.subjects(conn, viewer, list(thread_ids))
    people = _people_of_threads(conn, viewer, thread_ids)
    found: dict[int, Answered] = {}
    for journal_id, of in digests.items():
        rows = [threads[one] for each in of for one in emails.get(each, ()) if one in threads]
        if rows:
            row = max(rows, key=lambda each: (each.sent_at, each.id))
            contacts = tuple(people.get(row.thread_id, ())[:_MOST])
            own = row.owner_id is not None and row.owner_id == viewer.user_id
            owner = "you" if own else row.name or row.address or ""
            found[journal_id] = Answered(
                row.thread_id, named.get(row.thread_id, ""), owner, contacts
            )
    return found


def known(conn: Connection, account_id: int, addresses: Collection[str]) -> dict[str, Known]:
    """The contacts that have these addresses, by address."""
    ids = contacts_of(conn, account_id, {each for each in addresses if each})
    names = _names(conn, account_id, set(ids.values()))
    return {address: Known(one, names.get(one) or address) for address, one in ids.items()}


def addresses_of(
    conn: Connection, account_id: int, contact_ids: Collection[int]
) -> dict[int, list[str]]:
    """The addresses of contacts, by the contact's id."""
    found: dict[int, list[str]] = {}
    for some in sql.chunks(contact_ids):
        query = (
            select(ContactAddress.contact_id, ContactAddress.address)
            .where(ContactAddress.account_id == account_id, ContactAddress.contact_id.in_(some))
            .order_by(ContactAddress.id)
        )
        for contact_id, address in conn.execute(query):
            found.setdefault(contact_id, []).append(address)
    return found


def _digests(
    conn: Connection, account_id: int, journal_ids: Collection[int]
) -> dict[int, list[str]]:
    """What refused messages refer to, by the row's id."""
    found: dict[int, list[str]] = {}
    table = JournalReference
    for some in sql.chunks(journal_ids):
        query = select(table.journal_id, table.digest).where(
            table.account_id == account_id, table.journal_id.in_(some)
        )
        for journal_id, digest in conn.execute(query):
            found.setdefault(journal_id, []).append(digest)
    return found


def _emails(conn: Connection, account_id: int, digests: Collection[str]) -> dict[str, list[int]]:
    """Ids of logged e-mails by the keyed digest of their Message-ID: the journal's rows of their
    copies know both."""
    found: dict[str, list[int]] = {}
    for some in sql.chunks(sorted(digests)):
        query = (
            select(JournalRow.message_digest, JournalRow.email_id)
            .where(
                JournalRow.account_id == account_id,
                JournalRow.message_digest.in_(some),
                JournalRow.email_id.is_not(None),
            )
            .distinct()
        )
        for digest, email_id in conn.execute(query):
            if email_id is not None:
                found.setdefault(digest, []).append(email_id)
    return found


def _threads(conn: Connection, viewer: Viewer, email_ids: Collection[int]) -> dict[int, Any]:
    """Thread and who began it, by the id of an e-mail in it."""
    account_id = viewer.account_id
    found: dict[int, Any] = {}
    for some in sql.chunks(sorted(email_ids)):
        query = (
            select(
                Email.id, Email.sent_at, Email.thread_id, Thread.owner_id, User.name, User.address
            )
            .join(Thread, Thread.id == Email.thread_id)
            .outerjoin(User, and_(User.id == Thread.owner_id, User.account_id == account_id))
            .where(
                Email.account_id == account_id,
                Thread.account_id == account_id,
                visible(viewer),
                Email.id.in_(some),
            )
        )
        found.update((row.id, row) for row in conn.execute(query))
    return found


def _people_of_emails(
    conn: Connection, account_id: int, email_ids: Collection[int]
) -> dict[int, list[Known]]:
    on: list[tuple[int, int]] = []
    for some in sql.chunks(email_ids):
        query = (
            select(EmailContact.email_id, EmailContact.contact_id)
            .where(EmailContact.account_id == account_id, EmailContact.email_id.in_(some))
            .order_by(EmailContact.id)
        )
        on += [(email_id, contact_id) for email_id, contact_id in conn.execute(query)]
    return _named(conn, account_id, on)


def _people_of_threads(
    conn: Connection, viewer: Viewer, thread_ids: Collection[int]
) -> dict[int, list[Known]]:
    on: list[tuple[int, int]] = []
    first = func.min(EmailContact.id)
    for some in sql.chunks(sorted(thread_ids)):
        query = (
            select(Email.thread_id, EmailContact.contact_id)
            .join(EmailContact, EmailContact.email_id == Email.id)
            .where(
                Email.account_id == viewer.account_id,
                EmailContact.account_id == viewer.account_id,
                visible(viewer),
                Email.thread_id.in_(some),
            )
            .group_by(Email.thread_id, EmailContact.contact_id)
            .order_by(first)
        )
        on += [(thread_id, contact_id) for thread_id, contact_id in conn.execute(query)]
    return _named(conn, viewer.account_id, on)


def _named(
    conn: Connection, account_id: int, on: Iterable[tuple[int, int]]
) -> dict[int, list[Known]]:
    on = list(on)
    names = _names(conn, account_id, {contact_id for _, contact_id in on})
    found: dict[int, list[Known]] = {}
    for where, contact_id in on:
        found.setdefault(where, []).append(Known(contact_id, names.get(contact_id, "")))
    return found


def _names(conn: Connection, account_id: int, contact_ids: Collection[int]) -> dict[int, str]:
    """What contacts are called: their name, else their first address."""
    found: dict[int, str] = {}
    for some in sql.chunks(sorted(contact_ids)):
        query = select(Contact.id, Contact.name).where(
            Contact.account_id == account_id, Contact.id.in_(some)
        )
        found.update((one, name) for one, name in conn.execute(query))
    for one, addresses in addresses_of(conn, account_id, contact_ids).items():
        found[one] = found.get(one) or addresses[0]
    return found
