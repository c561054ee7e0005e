"""Endpoints of outgoing webhooks: who is told what, with which secret, and how each is doing."""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import urandom
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from crm.outbox_tables import Delivery
from crm.outbox_tables import WebhookEndpoint as Table
from crm.store import deliveries, outbox, sql
from crm.store.deliveries import WEBHOOK
from crm.tables import Account
from crm.topics import REFUSED, TEST, State
from infra.secrets import Secrets

MOST = 20  # of an account
MOST_REPLAYED = 10_000  # events at once
BOTH_SECRETS = timedelta(days=1)  # after a rotation two signatures are sent for so long
_ALL = "the outbox of every account is told by the same workers"


class TooMany(Exception):
    """The account has as many endpoints as it may."""


class NoSuchEndpoint(LookupError):
    """The account has no such endpoint."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. `secrets` are encrypted, the newest first; see `opened`."""

    id: int
    account_id: int
    url: str
    topics: tuple[str, ...]
    state: State
    failures: int
    failing_since: datetime | None
    not_before: datetime | None
    due_at: datetime | None
    created_at: datetime
    sealed: bytes
    former: bytes | None
    former_until: datetime | None

    def secrets(self, secrets: Secrets, now: datetime) -> list[str]:
        """The secrets to sign with now, the newest first. Raises infra.secrets.WrongKey."""
        sealed = [self.sealed]
        if self.former is not None and self.former_until is not None and now < self.former_until:
            sealed.append(self.former)
        return [secrets.decrypt(each).decode() for each in sealed]


@dataclass(frozen=True, slots=True)
class Added:
    """A new endpoint and its secret, which is shown once."""

    id: int
    secret: str


_COLUMNS = (
    Table.id,
    Table.account_id,
    Table.url,
    Table.topics,
    Table.state,
    Table.failures,
    Table.failing_since,
    Table.not_before,
    Table.due_at,
    Table.created_at,
    Table.secret,
    Table.former_secret,
    Table.former_until,
)
_STATE = _COLUMNS.index(Table.state)


def _of(row: Any) -> Endpoint:
    values = list(row)
    values[_STATE] = State(row.state)
    return Endpoint(*values)


def rows(conn: Connection, account_id: int) -> list[Endpoint]:
    """The account's endpoints, the oldest first."""
    query = select(*_COLUMNS).where(Table.account_id == account_id).order_by(Table.id)
    return [_of(row) for row in conn.execute(query)]


def stopped(conn: Connection, account_id: int) -> list[Endpoint]:
    """Those that are told nothing, and not by a person's wish."""
    query = select(*_COLUMNS).where(
        Table.account_id == account_id, Table.state.in_((State.FAILING, State.GONE))
    )
    return [_of(row) for row in conn.execute(query.order_by(Table.id))]


def one(conn: Connection, account_id: int, endpoint_id: int) -> Endpoint:
    """Raises NoSuchEndpoint."""
    query = select(*_COLUMNS).where(Table.account_id == account_id, Table.id == endpoint_id)
    row = conn.execute(query).first()
    if row is None:
        raise NoSuchEndpoint
    return _of(row)


def add(
    conn: Connection,
    account_id: int,
    url: str,
    topics: Collection[str],
    secrets: Secrets,
    now: datetime,
) -> Added:
    """Tell a URL of these topics from now on. Raises TooMany."""
    number = select(func.count()).select_from(Table).where(Table.account_id == account_id)
    if (conn.scalar(number) or 0) >= MOST:
        raise TooMany
    secret = _new_secret()
    values = {
        "account_id": account_id,
        "url": url,
        "topics": tuple(topics),
        "secret": secrets.encrypt(secret.encode()),
        "state": State.ACTIVE.value,
        "created_at": now,
    }
    made: int = conn.execute(insert(Table).values(values).returning(Table.id)).scalar_one()
    _note_refused(conn, account_id)
    return Added(made, secret)


def change(
    conn: Connection,
    account_id: int,
    endpoint_id: int,
    url: str | None = None,
    topics: Collection[str] | None = None,
) -> None:
    """Another URL, other topics (None: as before). Raises NoSuchEndpoint."""
    given = {"url": url, "topics": None if topics is None else tuple(topics)}
    values = {name: value for name, value in given.items() if value is not None}
    one(conn, account_id, endpoint_id)
    if values:
        conn.execute(_mine(account_id, endpoint_id).values(values))
    _note_refused(conn, account_id)


def pause(conn: Connection, account_id: int, endpoint_id: int, state: State) -> None:
    """Tell it nothing for now. Raises NoSuchEndpoint."""
    one(conn, account_id, endpoint_id)
    conn.execute(_mine(account_id, endpoint_id).values(state=state, due_at=None))
    _note_refused(conn, account_id)


def resume(conn: Connection, account_id: int, endpoint_id: int, now: datetime) -> None:
    """Tell it again, what waits first. Raises NoSuchEndpoint."""
    one(conn, account_id, endpoint_id)
    fresh: sql.Row = {"failures": 0, "failing_since": None, "not_before": None}
    conn.execute(_mine(account_id, endpoint_id).values(state=State.ACTIVE, **fresh))
    conn.execute(_mine(account_id, endpoint_id).values(due_at=now))
    _note_refused(conn, account_id)


def remove(conn: Connection, account_id: int, endpoint_id: int) -> None:
    """Forget it and its deliveries. Raises NoSuchEndpoint."""
    one(conn, account_id, endpoint_id)
    conn.execute(  # before the endpoint: a worker that notes a try locks them in this order
        delete(Delivery).where(
            Delivery.account_id == account_id,
            Delivery.destination == WEBHOOK,
            Delivery.target == endpoint_id,
        )
    )
    conn.execute(delete(Table).where(Table.account_id == account_id, Table.id == endpoint_id))
    _note_refused(conn, account_id)


def rotate(
    conn: Connection, account_id: int, endpoint_id: int, secrets: Secrets, now: datetime
) -> str:
    """A new secret; the former one signs too for BOTH_SECRETS. Raises NoSuchEndpoint."""
    one(conn, account_id, endpoint_id)
    secret = _new_secret()
    values = {
        "former_secret": Table.secret,
        "former_until": now + BOTH_SECRETS,
        "secret": secrets.encrypt(secret.encode()),
    }
    conn.execute(_mine(account_id, endpoint_id).values(values))
    return secret


def ring(conn: Connection, account_id: int, endpoint_ids: Collection[int], now: datetime) -> None:
    """These have something to be told: at once, or after the pause that a failure made."""
    held = and_(Table.not_before.is_not(None), Table.not_before > now)
    soon = case((held, Table.not_before), else_=now)
    conn.execute(
        update(Table)
        .where(
            Table.account_id == account_id,
            Table.id.in_(sorted(endpoint_ids)),
            Table.state == State.ACTIVE,
            or_(Table.due_at.is_(None), Table.due_at > soon),
        )
        .values(due_at=soon)
    )


def wanting(conn: Connection, account_id: int) -> list[tuple[int, tuple[str, ...]]]:
    """Endpoints for which events are kept, with their topics."""
    query = select(Table.id, Table.topics).where(
        Table.account_id == account_id, Table.state != State.GONE
    )
    return [(endpoint_id, topics) for endpoint_id, topics in conn.execute(query)]


def any_due(conn: Connection, now: datetime) -> bool:
    """Whether an endpoint of any account is to be told something."""
    query = select(Table.id).where(_due(now)).limit(1)
    return conn.scalar(query.execution_options(all_accounts=_ALL)) is not None


def _due(now: datetime) -> ColumnElement[bool]:
    free = or_(Table.lease_until.is_(None), Table.lease_until <= now)
    return and_(Table.due_at <= now, Table.state == State.ACTIVE, free)


def claim(conn: Connection, now: datetime, until: datetime, token: str) -> Endpoint | None:
    """Take the endpoint that has been due longest, in any account; nobody else posts to it before
    `until`."""
    due = (
        select(Table.id)
        .where(_due(now))
        .order_by(Table.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = conn.scalar(due.execution_options(all_accounts=_ALL))
    if found is None:
        return None
    taken = update(Table).where(Table.id == found).values(lease=token, lease_until=until)
    taken = taken.values(due_at=until).execution_options(all_accounts=_ALL)
    return _of(conn.execute(taken.returning(*_COLUMNS)).one())


def renew(
    conn: Connection, account_id: int, endpoint_id: int, token: str, until: datetime
) -> Endpoint | None:
    """Hold it longer, and give it as it is now; None where it was removed, paused or taken."""
    held = _mine(account_id, endpoint_id).where(Table.lease == token, Table.state == State.ACTIVE)
    row = conn.execute(held.values(lease_until=until).returning(*_COLUMNS)).first()
    return None if row is None else _of(row)


def rest(conn: Connection, account_id: int, endpoint_id: int, token: str) -> None:
    """Let go of it until its next delivery is due."""
    mine = (Table.account_id == account_id, Table.id == endpoint_id, Table.lease == token)
    locked = select(Table.not_before, Table.state).where(*mine).with_for_update()
    row = conn.execute(locked).first()  # now a `ring` comes before this, or after it
    if row is None:
        return
    due_at = deliveries.next_due(conn, account_id, endpoint_id)
    if row.state != State.ACTIVE:
        due_at = None
    elif due_at is not None and row.not_before is not None:
        due_at = max(due_at, row.not_before)
    values = {"lease": "", "lease_until": None, "due_at": due_at}
    conn.execute(update(Table).where(*mine).values(values))


def well(conn: Connection, endpoint: Endpoint) -> None:
    """It answered as it should."""
    if endpoint.failures or endpoint.failing_since is not None:
        fresh: sql.Row = {"failures": 0, "failing_since": None, "not_before": None}
        conn.execute(_mine(endpoint.account_id, endpoint.id).values(fresh))


def ill(conn: Connection, endpoint: Endpoint, pause: timedelta, now: datetime) -> None:
    """It failed: let it be for `pause`."""
    values = {
        "failures": Table.failures + 1,
        "failing_since": func.coalesce(Table.failing_since, now),
        "not_before": now + pause,
    }
    conn.execute(_mine(endpoint.account_id, endpoint.id).values(values))


def replay(
    conn: Connection,
    account_id: int,
    endpoint_id: int,
    now: datetime,
    delivery_id: int | None = None,
) -> int:
    """Send dead deliveries again, all or one (which may also have arrived); how many. Raises
    NoSuchEndpoint."""
    one(conn, account_id, endpoint_id)
    number = deliveries.replay(conn, account_id, endpoint_id, now, delivery_id)
    _at_once(conn, account_id, endpoint_id, now)
    return number


def replay_since(
    conn: Connection, account_id: int, endpoint_id: int, since: datetime, now: datetime
) -> int:
    """Send every event since then on the endpoint's topics, whether it has it or not; how many, at
    most MOST_REPLAYED. Raises NoSuchEndpoint."""
    topics = one(conn, account_id, endpoint_id).topics
    kept = outbox.since(conn, account_id, topics, since, MOST_REPLAYED)
    deliveries.anew(conn, account_id, endpoint_id, kept, now)
    _at_once(conn, account_id, endpoint_id, now)
    return len(kept)


def send_test(conn: Connection, account_id: int, endpoint_id: int, now: datetime) -> None:
    """Tell this endpoint of nothing in particular. Raises NoSuchEndpoint."""
    one(conn, account_id, endpoint_id)
    key = f"{TEST}:{endpoint_id}:{now.isoformat()}"
    outbox.tell(conn, account_id, TEST, key, {"endpoint_id": endpoint_id}, now)
    told = outbox.by_key(conn, account_id, key)
    deliveries.add(conn, account_id, WEBHOOK, [(told, endpoint_id)], now)
    _at_once(conn, account_id, endpoint_id, now)


def _at_once(conn: Connection, account_id: int, endpoint_id: int, now: datetime) -> None:
    """A person waits for it: whatever pause a failure made is over."""
    conn.execute(_mine(account_id, endpoint_id).values(not_before=None))
    ring(conn, account_id, [endpoint_id], now)


def _mine(account_id: int, endpoint_id: int) -> Any:
    return update(Table).where(Table.account_id == account_id, Table.id == endpoint_id)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(urandom(32)).decode()


def _note_refused(conn: Connection, account_id: int) -> None:
    """Whether anybody wants to hear of refused messages: known where each batch of mail is stored,
    so that it costs nothing there."""
    wanted = any(REFUSED in topics for _, topics in wanting(conn, account_id))
    conn.execute(update(Account).where(Account.id == account_id).values(tells_refused=wanted))
