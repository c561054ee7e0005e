"""When audits are due, whose turn it is, and what their operator wants to know, in all accounts."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from crm.model import MailboxStatus
from crm.tables import Audit
from crm.tables import Mailbox as Table

NIGHT = timedelta(hours=5)  # from midnight UTC on, over which audits are spread


def next_night(now: datetime) -> datetime:
    """A moment of the next night, another one each time so that mailboxes do not march in step."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return midnight + NIGHT * random.random()  # noqa: S311 - spreads load, guards nothing


def due(conn: Connection, now: datetime, limit: int) -> list[int]:
    """Mailboxes whose audit is due and that nobody works on or rings anyhow."""
    query = (
        select(Table.id)
        .where(
            Table.audit_due_at <= now,
            Table.status == MailboxStatus.CONNECTED,
            Table.wake_at > now,
            or_(Table.blocked_until.is_(None), Table.blocked_until <= now),
            _free(now),
        )
        .order_by(Table.audit_due_at)
        .limit(limit)
        .execution_options(all_accounts="the timetable serves every account")
    )
    return list(conn.scalars(query))


def ring(conn: Connection, mailbox_ids: Sequence[int], now: datetime) -> None:
    """Have these mailboxes woken now, but for those that somebody works on by then."""
    conn.execute(
        update(Table)
        .where(Table.id.in_(mailbox_ids), _free(now))
        .values(wake_at=now)
        .execution_options(all_accounts="the timetable serves every account")
    )


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(Table.lease == "", Table.lease_until.is_(None), Table.lease_until <= now)


def last_ended(conn: Connection) -> datetime | None:
    """When an audit, of any account, was ended last."""
    query = select(func.max(Audit.ended_at)).where(Audit.ended_at.is_not(None))
    return conn.scalar(query.execution_options(all_accounts="a number for the operator"))


def overdue_since(conn: Connection) -> datetime | None:
    """Since when the audit is due that has been due longest, in any account."""
    query = select(func.min(Table.audit_due_at)).where(Table.status == MailboxStatus.CONNECTED)
    return conn.scalar(query.execution_options(all_accounts="a number for the operator"))


def forget(conn: Connection, before: datetime) -> int:
    """Forget audits that ended before then, in every account; how many."""
    old = delete(Audit).where(Audit.ended_at < before)
    return conn.execute(
        old.execution_options(all_accounts="retention is the same for everybody")
    ).rowcount
