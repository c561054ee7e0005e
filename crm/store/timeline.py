"""Timelines: the logged e-mails of a contact, a company or a deal, threads folded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.sql import Select

from crm.model import Attachment
from crm.store import associations, paging, sql
from crm.store.paging import Page
from crm.tables import (
    Email,
    EmailAttachment,
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
    people: tuple[Person, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    mailboxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread on a timeline, folded to its newest e-mail; `emails` are those of it that stand on
    this timeline, newest first."""

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


def of_contact(
    conn: Connection, account_id: int, contact_id: int, after: str = "", limit: int = 20
) -> Page[ThreadRow]:
    """A page of the contact's threads, newest first. Raises paging.WrongCursor."""
    theirs = (
        select(EmailContact.email_id)
        .where(EmailContact.account_id == account_id, EmailContact.contact_id == contact_id)
        .scalar_subquery()
    )
    return _page(conn, account_id, _emails(account_id).where(Email.id.in_(theirs)), after, limit)


def of_company(
    conn: Connection, account_id: int, company_id: int, after: str = "", limit: int = 20
) -> Page[ThreadRow]:
    """A page of the threads associated with a company. Raises paging.WrongCursor."""
    threads = associations.threads_of_company(account_id, company_id)
    query = _emails(account_id).where(Email.thread_id.in_(threads))
    return _page(conn, account_id, query, after, limit)


def of_deal(
    conn: Connection, account_id: int, deal_id: int, after: str = "", limit: int = 20
) -> Page[ThreadRow]:
    """A page of the threads associated with a deal. Raises paging.WrongCursor."""
    threads = associations.threads_of_deal(account_id, deal_id)
    query = _emails(account_id).where(Email.thread_id.in_(threads))
    return _page(conn, account_id, query, after, limit)


def email(conn: Connection, account_id: int, email_id: int) -> WholeEmail | None:
    """One logged e-mail whole."""
    query = select(Email.text, Email.html).where(
        Email.account_id == account_id, Email.id == email_id
    )
    row = conn.execute(query).first()
    if row is None:
        return None
    found = conn.execute(_shown().where(Email.account_id == account_id, Email.id == email_id)).all()
    return WholeEmail(_dress(conn, account_id, found)[0], row.text, row.html)


def thread(conn: Connection, account_id: int, thread_id: int) -> list[EmailRow]:
    """All e-mails of a thread, oldest first, whatever timelines they stand on."""
    query = (
        _shown()
        .where(Email.account_id == account_id, Email.thread_id == thread_id)
        .order_by(Email.sent_at, Email.id)
    )
    return _dress(conn, account_id, conn.execute(query).all())


def _emails(account_id: int) -> Select[int]:
    return select(Email.id).where(Email.account_id == account_id)


def _page(
    conn: Connection, account_id: int, which: Select[int], after: str, limit: int
) -> Page[ThreadRow]:
    ids = which.subquery()
    newest = func.max(Email.sent_at)
    query = (
        select(Thread.id, Thread.subject, newest.label("newest_at"))
        .join(Email, Email.thread_id == Thread.id)
        .join(ids, ids.c.id == Email.id)
        .where(Thread.account_id == account_id, Email.account_id == account_id)
        .group_by(Thread.id, Thread.subject)
        .order_by(newest.desc(), Thread.id.desc())
        .limit(limit + 1)
    )
    if after:
        query = query.having(paging.after(after, newest, Thread.id))
    threads = conn.execute(query).all()
    by_thread: dict[int, list[EmailRow]] = {}
    shown = (
        _shown()
        .join(ids, ids.c.id == Email.id)
        .where(
            Email.account_id == account_id, Email.thread_id.in_([row.id for row in threads[:limit]])
        )
        .order_by(Email.sent_at.desc(), Email.id.desc())
    )
    for each in _dress(conn, account_id, conn.execute(shown).all()):
        by_thread.setdefault(each.thread_id, []).append(each)
    rows = [
        ThreadRow(row.id, row.subject, row.newest_at, tuple(by_thread.get(row.id, ())))
        for row in threads
    ]
    return paging.page(rows, limit, [paging.cursor(row.newest_at, row.id) for row in rows])


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
)


def _shown() -> Select[*tuple[object, ...]]:
    return select(*_SHOWN)


def _dress(
    conn: Connection, account_id: int, rows: Sequence[Row[*tuple[object, ...]]]
) -> list[EmailRow]:
    """Add people, attachments and mailboxes to rows of `_SHOWN`."""
    ids = [row.id for row in rows]
    people = _people(conn, account_id, ids)
    files = _attachments(conn, account_id, ids)
    seen_in = _mailboxes(conn, account_id, ids)
    return [
        EmailRow(
            **row._asdict(),
            people=tuple(people.get(row.id, ())),
            attachments=tuple(files.get(row.id, ())),
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


def _attachments(conn: Connection, account_id: int, ids: list[int]) -> dict[int, list[Attachment]]:
    found: dict[int, list[Attachment]] = {}
    table = EmailAttachment
    for some in sql.chunks(ids):
        query = (
            select(
                table.email_id,
                table.part,
                table.filename,
                table.content_type,
                table.size,
                table.inline,
                table.content_id,
            )
            .where(table.account_id == account_id, table.email_id.in_(some))
            .order_by(table.id)
        )
        for row in conn.execute(query):
            values = row._asdict()
            found.setdefault(values.pop("email_id"), []).append(Attachment(**values))
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
