"""Timelines: the logged e-mails of a contact, a company or a deal, threads folded. Whoever looks sees
what the viewer may see, and nothing that tells of the rest."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, true
from sqlalchemy.sql import Select

from crm.store import associations, files, paging, sql
from crm.store.files import FileRow
from crm.store.paging import Page
from crm.store.visibility import Viewer, visible
from crm.tables import (
    Email,
    EmailContact,
    EmailPerson,
    Mailbox,
    Sighting,
    Thread,
)


@dataclass(frozen=True, slots=True)
class Person:
    """A party of an e-mail; `role` is from, to, cc or bcc."""

    role: str
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class EmailRow:
    """A logged e-mail on a timeline. `mailboxes` are the addresses in which a copy was seen."""

    id: int
    thread_id: int
    message_id: str
    direction: str
    kind: str
    rule: str
    sender: str
    subject: str
    snippet: str
    sent_at: datetime
    logged_at: datetime
    owner_id: int | None
    visibility: str
    people: tuple[Person, ...] = ()
    attachments: tuple[FileRow, ...] = ()
    mailboxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread on a timeline, folded to its newest e-mail; `emails` are those of it that stand on
    this timeline, newest first. `subject` is that of the thread, or where its root may not be seen,
    of the oldest that may."""

    id: int
    subject: str
    newest_at: datetime
    emails: tuple[EmailRow, ...]


@dataclass(frozen=True, slots=True)
class WholeEmail:
    """One e-mail with its body, as it was received: `html` is not safe to show as it is."""

    email: EmailRow
    text: str
    html: str


class On(StrEnum):
    """Whose timeline."""

    CONTACT = "contact"
    COMPANY = "company"
    DEAL = "deal"


@dataclass(frozen=True, slots=True)
class Only:
    """Which e-mails to show, by direction and kind; '' does not narrow."""

    direction: str = ""
    kind: str = ""

    def holds(self) -> ColumnElement[bool]:
        """The condition on an e-mail."""
        asked = ((Email.direction, self.direction), (Email.kind, self.kind))
        return and_(true(), *(column == value for column, value in asked if value))


ALL = Only()


def of_contact(
    conn: Connection,
    viewer: Viewer,
    contact_id: int,
    after: str = "",
    limit: int = 20,
    only: Only = ALL,
) -> Page[ThreadRow]:
    """A page of the contact's threads, newest first. Raises paging.WrongCursor."""
    which = and_(standing(viewer, On.CONTACT, contact_id), only.holds())
    return _page(conn, viewer, which, after, limit)


def of_company(
    conn: Connection,
    viewer: Viewer,
    company_id: int,
    after: str = "",
    limit: int = 20,
    only: Only = ALL,
) -> Page[ThreadRow]:
    """A page of the threads associated with a company. Raises paging.WrongCursor."""
    which = and_(standing(viewer, On.COMPANY, company_id), only.holds())
    return _page(conn, viewer, which, after, limit)


def of_deal(
    conn: Connection,
    viewer: Viewer,
    deal_id: int,
    after: str = "",
    limit: int = 20,
    only: Only = ALL,
) -> Page[ThreadRow]:
    """A page of the threads associated with a deal. Raises paging.WrongCursor."""
    which = and_(standing(viewer, On.DEAL, deal_id), only.holds())
    return _page(conn, viewer, which, after, limit)


def entries(
    conn: Connection, viewer: Viewer, on: On, row_id: int, after: str = "", limit: int = 50
) -> Page[EmailRow]:
    """A page of the e-mails on a timeline one by one, newest first. Raises paging.WrongCursor."""
    query = (
        _shown(viewer)
        .where(standing(viewer, on, row_id))
        .order_by(Email.sent_at.desc(), Email.id.desc())
        .limit(limit + 1)
    )
    if after:
        query = query.where(paging.after(after, Email.sent_at, Email.id))
    rows = _dress(conn, viewer.account_id, conn.execute(query).all())
    return paging.page(rows, limit, [paging.cursor(row.sent_at, row.id) for row in rows])


def standing(viewer: Viewer, on: On, row_id: int) -> ColumnElement[bool]:
    """Whether an e-mail stands on this timeline."""
    if on is On.COMPANY:
        return Email.thread_id.in_(associations.threads_of_company(viewer.account_id, row_id))
    if on is On.DEAL:
        return Email.thread_id.in_(associations.threads_of_deal(viewer.account_id, row_id))
    theirs = select(EmailContact.email_id).where(
        EmailContact.account_id == viewer.account_id, EmailContact.contact_id == row_id
    )
    return Email.id.in_(theirs.scalar_subquery())


def email(conn: Connection, viewer: Viewer, email_id: int) -> WholeEmail | None:
    """One logged e-mail whole; None where there is none that the viewer may see."""
    this = Email.id == email_id
    row = conn.execute(select(Email.text, Email.html).where(visible(viewer), this)).first()
    if row is None:
        return None
    found = conn.execute(_shown(viewer).where(this)).all()
    return WholeEmail(_dress(conn, viewer.account_id, found)[0], row.text, row.html)


def thread(conn: Connection, viewer: Viewer, thread_id: int) -> list[EmailRow]:
    """The e-mails of a thread, oldest first, whatever timelines they stand on."""
    query = _shown(viewer).where(Email.thread_id == thread_id).order_by(Email.sent_at, Email.id)
    return _dress(conn, viewer.account_id, conn.execute(query).all())


def numbers(conn: Connection, viewer: Viewer, contact_ids: Collection[int]) -> dict[int, int]:
    """How many e-mails stand on each contact's timeline, where there are any."""
    found: dict[int, int] = {}
    table = EmailContact
    for some in sql.chunks(contact_ids):
        query = (
            select(table.contact_id, func.count())
            .join(Email, Email.id == table.email_id)
            .where(
                table.account_id == viewer.account_id, table.contact_id.in_(some), visible(viewer)
            )
            .group_by(table.contact_id)
        )
        found.update((contact_id, number) for contact_id, number in conn.execute(query))
    return found


def _page(
    conn: Connection, viewer: Viewer, which: ColumnElement[bool], after: str, limit: int
) -> Page[ThreadRow]:
    newest = func.max(Email.sent_at)
    query = (
        select(Thread.id, Thread.subject, newest.label("newest_at"))
        .join(Email, Email.thread_id == Thread.id)
        .where(Thread.account_id == viewer.account_id, visible(viewer), which)
        .group_by(Thread.id, Thread.subject)
        .order_by(newest.desc(), Thread.id.desc())
        .limit(limit + 1)
    )
    if after:
        query = query.having(paging.after(after, newest, Thread.id))
    threads = conn.execute(query).all()
    ids = [row.id for row in threads[:limit]]
    by_thread: dict[int, list[EmailRow]] = {}
    shown = (
        _shown(viewer)
        .where(which, Email.thread_id.in_(ids))
        .order_by(Email.sent_at.desc(), Email.id.desc())
    )
    for each in _dress(conn, viewer.account_id, conn.execute(shown).all()):
        by_thread.setdefault(each.thread_id, []).append(each)
    named = subjects(conn, viewer, ids)
    rows = [
        ThreadRow(row.id, named.get(row.id, ""), row.newest_at, tuple(by_thread.get(row.id, ())))
        for row in threads
    ]
    return paging.page(rows, limit, [paging.cursor(row.newest_at, row.id) for row in rows])


def subjects(conn: Connection, viewer: Viewer, thread_ids: Collection[int]) -> dict[int, str]:
    """The subject of the root, else of the oldest e-mail, that the viewer may see of each thread."""
    is_root = (Email.identity == Thread.root_identity).label("is_root")
    query = (
        select(Email.thread_id, Email.subject)
        .join(Thread, Thread.id == Email.thread_id)
        .where(Thread.account_id == viewer.account_id, visible(viewer), Thread.id.in_(thread_ids))
        .order_by(is_root, Email.sent_at.desc(), Email.id.desc())
    )
    return {thread_id: subject for thread_id, subject in conn.execute(query)}  # noqa: C416


_SHOWN = (
    Email.id,
    Email.thread_id,
    Email.message_id,
    Email.direction,
    Email.kind,
    Email.rule,
    Email.sender,
    Email.subject,
    Email.snippet,
    Email.sent_at,
    Email.logged_at,
    Email.owner_id,
    Email.visibility,
)


def _shown(viewer: Viewer) -> Select[*tuple[object, ...]]:
    return select(*_SHOWN).where(visible(viewer))


def _dress(
    conn: Connection, account_id: int, rows: Sequence[Row[*tuple[object, ...]]]
) -> list[EmailRow]:
    """Add people, attachments and mailboxes to rows of `_SHOWN`."""
    ids = [row.id for row in rows]
    people = _people(conn, account_id, ids)
    attached = files.of_emails(conn, account_id, ids)
    seen_in = _mailboxes(conn, account_id, ids)
    return [
        EmailRow(
            **row._asdict(),
            people=tuple(people.get(row.id, ())),
            attachments=tuple(attached.get(row.id, ())),
            mailboxes=tuple(seen_in.get(row.id, ())),
        )
        for row in rows
    ]


def _people(conn: Connection, account_id: int, ids: list[int]) -> dict[int, list[Person]]:
    found: dict[int, list[Person]] = {}
    table = EmailPerson
    for some in sql.chunks(ids):
        query = (
            select(table.email_id, table.role, table.address, table.name)
            .where(table.account_id == account_id, table.email_id.in_(some))
            .order_by(table.email_id, table.position, table.id)
        )
        for email_id, role, address, name in conn.execute(query):
            found.setdefault(email_id, []).append(Person(role, address, name))
    return found


def _mailboxes(conn: Connection, account_id: int, ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for some in sql.chunks(ids):
        query = (
            select(Sighting.email_id, Mailbox.address)
            .distinct()
            .join(Mailbox, Mailbox.id == Sighting.mailbox_id)
            .where(
                Sighting.account_id == account_id,
                Mailbox.account_id == account_id,
                Sighting.email_id.in_(some),
            )
            .order_by(Mailbox.address)
        )
        for email_id, address in conn.execute(query):
            found.setdefault(email_id, []).append(address)
    return found
