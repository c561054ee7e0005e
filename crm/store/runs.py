"""Runs over a mailbox: one at a time by a lease, rung by pushes, found by the timetable."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    Text,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from crm.columns import UtcDateTime
from crm.model import MailboxStatus
from crm.spending import Spent
from crm.store import sql
from crm.store.mailbox_rows import COLUMNS, Mailbox, mailbox_of
from crm.tables import Mailbox as Table

_BY_WAKE = "a wake names the mailbox only"
_CONNECTED = Table.status == MailboxStatus.CONNECTED
_FREE = or_(
    Table.lease == "",
    Table.lease_until.is_(None),
    Table.lease_until <= bindparam("now"),
    Table.lease_until > bindparam("beyond"),  # of a clock that was put back since
)
_UNTIL = bindparam("until", type_=UtcDateTime())
LONGEST_LEASE = timedelta(minutes=2)
LONGEST = timedelta(hours=2)  # that a mailbox is let be which its provider does not limit
_LOOK = "look "  # a token begins so that belongs to no run
# Whoever had it did not give it back.
_DIED = (Table.lease != "") & ~Table.lease.startswith(_LOOK, autoescape=True)
_IN_HAND = _DIED & (Table.in_hand != "")
_TAKE = (
    update(Table)
    .where(Table.id == bindparam("mailbox"), _CONNECTED, _FREE)
    .values(lease=bindparam("token"), lease_until=_UNTIL, wake_at=_UNTIL, rung=False)
    .values(  # see `crm.store.deaths`
        deaths=case((_DIED, Table.deaths + 1), else_=Table.deaths),
        in_hand="",
        suspect=case((_IN_HAND, Table.in_hand), else_=Table.suspect),
        suspect_deaths=case(
            (_IN_HAND & (Table.in_hand == Table.suspect), Table.suspect_deaths + 1),
            (_IN_HAND, 1),
            else_=Table.suspect_deaths,
        ),
    )
    .returning(*COLUMNS)
    .execution_options(all_accounts=_BY_WAKE)
)
_RING = (
    update(Table)
    .where(Table.id == bindparam("mailbox"), _CONNECTED, ~_FREE)
    .values(rung=True)
    .execution_options(all_accounts=_BY_WAKE)
)
HELD = update(Table).where(
    sql.held(Table), Table.id == bindparam("mailbox"), Table.lease == bindparam("token")
)
_RENEW = HELD.values(
    lease_until=_UNTIL,
    wake_at=case((_CONNECTED, _UNTIL), else_=None),
    cursor=func.coalesce(bindparam("moved", type_=Text()), Table.cursor),
    settled_at=func.coalesce(bindparam("settled", type_=UtcDateTime()), Table.settled_at),
).returning(Table.blocked_until)
_SPENT = HELD.values(
    spent=bindparam("spent"),
    spent_units=bindparam("units"),
    spent_at=bindparam("at", type_=UtcDateTime()),
)
_RELEASE = HELD.values(
    lease="",
    lease_until=None,
    rung=False,
    last_synced_at=bindparam("now", type_=UtcDateTime()),
    settled_at=func.coalesce(bindparam("settled", type_=UtcDateTime()), Table.settled_at),
    wake_at=case(
        (_CONNECTED & Table.rung, bindparam("now", type_=UtcDateTime())),
        (_CONNECTED, bindparam("next", type_=UtcDateTime())),
        else_=None,
    ),
).returning(Table.wake_at)


class LeaseLost(Exception):
    """Another run has the mailbox now: what this one wanted to store must not be stored."""


def take_lease(
    conn: Connection, mailbox_id: int, token: str, now: datetime, ttl: timedelta
) -> Mailbox | None:
    """Begin a run, in any account. None when another run holds the mailbox (it will go round once
    more, see `release`) or the mailbox is not connected."""
    held = {"mailbox": mailbox_id, "now": now, "beyond": now + LONGEST_LEASE}
    for _ in range(2):  # the holder may let go between the two
        if row := conn.execute(_TAKE, held | {"token": token, "until": now + ttl}).first():
            return mailbox_of(row)
        if conn.execute(_RING, held).rowcount:
            break
    return None


def renew_lease(
    conn: Connection,
    mailbox: Mailbox,
    token: str,
    until: datetime,
    cursor: str | None = None,
    settled_at: datetime | None = None,
) -> datetime | None:
    """Hold the mailbox until then, and move its cursor and the time before which all is settled
    (None: as before); gives its `blocked_until`. Raises LeaseLost when another run has it."""
    values = {"until": until, "moved": cursor, "settled": settled_at}
    held = conn.execute(_RENEW, which(mailbox, token) | values).first()
    if held is None:
        raise LeaseLost
    blocked_until: datetime | None = held.blocked_until
    return blocked_until


def note_spent(
    conn: Connection, mailbox: Mailbox, token: str, spent: Spent | None, now: datetime
) -> None:
    """Remember what was asked of the provider lately; None where that is not counted."""
    if spent is not None:
        values = {"spent": spent.text(), "units": spent.units, "at": now}
        conn.execute(_SPENT, which(mailbox, token) | values)


def spent_since(conn: Connection, provider: str, since: datetime) -> int:
    """What all mailboxes of a provider that were asked since then have spent, together."""
    query = (
        select(func.coalesce(func.sum(Table.spent_units), 0))
        .where(Table.spent_at > since, Table.provider == provider)
        .execution_options(all_accounts="a project's limit is shared by every account")
    )
    return int(conn.scalar(query) or 0)


def move_cursor(conn: Connection, mailbox: Mailbox, token: str, cursor: str) -> None:
    """Replace the cursor by one that covers other folders. Raises LeaseLost."""
    if not conn.execute(HELD.values(cursor=cursor), which(mailbox, token)).rowcount:
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
    values = {"now": now, "next": next_wake, "settled": settled_at}
    ended = conn.execute(_RELEASE, which(mailbox, token) | values).first()
    return ended is not None and ended.wake_at is not None and ended.wake_at <= now


def which(mailbox: Mailbox, token: str) -> sql.Row:
    return {"account": mailbox.account_id, "mailbox": mailbox.id, "token": token}


def borrow(conn: Connection, mailbox: Mailbox, now: datetime, ttl: timedelta) -> str:
    """Hold a connected mailbox for a few calls beside the runs, which wait meanwhile: a provider
    counts how many requests are made in it at the same time. Gives the token to give it back with,
    "" where a run has the mailbox."""
    token = _LOOK + uuid.uuid4().hex
    held = conn.execute(
        update(Table)
        .where(Table.account_id == mailbox.account_id, Table.id == mailbox.id, _CONNECTED)
        .where(or_(Table.lease == "", and_(~_DIED, Table.lease_until <= now)))
        .values(lease=token, lease_until=now + ttl)
    )
    return token if held.rowcount else ""


def give_back(conn: Connection, mailbox: Mailbox, token: str, now: datetime) -> bool:
    """End what `borrow` began; True where a run was waiting for it, which is to be rung."""
    rung = case((Table.rung, now), else_=Table.wake_at)
    values = {"lease": "", "lease_until": None, "rung": False, "wake_at": rung}
    ended = conn.execute(
        HELD.values(values).returning(Table.wake_at), which(mailbox, token)
    ).first()
    return ended is not None and ended.wake_at is not None and ended.wake_at <= now


def is_due(conn: Connection, mailbox_id: int, now: datetime) -> bool:
    """Whether a mailbox, of any account, waits for a run and nobody holds it."""
    query = select(Table.id).where(Table.id == mailbox_id, _CONNECTED, Table.wake_at <= now, _FREE)
    query = query.execution_options(all_accounts=_BY_WAKE)
    return conn.scalar(query, {"now": now, "beyond": now + LONGEST_LEASE}) is not None


def due(conn: Connection, now: datetime, limit: int) -> list[tuple[int, int]]:
    """(account id, mailbox id) of connected mailboxes that are to be woken, longest due first. None
    that may be asked rests for long: a time far ahead is of a clock that was put back since."""
    far = and_(
        Table.wake_at > now + LONGEST,
        or_(Table.blocked_until.is_(None), Table.blocked_until <= now, Table.blocked_since > now),
    )
    query = (
        select(Table.account_id, Table.id)
        .where(or_(Table.wake_at <= now, far), _CONNECTED)
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
