"""Connected mailboxes: what the pages and the workers ask about them.

How one is connected is in `crm.store.connecting`, runs over it in `crm.store.runs`, folders and
watches in `crm.store.watching`; their functions can be called from here as well.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from crm.addresses import normalise
from crm.model import Period, VerdictKind
from crm.store import sql
from crm.store.connecting import NewMailbox, connect, disconnect, must_prove, need_reconnect
from crm.store.mailbox_rows import COLUMNS, Mailbox, mailbox_of
from crm.store.runs import (
    LeaseLost,
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
from crm.tables import ConnectedPeriod, JournalRow
from crm.tables import Mailbox as Table

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
class Counts:
    """How many messages a mailbox brought, by verdict; `seen` is all of them."""

    seen: int = 0
    logged: int = 0
    refused: int = 0


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


def by_mark(conn: Connection, mark: str) -> list[tuple[int, int]]:
    """(account id, mailbox id) of every mailbox with a mark of `infra.marks`, in any account."""
    kind, _, subject = mark.partition(":")
    column = {"hash": Table.token_hash, "prefix": Table.token_prefix}.get(kind)
    where = Table.subject == subject if column is None else column == mark
    query = (
        select(Table.account_id, Table.id)
        .where(where, Table.provider == "gmail")
        .order_by(Table.id)
        .execution_options(all_accounts="an event names a provider's account only")
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


__all__ = [
    "Counts",
    "LeaseLost",
    "Mailbox",
    "NewMailbox",
    "NotConnected",
    "by_address",
    "by_id",
    "by_mark",
    "connect",
    "counts",
    "disconnect",
    "due",
    "due_watches",
    "folders",
    "list_mailboxes",
    "mailbox",
    "must_prove",
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
