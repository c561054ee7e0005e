"""Runs over a mailbox: one at a time by a lease, rung by pushes, found by the timetable."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Case,
    ColumnElement,
    Connection,
    Update,
    and_,
    case,
    literal,
    or_,
    select,
    update,
)

from crm.columns import UtcDateTime
from crm.model import MailboxStatus
from crm.store.mailbox_rows import COLUMNS, Mailbox, mailbox_of
from crm.tables import Mailbox as Table

_BY_WAKE = "a wake names the mailbox only"
_CONNECTED = Table.status == MailboxStatus.CONNECTED


class LeaseLost(Exception):
    """Another run has the mailbox now: what this one wanted to store must not be stored."""


def take_lease(
    conn: Connection, mailbox_id: int, token: str, now: datetime, ttl: timedelta
) -> Mailbox | None:
    """Begin a run, in any account. None when another run holds the mailbox (it will go round once
    more, see `release`) or the mailbox is not connected."""
    free = or_(Table.lease == "", Table.lease_until.is_(None), Table.lease_until <= now)
    take = (
        update(Table)
        .where(Table.id == mailbox_id, _CONNECTED, free)
        .values(lease=token, lease_until=now + ttl, wake_at=now + ttl, rung=False)
        .returning(*COLUMNS)
        .execution_options(all_accounts=_BY_WAKE)
    )
    ring = (
        update(Table)
        .where(Table.id == mailbox_id, _CONNECTED, ~free)
        .values(rung=True)
        .execution_options(all_accounts=_BY_WAKE)
    )
    for _ in range(2):  # the holder may let go between the two
        if row := conn.execute(take).first():
            return mailbox_of(row)
        if conn.execute(ring).rowcount:
            break
    return None


def renew_lease(
    conn: Connection, mailbox: Mailbox, token: str, now: datetime, ttl: timedelta
) -> None:
    """Hold the mailbox until `now + ttl`. Raises LeaseLost when another run has it."""
    renewed = conn.execute(
        _held(mailbox, token).values(lease_until=now + ttl, wake_at=_if_connected(_time(now + ttl)))
    )
    if not renewed.rowcount:
        raise LeaseLost


def move_cursor(conn: Connection, mailbox: Mailbox, token: str, cursor: str) -> None:
    """Replace the cursor by one that covers other folders. Raises LeaseLost."""
    if not conn.execute(_held(mailbox, token).values(cursor=cursor)).rowcount:
        raise LeaseLost


def release(
    conn: Connection,
    mailbox: Mailbox,
    token: str,
    now: datetime,
    next_wake: datetime | None,
    settled_at: datetime | None = None,
) -> bool:
    """End a run; the timetable rings at `next_wake`, or at once when the mailbox was rung
    meanwhile: True then, so that the caller can ring without waiting for the timetable. Does
    nothing when another run has it. Everything received before `settled_at` is settled (None: as
    before)."""
    wake_at = case((Table.rung, _time(now)), else_=_time(next_wake))
    ended = conn.execute(
        _held(mailbox, token)
        .values(
            lease="",
            lease_until=None,
            rung=False,
            last_synced_at=now,
            settled_at=settled_at or Table.settled_at,
            wake_at=_if_connected(wake_at),
        )
        .returning(Table.wake_at)
    ).first()
    return ended is not None and ended.wake_at is not None and ended.wake_at <= now


def _held(mailbox: Mailbox, token: str) -> Update:
    return update(Table).where(
        Table.account_id == mailbox.account_id, Table.id == mailbox.id, Table.lease == token
    )


def _if_connected(when: ColumnElement[Any]) -> Case[Any]:
    return case((_CONNECTED, when), else_=None)


def _time(when: datetime | None) -> ColumnElement[Any]:
    return literal(when, UtcDateTime())


def block(conn: Connection, mailbox: Mailbox, until: datetime | None) -> None:
    """No provider call for this mailbox before `until` (None: it may be called again)."""
    conn.execute(
        update(Table)
        .where(Table.account_id == mailbox.account_id, Table.id == mailbox.id)
        .values(blocked_until=until)
    )


def due(conn: Connection, now: datetime, limit: int) -> list[tuple[int, int]]:
    """(account id, mailbox id) of connected mailboxes that are to be woken, longest due first."""
    query = (
        select(Table.account_id, Table.id)
        .where(and_(Table.wake_at <= now, _CONNECTED))
        .order_by(Table.wake_at)
        .limit(limit)
        .execution_options(all_accounts="the timetable serves every account")
    )
    return [(account_id, mailbox_id) for account_id, mailbox_id in conn.execute(query)]


def due_watches(conn: Connection, now: datetime, limit: int) -> list[tuple[int, int]]:
    """(account id, mailbox id) of connected mailboxes whose watches or folders are due."""
    query = (
        select(Table.account_id, Table.id)
        .where(and_(Table.renew_at <= now, _CONNECTED))
        .order_by(Table.renew_at)
        .limit(limit)
        .execution_options(all_accounts="the timetable serves every account")
    )
    return [(account_id, mailbox_id) for account_id, mailbox_id in conn.execute(query)]
