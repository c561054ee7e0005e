"""Finding logged e-mails by words in their people, subject and text (`crm.words`).

A page of a search looks through at most LOOKED_AT e-mails, the newest first, and the next one goes on
below: so however many there are and whatever is asked for, an answer takes bounded time.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from crm import words
from crm.store import paging
from crm.store.paging import Page
from crm.store.timeline import ALL, On, Only, standing
from crm.store.visibility import Viewer, visible
from crm.tables import Contact, ContactAddress, Email, EmailContact, EmailPerson
from crm.words import Piece

LOOKED_AT = 5000


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look for: words that all occur, on the timeline of one row or (None) anywhere."""

    words: tuple[str, ...]
    only: Only = ALL
    timeline: tuple[On, int] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An e-mail that fits. `contacts` are (id, name) of those on whose timelines it stands."""

    id: int
    thread_id: int
    direction: str
    kind: str
    visibility: str
    sent_at: datetime
    sender: tuple[Piece, ...]
    subject: tuple[Piece, ...]
    excerpt: tuple[Piece, ...]
    contacts: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A page of what fits. `back_to` is when the oldest e-mail was sent that was looked through
    where older ones were not; `page.next` goes on there."""

    page: Page[Found]
    back_to: datetime | None = None


def emails(
    conn: Connection, viewer: Viewer, asked: Asked, after: str = "", limit: int = 20
) -> Result:
    """The e-mails that fit, newest first. Raises paging.WrongCursor."""
    if not asked.words:
        return Result(Page(()))
    below = [paging.after(after, Email.sent_at, Email.id)] if after else []
    where = and_(visible(viewer), asked.only.holds(), *below)
    if asked.timeline is not None:
        where = and_(where, standing(viewer, *asked.timeline))
    looked_at = _newest(where, Email.id).limit(LOOKED_AT).subquery()
    fits = (Email.words.contains(each, autoescape=True) for each in asked.words)
    query = _newest(and_(visible(viewer), *fits), Email.id, Email.sent_at).join(
        looked_at, looked_at.c.id == Email.id
    )
    rows = conn.execute(query.limit(limit + 1)).all()
    ids = [row.id for row in rows[:limit]]
    if len(rows) > limit:
        last = rows[limit - 1]
        return Result(Page(_found(conn, viewer, ids, asked), paging.cursor(last.sent_at, last.id)))
    end = conn.execute(
        _newest(where, Email.id, Email.sent_at).offset(LOOKED_AT - 1).limit(1)
    ).first()
    on = paging.cursor(end.sent_at, end.id) if end else ""
    return Result(Page(_found(conn, viewer, ids, asked), on), end.sent_at if end else None)


def _newest(where: ColumnElement[bool], *columns: Any) -> Select[Any]:
    return select(*columns).where(where).order_by(Email.sent_at.desc(), Email.id.desc())


def _found(conn: Connection, viewer: Viewer, ids: list[int], asked: Asked) -> tuple[Found, ...]:
    beginning = func.substr(Email.text, 1, words.LONGEST).label("text")
    columns = (
        Email.id, Email.thread_id, Email.direction, Email.kind, Email.visibility, Email.sent_at,
        Email.sender, Email.subject, beginning,
    )  # fmt: skip
    rows = conn.execute(_newest(and_(visible(viewer), Email.id.in_(ids)), *columns)).all()
    names = _senders(conn, viewer.account_id, ids)
    contacts = _contacts(conn, viewer.account_id, ids)
    return tuple(
        Found(
            id=row.id,
            thread_id=row.thread_id,
            direction=row.direction,
            kind=row.kind,
            visibility=row.visibility,
            sent_at=row.sent_at,
            sender=words.marked(names.get(row.id) or row.sender, asked.words),
            subject=words.marked(row.subject, asked.words),
            excerpt=words.excerpt(row.text, asked.words),
            contacts=tuple(contacts.get(row.id, ())),
        )
        for row in rows
    )


def _senders(conn: Connection, account_id: int, ids: Collection[int]) -> dict[int, str]:
    """Senders by their names, where they have one."""
    table = EmailPerson
    query = select(table.email_id, table.name).where(
        table.account_id == account_id, table.role == "from", table.email_id.in_(ids)
    )
    return {email_id: name for email_id, name in conn.execute(query)}  # noqa: C416


def _contacts(
    conn: Connection, account_id: int, ids: Collection[int]
) -> dict[int, list[tuple[int, str]]]:
    """Contacts on whose timelines the e-mails stand, by their names, else by an address."""
    address = (
        select(func.min(ContactAddress.address))
        .where(ContactAddress.account_id == account_id, ContactAddress.contact_id == Contact.id)
        .scalar_subquery()
    )
    query = (
        select(EmailContact.email_id, Contact.id, Contact.name, address.label("address"))
        .join(Contact, Contact.id == EmailContact.contact_id)
        .where(
            EmailContact.account_id == account_id,
            Contact.account_id == account_id,
            EmailContact.email_id.in_(ids),
        )
        .order_by(EmailContact.id)
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for email_id, contact_id, name, written in conn.execute(query):
        found.setdefault(email_id, []).append((contact_id, name or written or ""))
    return found
