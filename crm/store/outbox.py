"""What is told to the outside: an event is a row, written in the transaction that makes it true.

Who is told, and when it is sent, is decided afterwards (`crm.store.deliveries`): a writer only says
what happened, once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, delete, select, update

from crm.store import sql
from crm.tables import OutboxEvent

Payload: TypeAlias = Mapping[str, Any]
_ALL = "the outbox of every account is told by the same workers"


def tell(
    conn: Connection, account_id: int, topic: str, key: str, payload: Payload, now: datetime
) -> None:
    """Note an event for whoever wants to hear of `topic`. Twice with one `key` is once; by
    convention the key begins with the topic. `payload`: ids and values that JSON has, nothing out
    of mail."""
    tell_all(conn, account_id, topic, {key: payload}, now)


def tell_all(
    conn: Connection, account_id: int, topic: str, payloads: Mapping[str, Payload], now: datetime
) -> None:
    """As `tell`, several events of a topic by their keys."""
    rows = [
        {
            "account_id": account_id,
            "key": key,
            "topic": topic,
            "payload": payload,
            "next_at": now,
            "created_at": now,
        }
        for key, payload in payloads.items()
    ]
    sql.add_missing(conn, OutboxEvent, rows)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was written."""

    id: int
    account_id: int
    topic: str
    payload: Payload
    created_at: datetime


_COLUMNS = (
    OutboxEvent.id,
    OutboxEvent.account_id,
    OutboxEvent.topic,
    OutboxEvent.payload,
    OutboxEvent.created_at,
)


def news(conn: Connection, now: datetime) -> bool:
    """Whether there are events whose deliveries are to be made, in any account."""
    query = select(OutboxEvent.id).where(OutboxEvent.next_at <= now).limit(1)
    return conn.scalar(query.execution_options(all_accounts=_ALL)) is not None


def take_news(conn: Connection, now: datetime, limit: int) -> list[Event]:
    """The oldest of them, which are the caller's in this transaction: it makes their deliveries."""
    query = (
        select(*_COLUMNS)
        .where(OutboxEvent.next_at <= now)
        .order_by(OutboxEvent.next_at, OutboxEvent.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(all_accounts=_ALL)
    )
    found = [Event(*row) for row in conn.execute(query)]
    taken = update(OutboxEvent).where(OutboxEvent.id.in_([each.id for each in found]))
    conn.execute(taken.values(next_at=None).execution_options(all_accounts=_ALL))
    return found


def since(
    conn: Connection, account_id: int, topics: Collection[str], when: datetime, limit: int
) -> list[int]:
    """Ids of the account's events on `topics` since then that are kept, oldest first."""
    query = select(OutboxEvent.id).where(
        OutboxEvent.account_id == account_id,
        OutboxEvent.created_at >= when,
        OutboxEvent.topic.in_(topics),
    )
    return list(conn.scalars(query.order_by(OutboxEvent.created_at, OutboxEvent.id).limit(limit)))


def by_key(conn: Connection, account_id: int, key: str) -> int:
    """The id of an event. Raises LookupError."""
    query = select(OutboxEvent.id).where(
        OutboxEvent.account_id == account_id, OutboxEvent.key == key
    )
    found = conn.scalar(query)
    if found is None:
        raise LookupError(key)
    return found


def forget(conn: Connection, before: datetime, limit: int) -> int:
    """Forget events from before then, in every account, with their deliveries; how many."""
    old = select(OutboxEvent.id).where(OutboxEvent.created_at < before).limit(limit)
    gone = delete(OutboxEvent).where(OutboxEvent.id.in_(old))
    options = {"all_accounts": "retention is the same for everybody"}
    return conn.execute(gone.execution_options(**options)).rowcount
