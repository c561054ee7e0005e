"""Connected mailboxes: connect and reconnect in place, tokens, what the pages list.

Runs over a mailbox are in `crm.store.runs`, folders and watches in `crm.store.watching`; their
functions can be called from here as well.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from crm.addresses import normalise
from crm.model import Folder, MailboxKind, MailboxStatus, Period, Tokens, VerdictKind
from crm.store import sql, token_rows
from crm.store.mailbox_rows import COLUMNS, Mailbox, mailbox_of
from crm.store.outbox import tell
from crm.store.runs import (
    LeaseLost,
    block,
    due,
    due_watches,
    release,
    renew_lease,
    take_lease,
)
from crm.store.token_rows import NotConnected, save_tokens, tokens
from crm.store.watching import (
    folders,
    secret_digest,
    set_folders,
    set_renew_at,
    set_watches,
    watch_by_provider_id,
    watches,
)
from crm.tables import ConnectedPeriod, JournalRow, Watch
from crm.tables import Mailbox as Table
from infra.secrets import Secrets

RECONNECT_TOPIC = "mailbox.reconnect"
CONNECTED_TOPIC = "mailbox.connected"
_BY_ID = (
    select(*COLUMNS)
    .where(Table.id == bindparam("mailbox"))
    .execution_options(all_accounts="a wake names the mailbox only")
)
_PERIODS = (
    select(ConnectedPeriod.since, ConnectedPeriod.until)
    .where(sql.held(ConnectedPeriod), ConnectedPeriod.mailbox_id == bindparam("mailbox"))
    .order_by(ConnectedPeriod.since)
)


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


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages a mailbox brought, by verdict; `seen` is all of them."""

    seen: int = 0
    logged: int = 0
    refused: int = 0


def connect(
    conn: Connection, account_id: int, new: NewMailbox, secrets: Secrets, now: datetime
) -> int:
    """Connect a mailbox, or connect it again in place: cursor, settings and threads stay, a new
    connected period begins, it is woken at once. With another provider than before the cursor is
    the new one, because cursors mean nothing elsewhere. Gives the mailbox's id."""
    values = _row(account_id, new, secrets, now)
    _forget_other_provider(conn, account_id, values["address"], new.provider)
    statement = sql.insert(conn, Table).values(values)
    again: sql.Row = {name: statement.excluded[name] for name in values.keys() - _KEPT}
    again["tokens_version"] = Table.tokens_version + 1
    again["cursor"] = case(
        (_same_place(new) & (Table.cursor != ""), Table.cursor), else_=new.cursor
    )
    again["blocked_until"] = None
    # A run with the old tokens may be under way: it must neither move the cursor nor stop us.
    again |= {"lease": "", "lease_until": None, "rung": False}
    upsert = statement.on_conflict_do_update(
        index_elements=[Table.account_id, Table.address], set_=again
    )
    made = conn.execute(upsert.returning(Table.id, Table.tokens_version)).one()
    mailbox_id: int = made.id
    key = f"{CONNECTED_TOPIC}:{mailbox_id}:{made.tokens_version}"
    tell(conn, account_id, CONNECTED_TOPIC, key, {"mailbox_id": mailbox_id}, now)
    _open_period(conn, account_id, mailbox_id, now)
    _doubt_watches(conn, account_id, mailbox_id, now)
    if new.folders:
        set_folders(conn, account_id, mailbox_id, new.folders)
    return mailbox_id


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
        "subject": new.subject,
        "own_addresses": sorted({address, *map(normalise, new.own_addresses)} - {""}),
        "tokens": token_rows.seal(new.tokens, secrets),
        "tokens_version": 1,
        "cursor": new.cursor,
        "settled_at": now,
        "wake_at": now,
        "renew_at": now,
        "label_due_at": None,
        "created_at": now,
    }


_KEPT = frozenset({"account_id", "address", "created_at", "settled_at", "cursor", "tokens_version"})


def disconnect(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    """Stop reading a mailbox: tokens and watches are forgotten, a run under way loses its lease,
    everything else stays for the way back."""
    conn.execute(
        update(Table)
        .where(Table.account_id == account_id, Table.id == mailbox_id)
        .values(
            status=MailboxStatus.DISCONNECTED,
            cause="",
            tokens=None,
            tokens_version=Table.tokens_version + 1,
            lease="",
            lease_until=None,
            wake_at=None,
            renew_at=None,
        )
    )
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
    values = {"status": MailboxStatus.RECONNECT, "cause": cause, "wake_at": None, "renew_at": None}
    stopped = conn.execute(
        update(Table).where(*where).values(values).returning(Table.tokens_version)
    )
    row = stopped.first()
    if row is None:
        return False
    _close_period(conn, account_id, mailbox_id, now)
    key = f"{RECONNECT_TOPIC}:{mailbox_id}:{row.tokens_version}"
    payload = {"mailbox_id": mailbox_id, "cause": cause}
    tell(conn, account_id, RECONNECT_TOPIC, key, payload, now)
    return True


def mailbox(conn: Connection, account_id: int, mailbox_id: int) -> Mailbox | None:
    query = select(*COLUMNS).where(Table.account_id == account_id, Table.id == mailbox_id)
    row = conn.execute(query).first()
    return mailbox_of(row) if row else None


def list_mailboxes(conn: Connection, account_id: int) -> list[Mailbox]:
    """All mailboxes of the account, by address, those that are not connected too."""
    query = select(*COLUMNS).where(Table.account_id == account_id).order_by(Table.address)
    return [mailbox_of(row) for row in conn.execute(query)]


def by_address(conn: Connection, address: str) -> list[tuple[int, int]]:
    """(account id, mailbox id) of every mailbox with this address, in any account."""
    query = (
        select(Table.account_id, Table.id)
        .where(Table.address == normalise(address))
        .order_by(Table.id)
        .execution_options(all_accounts="a push names an address only")
    )
    return [(account_id, mailbox_id) for account_id, mailbox_id in conn.execute(query)]


def by_id(conn: Connection, mailbox_id: int) -> Mailbox | None:
    """A mailbox of any account, for workers."""
    row = conn.execute(_BY_ID, {"mailbox": mailbox_id}).first()
    return mailbox_of(row) if row else None


def periods(conn: Connection, account_id: int, mailbox_id: int) -> tuple[Period, ...]:
    """When the mailbox was connected, oldest first."""
    rows = conn.execute(_PERIODS, {"account": account_id, "mailbox": mailbox_id})
    return tuple(Period(since, until) for since, until in rows)


def counts(conn: Connection, account_id: int, since: datetime) -> dict[int, Counts]:
    """What each mailbox of the account brought since then, by mailbox id."""
    table = JournalRow
    query = (
        select(table.mailbox_id, table.verdict, func.count())
        .where(table.account_id == account_id, table.at >= since)
        .group_by(table.mailbox_id, table.verdict)
    )
    numbers: dict[int, dict[str, int]] = {}
    for mailbox_id, verdict, number in conn.execute(query):
        numbers.setdefault(mailbox_id, {})[verdict] = number
    return {
        mailbox_id: Counts(
            seen=sum(of.values()),
            logged=of.get(VerdictKind.LOGGED, 0),
            refused=of.get(VerdictKind.REFUSED, 0),
        )
        for mailbox_id, of in numbers.items()
    }


def _forget_other_provider(conn: Connection, account_id: int, address: str, provider: str) -> None:
    moved = conn.scalar(
        select(Table.id).where(
            Table.account_id == account_id, Table.address == address, Table.provider != provider
        )
    )
    if moved is not None:
        set_folders(conn, account_id, moved, ())
        conn.execute(delete(Watch).where(Watch.account_id == account_id, Watch.mailbox_id == moved))


def _same_place(new: NewMailbox) -> ColumnElement[bool]:
    """Whether a stored cursor means something there: an address can be given to a new account."""
    subject = or_(Table.subject == new.subject, Table.subject == "", literal(new.subject) == "")
    return and_(Table.provider == new.provider, subject)


def _doubt_watches(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    """Providers end announcements with the consent they were asked with: all are due again."""
    conn.execute(
        update(Watch)
        .where(Watch.account_id == account_id, Watch.mailbox_id == mailbox_id)
        .values(expires_at=now)
    )


def _open_period(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    """From the beginning of this second, because Graph tells whole ones."""
    table = ConnectedPeriod
    is_open = select(table.id).where(
        table.account_id == account_id, table.mailbox_id == mailbox_id, table.until.is_(None)
    )
    if conn.execute(is_open).first() is None:
        since = now.replace(microsecond=0)
        row = {"account_id": account_id, "mailbox_id": mailbox_id, "since": since, "until": None}
        opened, key = sql.insert(conn, table).values(row), [table.mailbox_id, table.since]
        conn.execute(opened.on_conflict_do_update(index_elements=key, set_={"until": None}))


def _close_period(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    table = ConnectedPeriod
    conn.execute(
        update(table)
        .where(
            table.account_id == account_id, table.mailbox_id == mailbox_id, table.until.is_(None)
        )
        .values(until=now)
    )


__all__ = [
    "Counts",
    "LeaseLost",
    "Mailbox",
    "NewMailbox",
    "NotConnected",
    "block",
    "by_address",
    "by_id",
    "connect",
    "counts",
    "disconnect",
    "due",
    "due_watches",
    "folders",
    "list_mailboxes",
    "mailbox",
    "need_reconnect",
    "periods",
    "release",
    "renew_lease",
    "save_tokens",
    "secret_digest",
    "set_folders",
    "set_renew_at",
    "set_watches",
    "take_lease",
    "tokens",
    "watch_by_provider_id",
    "watches",
]
