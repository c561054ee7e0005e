"""What is told to the outside: an event is a row, written in the transaction that makes it true.

Who is told, and when it is sent, is decided afterwards (`crm.store.deliveries`): a writer only says
what happened, once.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection

from crm.store import sql
from crm.tables import OutboxEvent

Payload: TypeAlias = Mapping[str, Any]


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
