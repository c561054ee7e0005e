"""API keys of an account. A key is shown once, when it is made; only its digest is kept."""

import secrets as random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, select, update

from crm.model import Scope
from crm.store import sql
from crm.tables import ApiKey

PREFIX = "rl_"
BYTES = 32  # of chance in a key: too many to guess, so that a plain digest is safe
NOTED_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in a list; the key itself is known to nobody but its holder."""

    id: int
    account_id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None

    def is_noted(self, now: datetime) -> bool:
        """Whether a use of it now need not be written down."""
        return self.last_used_at is not None and now - self.last_used_at < NOTED_EVERY


class NameTaken(ValueError):
    """The account has a key of this name."""


_COLUMNS = (
    ApiKey.id,
    ApiKey.account_id,
    ApiKey.name,
    ApiKey.scopes,
    ApiKey.created_at,
    ApiKey.last_used_at,
)


def add_key(
    conn: Connection, account_id: int, name: str, scopes: Collection[Scope], now: datetime
) -> str:
    """Make a key and give it; it cannot be had again. Raises NameTaken."""
    key = PREFIX + random.token_urlsafe(BYTES)
    values = {
        "account_id": account_id,
        "name": name.strip(),
        "digest": _digest(key),
        "scopes": sorted(scopes),
        "created_at": now,
    }
    statement = sql.insert(conn, ApiKey).values(values).on_conflict_do_nothing()
    if conn.execute(statement.returning(ApiKey.id)).scalar() is None:
        raise NameTaken(name)
    return key


def by_key(conn: Connection, key: str) -> KeyRow | None:
    """The row of a key that a caller shows; None for a wrong one."""
    query = select(*_COLUMNS).where(ApiKey.digest == _digest(key))
    reason = "who calls is known by key only"
    row = conn.execute(query.execution_options(all_accounts=reason)).first()
    return _row(row._asdict()) if row else None


def note_use(conn: Connection, account_id: int, key_id: int, now: datetime) -> None:
    """Write down that a key was used."""
    conn.execute(
        update(ApiKey)
        .where(ApiKey.account_id == account_id, ApiKey.id == key_id)
        .values(last_used_at=now)
    )


def keys(conn: Connection, account_id: int) -> list[KeyRow]:
    """The account's keys, by name."""
    query = select(*_COLUMNS).where(ApiKey.account_id == account_id).order_by(ApiKey.name)
    return [_row(row._asdict()) for row in conn.execute(query)]


def remove_key(conn: Connection, account_id: int, name: str) -> bool:
    """Whether there was a key of this name; it opens nothing from now on."""
    gone = delete(ApiKey).where(ApiKey.account_id == account_id, ApiKey.name == name)
    return conn.execute(gone).rowcount > 0


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _row(values: sql.Row) -> KeyRow:
    known = set(Scope)
    scopes = frozenset(Scope(each) for each in values["scopes"] if each in known)
    return KeyRow(**values | {"scopes": scopes})
