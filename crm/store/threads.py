"""Which thread a logged e-mail belongs to, whatever the order in which e-mails were logged.

It is the thread of the nearest logged e-mail that it refers to, or its own. An e-mail that is logged
late can be nearer to others than what they hang on, or the first they have: they move to its
thread, and all that hangs on them with them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update
from sqlalchemy.orm import aliased

from crm.store import sql
from crm.tables import Email, EmailReference, Thread

_Parent = aliased(Email)
_REFERRING = (
    select(EmailReference.email_id)
    .where(sql.held(EmailReference), sql.among(EmailReference.message_id))
    .distinct()
)
_PARENTS = (  # rows of a reference are written in the order of `Headers.answers`
    select(EmailReference.email_id, _Parent.id.label("parent_id"), _Parent.thread_id)
    .join(_Parent, _Parent.message_id == EmailReference.message_id)
    .where(
        sql.held(EmailReference),
        sql.held(_Parent),
        sql.among(EmailReference.email_id),
        _Parent.id != EmailReference.email_id,
    )
    .order_by(EmailReference.id, _Parent.sent_at, _Parent.identity)
)


@dataclass(frozen=True, slots=True)
class _Parents:
    """The nearest logged e-mail that one refers to."""

    id: int
    thread_id: int


def mend(conn: Connection, account_id: int, message_ids: Collection[str]) -> set[str]:
    """E-mails with these Message-IDs are new: move what refers to them to the thread it now belongs
    to. Gives the Message-IDs of all that moved. The caller is `alone`."""
    referring: list[int] = []
    for some in sql.chunks(each for each in message_ids if each):
        referring += conn.scalars(_REFERRING, {"account": account_id, "some": some})
    moved: set[str] = set()
    for email_id in sorted(referring):
        parent = _parents(conn, account_id, [email_id]).get(email_id)
        own = _emails(conn, account_id, Email.id == email_id)[0]
        if parent is not None and parent.thread_id != own.thread_id:
            moved |= _move(conn, account_id, own, parent.thread_id)
    return moved


def _move(conn: Connection, account_id: int, first: "Row[int, int, str, str]", to: int) -> set[str]:
    """Move an e-mail with all that hangs on it; a thread whose root moves ends."""
    is_old = (Thread.account_id == account_id) & (Thread.id == first.thread_id)
    members = _emails(conn, account_id, Email.thread_id == first.thread_id)
    root = conn.scalar(select(Thread.root_identity).where(is_old))
    if root != first.identity:
        hanging = set(_below(first.id, _parents(conn, account_id, [each.id for each in members])))
        members = [each for each in members if each.id in hanging]
    for some in sql.chunks(each.id for each in members):
        conn.execute(
            update(Email)
            .where(Email.account_id == account_id, Email.id.in_(some))
            .values(thread_id=to)
        )
    if root == first.identity:
        conn.execute(delete(Thread).where(is_old))
    return {each.message_id for each in members}


def _below(email_id: int, parents: dict[int, _Parents]) -> Iterator[int]:
    """An e-mail and all that hangs on it; references of hostile mail may go in circles."""
    found, more = {email_id}, [email_id]
    while more:
        parent = more.pop()
        yield parent
        children = {each for each, its in parents.items() if its.id == parent} - found
        found |= children
        more += children


def _parents(conn: Connection, account_id: int, email_ids: Collection[int]) -> dict[int, _Parents]:
    found: dict[int, _Parents] = {}
    for some in sql.chunks(email_ids):
        for row in conn.execute(_PARENTS, {"account": account_id, "some": some}):
            found.setdefault(row.email_id, _Parents(row.parent_id, row.thread_id))
    return found


def _emails(
    conn: Connection, account_id: int, which: ColumnElement[bool]
) -> "list[Row[int, int, str, str]]":
    query = select(Email.id, Email.thread_id, Email.identity, Email.message_id)
    return list(conn.execute(query.where(Email.account_id == account_id, which)))
