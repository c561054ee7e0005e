"""Deliveries: each event for each receiver, tried until it is there or every try was used.

Whoever tries takes a delivery by moving its due time to the end of the try and counting the try; a
worker that dies in it leaves a delivery that is due again then. What comes of a try is stored only
for the newest one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, and_, exists, func, or_, select, update

from crm.outbox_tables import Delivery, OutboxEvent, WebhookEndpoint
from crm.store import paging, sql
from crm.store.outbox import Payload
from crm.store.paging import Page
from crm.topics import State

WEBHOOK = "webhook"
_ALL = "the outbox of every account is told by the same workers"
_DEAD = (Delivery.next_at.is_(None), Delivery.delivered_at.is_(None))
MOST_COUNTED = 10_000
LATELY = timedelta(days=1)  # nobody replays a mail: it stops to be news


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is the caller's to try; `attempts` counts this try."""

    id: int
    account_id: int
    event_id: int
    target: int
    attempts: int
    topic: str
    payload: Payload
    told_at: datetime  # when the event happened


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery for people to look at."""

    id: int
    event_id: int
    topic: str
    told_at: datetime
    attempts: int
    next_at: datetime | None
    delivered_at: datetime | None
    tried_at: datetime | None
    status: int | None
    error: str
    created_at: datetime

    @property
    def dead(self) -> bool:
        """Whether every try was used in vain."""
        return self.next_at is None and self.delivered_at is None

    @property
    def state(self) -> str:
        """`delivered`, `dead` or `waiting`."""
        return "delivered" if self.delivered_at else "dead" if self.dead else "waiting"


@dataclass(frozen=True, slots=True)
class Counts:
    """Deliveries to an endpoint, numbers up to MOST_COUNTED."""

    waiting: int
    dead: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """Of all accounts, numbers up to MOST_COUNTED: which deliveries to endpoints are due or dead,
    which others (mails) were given up LATELY, the oldest event that somebody active still lacks."""

    due: int
    dead: int
    unsent: int
    oldest: datetime | None


def add(
    conn: Connection,
    account_id: int,
    destination: str,
    pairs: Iterable[tuple[int, int]],
    now: datetime,
    due_at: datetime | None = None,
) -> None:
    """Deliveries for pairs of event and target, due at once or at `due_at`; those that exist stay as
    they are."""
    rows = [
        {
            "account_id": account_id,
            "event_id": event_id,
            "destination": destination,
            "target": target,
            "attempts": 0,
            "next_at": due_at or now,
            "created_at": now,
        }
        for event_id, target in pairs
    ]
    sql.add_missing(conn, Delivery, rows)


def waits(conn: Connection, destination: str, now: datetime) -> bool:
    """Whether a delivery of this kind is due, in any account."""
    query = select(Delivery.id).where(Delivery.destination == destination, Delivery.next_at <= now)
    return conn.scalar(query.limit(1).execution_options(all_accounts=_ALL)) is not None


def claim(
    conn: Connection,
    destination: str,
    now: datetime,
    until: datetime,
    limit: int,
    target: int | None = None,
) -> list[Due]:
    """Take deliveries that are due, longest due first; nobody else gets them before `until`."""
    due = (
        select(Delivery.id)
        .where(Delivery.destination == destination, Delivery.next_at <= now)
        .order_by(Delivery.next_at, Delivery.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if target is not None:
        due = due.where(Delivery.target == target)
    return _take(conn, conn.scalars(due.execution_options(all_accounts=_ALL)).all(), now, until)


def claim_together(
    conn: Connection, destination: str, topics: Collection[str], now: datetime, until: datetime
) -> list[Due]:
    """Take the delivery that has been due longest; one of these topics with all others of its topic
    to the same receiver that are due, or wait for their first try. Nobody else gets them before
    `until`."""
    first = (
        select(Delivery.id, Delivery.account_id, Delivery.target, OutboxEvent.topic)
        .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
        .where(Delivery.destination == destination, Delivery.next_at <= now)
        .order_by(Delivery.next_at, Delivery.id)
        .limit(1)
        .execution_options(all_accounts=_ALL)
    )
    row = conn.execute(first).first()
    if row is None:
        return []
    untried = and_(Delivery.next_at.is_not(None), Delivery.attempts == 0)
    of_topic = exists().where(
        OutboxEvent.account_id == row.account_id,
        OutboxEvent.id == Delivery.event_id,
        OutboxEvent.topic == row.topic,
    )
    theirs = (
        select(Delivery.id)
        .where(
            Delivery.account_id == row.account_id,
            Delivery.destination == destination,
            Delivery.target == row.target,
            or_(Delivery.next_at <= now, untried),
            of_topic if row.topic in topics else Delivery.id == row.id,
        )
        .order_by(Delivery.id)
        .with_for_update()  # whoever comes second waits, and finds nothing left
    )
    return _take(conn, conn.scalars(theirs).all(), now, until)


def last_tries(
    conn: Connection, account_id: int, destination: str, targets: Collection[int]
) -> dict[int, datetime]:
    """When each of these receivers was last told something, or was tried to be."""
    query = (
        select(Delivery.target, func.max(Delivery.tried_at))
        .where(
            Delivery.account_id == account_id,
            Delivery.destination == destination,
            Delivery.target.in_(sorted(targets)),
            Delivery.tried_at.is_not(None),
        )
        .group_by(Delivery.target)
    )
    return {target: at for target, at in conn.execute(query) if at is not None}


def _take(conn: Connection, ids: Sequence[int], now: datetime, until: datetime) -> list[Due]:
    if not ids:
        return []
    taken = update(Delivery).where(Delivery.id.in_(ids))
    values = {"next_at": until, "attempts": Delivery.attempts + 1, "tried_at": now}
    conn.execute(taken.values(values).execution_options(all_accounts=_ALL))
    query = (
        select(
            Delivery.id,
            Delivery.account_id,
            Delivery.event_id,
            Delivery.target,
            Delivery.attempts,
            OutboxEvent.topic,
            OutboxEvent.payload,
            OutboxEvent.created_at,
        )
        .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
        .where(Delivery.id.in_(ids))
        .order_by(OutboxEvent.created_at, Delivery.id)
        .execution_options(all_accounts=_ALL)
    )
    return [Due(*row) for row in conn.execute(query)]


def delivered(conn: Connection, due: Due, status: int | None, now: datetime) -> None:
    """The receiver has it."""
    _end_try(conn, due, {"next_at": None, "delivered_at": now, "status": status, "error": ""})


def failed(
    conn: Connection, due: Due, next_at: datetime | None, status: int | None, error: str
) -> None:
    """It did not get there; `next_at` None: it is dead. `error` is a class, never a text."""
    _end_try(conn, due, {"next_at": next_at, "status": status, "error": error})


def _end_try(conn: Connection, due: Due, values: sql.Row) -> None:
    conn.execute(
        update(Delivery)
        .where(
            Delivery.account_id == due.account_id,
            Delivery.id == due.id,
            Delivery.attempts == due.attempts,
            Delivery.delivered_at.is_(None),
        )
        .values(values)
    )


def next_due(conn: Connection, account_id: int, endpoint_id: int) -> datetime | None:
    """When the next delivery to an endpoint is due."""
    return conn.scalar(
        select(func.min(Delivery.next_at)).where(
            Delivery.account_id == account_id,
            Delivery.destination == WEBHOOK,
            Delivery.target == endpoint_id,
        )
    )


def listing(
    conn: Connection,
    account_id: int,
    endpoint_id: int,
    limit: int,
    cursor: str = "",
    dead_only: bool = False,
) -> Page[Row]:
    """Deliveries to an endpoint, the newest first. Raises paging.WrongCursor."""
    query = (
        select(
            Delivery.id,
            Delivery.event_id,
            OutboxEvent.topic,
            OutboxEvent.created_at,
            Delivery.attempts,
            Delivery.next_at,
            Delivery.delivered_at,
            Delivery.tried_at,
            Delivery.status,
            Delivery.error,
            Delivery.created_at,
        )
        .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
        .where(
            Delivery.account_id == account_id,
            OutboxEvent.account_id == account_id,
            Delivery.destination == WEBHOOK,
            Delivery.target == endpoint_id,
        )
    )
    if dead_only:
        query = query.where(*_DEAD)
    if cursor:
        query = query.where(paging.after(cursor, Delivery.created_at, Delivery.id))
    query = query.order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit + 1)
    found = [Row(*row) for row in conn.execute(query)]
    cursors = [paging.cursor(each.created_at, each.id) for each in found]
    return paging.page(found, limit, cursors)


def counts(conn: Connection, account_id: int, endpoint_id: int) -> Counts:
    """How many deliveries to an endpoint are still to come."""
    mine = select(Delivery.id).where(
        Delivery.account_id == account_id,
        Delivery.destination == WEBHOOK,
        Delivery.target == endpoint_id,
    )
    return Counts(
        waiting=_number(conn, mine.where(Delivery.next_at.is_not(None))),
        dead=_number(conn, mine.where(*_DEAD)),
    )


def replay(
    conn: Connection, account_id: int, endpoint_id: int, now: datetime, delivery_id: int | None
) -> int:
    """Try dead deliveries to an endpoint again, one or (None) all, with all their tries anew; how
    many. One that was delivered is sent again only when it is named."""
    mine = (
        Delivery.account_id == account_id,
        Delivery.destination == WEBHOOK,
        Delivery.target == endpoint_id,
    )
    which = (
        _DEAD if delivery_id is None else (Delivery.id == delivery_id, Delivery.next_at.is_(None))
    )
    anew = {"next_at": now, "attempts": 0, "delivered_at": None}
    return conn.execute(update(Delivery).where(*mine, *which).values(anew)).rowcount


def anew(
    conn: Connection, account_id: int, endpoint_id: int, event_ids: Iterable[int], now: datetime
) -> None:
    """Deliver these events to an endpoint (again), whether it has them or never had them."""
    for some in sql.chunks(event_ids):
        conn.execute(
            update(Delivery)
            .where(
                Delivery.account_id == account_id,
                Delivery.destination == WEBHOOK,
                Delivery.target == endpoint_id,
                Delivery.event_id.in_(some),
            )
            .values(next_at=now, attempts=0, delivered_at=None)
        )
        add(conn, account_id, WEBHOOK, [(each, endpoint_id) for each in some], now)


def backlog(conn: Connection, now: datetime) -> Backlog:
    """How the outbox of all accounts is doing. What a person paused is in nobody's way."""
    active = select(WebhookEndpoint.id).where(WebhookEndpoint.state == State.ACTIVE)
    to_webhooks = Delivery.destination == WEBHOOK
    awaited = select(Delivery.id).where(or_(~to_webhooks, Delivery.target.in_(active)))
    begun = or_(Delivery.attempts > 0, Delivery.next_at <= now)  # others wait on purpose
    oldest = awaited.with_only_columns(Delivery.created_at).where(
        Delivery.next_at.is_not(None), begun
    )
    first = select(func.min(OutboxEvent.next_at)).execution_options(all_accounts=_ALL)
    moments = (
        conn.scalar(
            oldest.order_by(Delivery.created_at).limit(1).execution_options(all_accounts=_ALL)
        ),
        conn.scalar(first),
    )
    due = (to_webhooks, Delivery.target.in_(active), Delivery.next_at <= now)
    dead = select(Delivery.id).where(*_DEAD)
    return Backlog(
        due=_number(conn, select(Delivery.id).where(*due)),
        dead=_number(conn, dead.where(to_webhooks)),
        unsent=_number(conn, dead.where(~to_webhooks, Delivery.tried_at >= now - LATELY)),
        oldest=min((each for each in moments if each is not None), default=None),
    )


def _number(conn: Connection, which: Select[int]) -> int:
    counted = select(func.count()).select_from(which.limit(MOST_COUNTED).subquery())
    return conn.scalar(counted.execution_options(all_accounts=_ALL)) or 0
