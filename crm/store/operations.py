"""How the installation is doing, in numbers for its operator: of all accounts, naming nobody.

Each number is found by an index and counts to MOST; the page and the gauges of the timetable both
read them here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, func, select, text

from crm.model import MailboxStatus
from crm.store import deliveries, watching
from crm.store.deliveries import Backlog
from crm.tables import (
    EmailAttachment,
    Lease,
    Mailbox,
    MailboxEvent,
    PendingMessage,
    WebhookEndpoint,
)
from crm.topics import State as EndpointState

MOST = 10_000
RECENT = timedelta(days=7)  # of what happened to mailboxes
LATE = timedelta(minutes=30)  # a watch that fails to be renewed is due again after five
_WHY = "numbers for the operator, of the whole installation"
_CONNECTED = Mailbox.status == MailboxStatus.CONNECTED


@dataclass(frozen=True, slots=True)
class Lag:
    """Since when mailboxes are not settled: the one that is furthest behind, and the one in the
    middle."""

    worst: datetime | None = None
    median: datetime | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All of it at one moment."""

    now: datetime
    connected: int
    disconnected: int
    stopped: Mapping[str, int]  # by cause
    expired_watches: int
    overdue_watches: int
    unwatched: int  # mailboxes that lack a watch which could not be had
    blocked: int
    oldest_due: datetime | None  # wake_at of the mailbox that should have been rung first
    leads_until: datetime | None  # the timetable's lease
    waiting: int  # messages
    given_up: int
    lag: Lag
    outbox: Backlog
    stopped_endpoints: int
    files: int
    happened: Mapping[str, int] = field(default_factory=dict)  # crm.history.What -> times

    @property
    def reconnect(self) -> int:
        return sum(self.stopped.values())


def state(conn: Connection, now: datetime) -> State:
    connected = _number(conn, select(Mailbox.id).where(_CONNECTED))
    gone = Mailbox.status == MailboxStatus.DISCONNECTED
    return State(
        now=now,
        connected=connected,
        disconnected=_number(conn, select(Mailbox.id).where(gone)),
        stopped=_stopped(conn),
        expired_watches=watching.expired(conn, now, MOST),
        overdue_watches=watching.overdue(conn, now - LATE, MOST),
        unwatched=watching.unwatched(conn, MOST),
        blocked=_number(conn, select(Mailbox.id).where(Mailbox.blocked_until > now, _CONNECTED)),
        oldest_due=_scalar(conn, select(func.min(Mailbox.wake_at)).where(Mailbox.wake_at <= now)),
        leads_until=conn.scalar(select(Lease.until).where(Lease.name == "timetable")),
        waiting=_number(conn, select(PendingMessage.id).where(PendingMessage.next_at.is_not(None))),
        given_up=_number(conn, select(PendingMessage.id).where(PendingMessage.next_at.is_(None))),
        lag=_lag(conn, connected),
        outbox=deliveries.backlog(conn, now),
        stopped_endpoints=_number(
            conn,
            select(WebhookEndpoint.id).where(
                WebhookEndpoint.state.in_((EndpointState.FAILING, EndpointState.GONE))
            ),
        ),
        files=_number(conn, select(EmailAttachment.id).where(EmailAttachment.next_at.is_not(None))),
        happened=_happened(conn, now - RECENT),
    )


def size(conn: Connection) -> int:
    """Bytes that the database takes."""
    if conn.dialect.name == "sqlite":
        pages, each = (conn.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
        return int(pages or 0) * int(each or 0)
    return int(conn.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _stopped(conn: Connection) -> dict[str, int]:
    waiting = Mailbox.status == MailboxStatus.RECONNECT
    some = select(Mailbox.cause).where(waiting).limit(MOST).subquery()
    query = select(some.c.cause, func.count()).group_by(some.c.cause).order_by(some.c.cause)
    rows = conn.execute(query.execution_options(all_accounts=_WHY))
    return {cause: number for cause, number in rows}  # noqa: C416 - rows are no pairs


def _lag(conn: Connection, connected: int) -> Lag:
    """Those that were never settled count from their beginning, which is not in this index."""
    query = select(Mailbox.settled_at).where(_CONNECTED, Mailbox.settled_at.is_not(None))
    query = query.order_by(Mailbox.settled_at).limit(1)
    return Lag(_scalar(conn, query), _scalar(conn, query.offset(max(connected - 1, 0) // 2)))


def _happened(conn: Connection, since: datetime) -> dict[str, int]:
    some = select(MailboxEvent.what).where(MailboxEvent.at >= since).limit(MOST).subquery()
    query = select(some.c.what, func.count()).group_by(some.c.what)
    rows = conn.execute(query.execution_options(all_accounts=_WHY))
    return {what: number for what, number in rows}  # noqa: C416 - rows are no pairs


def _number(conn: Connection, which: Select[int]) -> int:
    counted = select(func.count()).select_from(which.limit(MOST).subquery())
    return conn.scalar(counted.execution_options(all_accounts=_WHY)) or 0


def _scalar(conn: Connection, query: Select[datetime] | Select[datetime | None]) -> datetime | None:
    return conn.scalar(query.execution_options(all_accounts=_WHY))
