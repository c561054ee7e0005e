"""What happened to a mailbox: written in the transaction that made it so, read by its page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from crm.history import What
from crm.store import paging
from crm.store.paging import Page
from crm.tables import MailboxEvent


@dataclass(frozen=True, slots=True)
class Happened:
    """One happening; `what` may be one that this version does not know."""

    id: int
    at: datetime
    what: str
    facts: dict[str, Any]


def note(
    conn: Connection, account_id: int, mailbox_id: int, what: What, now: datetime, **facts: object
) -> None:
    """Note that it happened. `facts`: values that JSON has, none of them from mail."""
    row = {"account_id": account_id, "mailbox_id": mailbox_id, "at": now}
    conn.execute(insert(MailboxEvent).values(**row, what=what.value, facts=facts))


def listing(
    conn: Connection, account_id: int, mailbox_id: int, limit: int, cursor: str = ""
) -> Page[Happened]:
    """What happened, the newest first. Raises paging.WrongCursor."""
    table = MailboxEvent
    query = select(table.id, table.at, table.what, table.facts).where(
        table.account_id == account_id, table.mailbox_id == mailbox_id
    )
    if cursor:
        query = query.where(paging.after(cursor, table.at, table.id))
    query = query.order_by(table.at.desc(), table.id.desc()).limit(limit + 1)
    found = [Happened(*row) for row in conn.execute(query)]
    return paging.page(found, limit, [paging.cursor(each.at, each.id) for each in found])


def facts_of(
    conn: Connection, account_id: int, mailbox_id: int, what: What
) -> list[dict[str, Any]]:
    """The facts of all happenings of one kind, oldest first."""
    table = MailboxEvent
    query = (
        select(table.facts)
        .where(
            table.account_id == account_id, table.mailbox_id == mailbox_id, table.what == what.value
        )
        .order_by(table.at, table.id)
    )
    return list(conn.scalars(query))


def forget(conn: Connection, before: datetime) -> int:
    """Forget what happened before then, in every account; how many rows that were."""
    old = delete(MailboxEvent).where(MailboxEvent.at < before)
    done = conn.execute(old.execution_options(all_accounts="retention is the same for everybody"))
    return done.rowcount
