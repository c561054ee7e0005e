"""A mailbox is connected, in place again, or no longer: its tokens, its periods, its gaps, and what is
told of it. Everything here is one transaction with its history entry."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    literal,
    or_,
    select,
    update,
)

from crm.addresses import normalise
from crm.columns import UtcDateTime
from crm.history import What
from crm.model import Folder, MailboxKind, MailboxStatus, Tokens
from crm.store import gaps, history, limits, moving, sql, token_rows
from crm.store.nights import next_night
from crm.store.outbox import tell
from crm.store.watching import set_folders
from crm.tables import ConnectedPeriod, Watch
from crm.tables import Mailbox as Table
from infra.secrets import Secrets

RECONNECT_TOPIC = "mailbox.reconnect"
CONNECTED_TOPIC = "mailbox.connected"


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """What connecting found out. `own_addresses` holds aliases too; `folders` are those followed
    (none: all), `cursor` is the provider's "from now on"."""

    user_id: int | None
    address: str
    provider: str
    tokens: Tokens
    kind: MailboxKind = MailboxKind.PERSONAL
    subject: str = ""
    own_addresses: tuple[str, ...] = ()
    cursor: str = ""
    folders: tuple[Folder, ...] = ()


def connect(
    conn: Connection, account_id: int, new: NewMailbox, secrets: Secrets, now: datetime
) -> int:
    """Connect a mailbox, or connect it again in place: cursor, settings and threads stay, a new
    connected period begins, it is woken at once. With another provider than before, or another
    account at the same address, the cursor is the new one, because cursors mean nothing elsewhere.
    Gives the mailbox's id."""
    values = _row(account_id, new, secrets, now)
    before = _before(conn, account_id, values["address"])
    left: dict[str, object] = {}
    if before is not None and before.provider != new.provider:
        left = _leave_other_provider(conn, account_id, before) | {"provider": new.provider}
    statement = sql.insert(conn, Table).values(values)
    again: sql.Row = {name: statement.excluded[name] for name in values.keys() - _KEPT}
    again["tokens_version"] = Table.tokens_version + 1
    again["cursor"] = case(
        (_same_place(new) & (Table.cursor != ""), Table.cursor), else_=new.cursor
    )
    again["provider_since"] = case(
        (Table.provider != new.provider, literal(now, UtcDateTime())), else_=Table.provider_since
    )
    # A run with the old tokens may be under way: it must neither move the cursor nor stop us.
    again |= {"lease": "", "lease_until": None, "rung": False}
    upsert = statement.on_conflict_do_update(
        index_elements=[Table.account_id, Table.address], set_=again
    )
    made = conn.execute(upsert.returning(Table.id, Table.tokens_version)).one()
    mailbox_id: int = made.id
    if before is not None:
        limits.ended_well(conn, account_id, mailbox_id, now)
    away = _reads_on(conn, account_id, mailbox_id, made.tokens_version, now)
    if before is None:
        history.note(conn, account_id, mailbox_id, What.CONNECTED, now)
    else:
        both = bool(new.subject and before.subject) and not left
        anew = both and new.subject != before.subject
        facts = {"gap_seconds": int(away.total_seconds()), "new_account": anew}
        history.note(conn, account_id, mailbox_id, What.RECONNECTED, now, **facts, **left)
    if new.folders:
        set_folders(conn, account_id, mailbox_id, new.folders)
    return mailbox_id


def resume(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> bool:
    """The provider takes the stored tokens of a stopped mailbox again: it goes on by itself, as if
    its owner had connected it anew. Whether it was stopped."""
    mine = Table.account_id == account_id, Table.id == mailbox_id
    values = {
        "status": MailboxStatus.CONNECTED,
        "cause": "",
        "claims": "",
        "stopped_at": None,
        "wake_at": now,
        "renew_at": now,
        "watch_due_at": None,
        "audit_due_at": next_night(now),
    }
    stopped = update(Table).where(*mine, Table.status == MailboxStatus.RECONNECT)
    row = conn.execute(stopped.values(values).returning(Table.tokens_version)).first()
    if row is None:
        return False
    away = _reads_on(conn, account_id, mailbox_id, row.tokens_version, now)
    facts = {"gap_seconds": int(away.total_seconds()), "by_itself": True}
    history.note(conn, account_id, mailbox_id, What.RECONNECTED, now, **facts)
    return True


def _reads_on(
    conn: Connection, account_id: int, mailbox_id: int, version: int, now: datetime
) -> timedelta:
    """Tell of it, and begin a new period; for how long the mailbox was away."""
    key = f"{CONNECTED_TOPIC}:{mailbox_id}:{version}"
    tell(conn, account_id, CONNECTED_TOPIC, key, {"mailbox_id": mailbox_id}, now)
    _doubt_watches(conn, account_id, mailbox_id, now)
    return _open_period(conn, account_id, mailbox_id, now)


def _row(account_id: int, new: NewMailbox, secrets: Secrets, now: datetime) -> sql.Row:
    address = normalise(new.address)
    return {
        "account_id": account_id,
        "user_id": new.user_id,
        "address": address,
        "provider": new.provider,
        "kind": new.kind.value,
        "status": MailboxStatus.CONNECTED.value,
        "cause": "",
        "claims": "",
        "stopped_at": None,
        "subject": new.subject,
        "own_addresses": sorted({address, *map(normalise, new.own_addresses)} - {""}),
        **token_rows.columns(new.tokens, secrets),
        "tokens_version": 1,
        "cursor": new.cursor,
        "settled_at": now,
        "wake_at": now,
        "renew_at": now,
        "watch_problem": "",
        "watch_due_at": None,
        "unwatched_since": None,
        "label_due_at": None,
        "mx_due_at": now,  # so that it is known when DNS named this provider
        "moved_to": "",
        "audit_due_at": next_night(now),
        "created_at": now,
    }


_KEPT = frozenset({"account_id", "address", "created_at", "settled_at", "cursor", "tokens_version"})


def disconnect(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    """Stop reading a mailbox: tokens and watches are forgotten, a run under way loses its lease,
    everything else stays for the way back."""
    connected = Table.status != MailboxStatus.DISCONNECTED
    ended = conn.execute(
        update(Table)
        .where(Table.account_id == account_id, Table.id == mailbox_id, connected)
        .values(
            status=MailboxStatus.DISCONNECTED,
            cause="",
            claims="",
            stopped_at=None,
            tokens=None,
            token_hash="",
            token_prefix="",
            tokens_version=Table.tokens_version + 1,
            lease="",
            lease_until=None,
            wake_at=None,
            renew_at=None,
            mx_due_at=None,
            moved_to="",
            audit_due_at=None,
        )
    )
    if not ended.rowcount:
        return
    history.note(conn, account_id, mailbox_id, What.DISCONNECTED, now)
    _close_period(conn, account_id, mailbox_id, now)
    conn.execute(
        delete(Watch).where(Watch.account_id == account_id, Watch.mailbox_id == mailbox_id)
    )


def need_reconnect(
    conn: Connection,
    account_id: int,
    mailbox_id: int,
    cause: str,
    now: datetime,
    version: int | None = None,
) -> bool:
    """Stop until a person connects the mailbox again; True where this is news.

    The event `mailbox.reconnect` is written once. With `version`, nothing happens when the tokens
    have been replaced since: whoever failed used old ones.
    """
    where = [
        Table.account_id == account_id,
        Table.id == mailbox_id,
        Table.status == MailboxStatus.CONNECTED,
    ]
    if version is not None:
        where.append(Table.tokens_version == version)
    values = {
        "status": MailboxStatus.RECONNECT,
        "cause": cause,
        "claims": "",
        "stopped_at": now,
        "wake_at": None,
        "renew_at": None,
        "audit_due_at": None,
        "mx_due_at": now,  # it may have stopped because it has moved
    }
    stopped = conn.execute(
        update(Table).where(*where).values(values).returning(Table.tokens_version)
    )
    row = stopped.first()
    if row is None:
        return False
    _close_period(conn, account_id, mailbox_id, now)
    key = f"{RECONNECT_TOPIC}:{mailbox_id}:{row.tokens_version}"
    history.note(conn, account_id, mailbox_id, What.STOPPED, now, cause=cause)
    payload = {"mailbox_id": mailbox_id, "cause": cause}
    tell(conn, account_id, RECONNECT_TOPIC, key, payload, now)
    return True


def must_prove(conn: Connection, account_id: int, mailbox_id: int, claims: str) -> None:
    """The next sign-in for a stopped mailbox must prove these `claims`, in the provider's words."""
    conn.execute(
        update(Table)
        .where(
            Table.account_id == account_id,
            Table.id == mailbox_id,
            Table.status == MailboxStatus.RECONNECT,
        )
        .values(claims=claims)
    )


def reword(conn: Connection, account_id: int, mailbox_id: int, was: str, cause: str) -> None:
    """More is known about why a mailbox stopped, by the cause `was`."""
    conn.execute(
        update(Table)
        .where(
            Table.account_id == account_id,
            Table.id == mailbox_id,
            Table.status == MailboxStatus.RECONNECT,
            Table.cause == was,
        )
        .values(cause=cause)
    )


def _before(
    conn: Connection, account_id: int, address: str
) -> Row[int, str, str, datetime | None] | None:
    """The mailbox at this address, where there is one already."""
    query = select(Table.id, Table.provider, Table.subject, Table.settled_at)
    return conn.execute(
        query.where(Table.account_id == account_id, Table.address == address)
    ).first()


def _leave_other_provider(
    conn: Connection, account_id: int, before: Row[int, str, str, datetime | None]
) -> dict[str, object]:
    """What belongs to the provider that the mailbox had goes: its folders and watches, and messages
    that wait by ids that mean nothing elsewhere. From when mail may have gone to the new one, it does
    not count as connected: what came there is a gap like any other. Gives what its history tells:
    what arrives at the old one later than it was read there is seen by nobody."""
    mailbox_id: int = before.id
    set_folders(conn, account_id, mailbox_id, ())
    conn.execute(
        delete(Watch).where(Watch.account_id == account_id, Watch.mailbox_id == mailbox_id)
    )
    _close_period(conn, account_id, mailbox_id, moving.left_at(conn, account_id, mailbox_id))
    unread = moving.leave(conn, account_id, mailbox_id)
    read_to = before.settled_at.isoformat() if before.settled_at else ""
    return {"left": before.provider, "read_to": read_to, "unread": unread}


def _same_place(new: NewMailbox) -> ColumnElement[bool]:
    """Whether a stored cursor means something there: an address can be given to a new account."""
    subject = or_(Table.subject == new.subject, Table.subject == "", literal(new.subject) == "")
    return and_(Table.provider == new.provider, subject)


def _doubt_watches(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    """Providers end announcements with the consent they were asked with: all are due again, and
    what was thought of them holds no more. (How long the mailbox was away is told as its gap.)"""
    conn.execute(
        update(Watch)
        .where(Watch.account_id == account_id, Watch.mailbox_id == mailbox_id)
        .values(expires_at=now, created_at=now, silent_since=None, silent=False)
    )


def _open_period(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> timedelta:
    """From the beginning of this second, because Graph tells whole ones. For how long the mailbox
    was away; what came meanwhile is a gap, about which its owner decides."""
    table = ConnectedPeriod
    query = select(table.since, table.until).where(
        table.account_id == account_id, table.mailbox_id == mailbox_id
    )
    last = conn.execute(query.order_by(table.since.desc()).limit(1)).first()
    if last is not None and last.until is None:
        return timedelta()
    since = now.replace(microsecond=0)
    row = {"account_id": account_id, "mailbox_id": mailbox_id, "since": since, "until": None}
    opened, key = sql.insert(conn, table).values(row), [table.mailbox_id, table.since]
    conn.execute(opened.on_conflict_do_update(index_elements=key, set_={"until": None}))
    if last is None or last.until >= since:
        return timedelta()
    gaps.begin(conn, account_id, mailbox_id, last.until, since)
    away: timedelta = since - last.until
    return away


def _close_period(conn: Connection, account_id: int, mailbox_id: int, until: datetime) -> None:
    """End the last period then, unless it has ended before; at once where it began later."""
    table = ConnectedPeriod
    when = literal(until, UtcDateTime())
    mine = table.account_id == account_id, table.mailbox_id == mailbox_id
    last = select(table.id).where(*mine).order_by(table.since.desc()).limit(1).scalar_subquery()
    conn.execute(
        update(table)
        .where(*mine, table.id == last, or_(table.until.is_(None), table.until > when))
        .values(until=case((table.since > when, table.since), else_=when))
    )
