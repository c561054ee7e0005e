"""The journal as people read it, and how long it is kept."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select

from crm.model import VerdictKind
from crm.store import paging, sql
from crm.store.paging import Page
from crm.tables import JournalRow, PendingMessage

KEPT_DAYS = 30
GIVEN_UP = "given-up"  # a `Filter.verdict` of its own: messages that nobody will try again
_WAITS = (
    (PendingMessage.account_id == JournalRow.account_id)
    & (PendingMessage.mailbox_id == JournalRow.mailbox_id)
    & (PendingMessage.provider_id == JournalRow.provider_id)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The newest verdict on one message of a mailbox. `at` is when it was received, or where that
    is not known, first looked at."""

    id: int
    mailbox_id: int
    provider_id: str
    sender: str
    received_at: datetime | None
    at: datetime
    verdict: str
    rule: str
    decided_at: datetime
    email_id: int | None
    turned_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to show; empty fields do not narrow. `sender` is a part of the address, or several
    with white space between: any of them. Times are those of `Entry.at`."""

    sender: str = ""
    rule: str = ""
    verdict: str = ""
    since: datetime | None = None
    until: datetime | None = None


NO_FILTER = Filter()


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages of one mailbox and one day (UTC, ISO date) a rule decided so."""

    mailbox_id: int
    day: str
    verdict: str
    rule: str
    number: int


_COLUMNS = (
    JournalRow.id,
    JournalRow.mailbox_id,
    JournalRow.provider_id,
    JournalRow.sender,
    JournalRow.received_at,
    JournalRow.at,
    JournalRow.verdict,
    JournalRow.rule,
    JournalRow.decided_at,
    JournalRow.email_id,
    JournalRow.turned_by,
)
_MOST_WORDS = 20


def rows(
    conn: Connection,
    account_id: int,
    mailbox_id: int,
    wanted: Filter,
    after: str = "",
    limit: int = 50,
) -> Page[Entry]:
    """Rows of one mailbox, newest first. Raises paging.WrongCursor for a wrong `after`."""
    return rows_of(conn, account_id, [mailbox_id], wanted, after, limit)


def rows_of(
    conn: Connection,
    account_id: int,
    mailbox_ids: Collection[int],
    wanted: Filter,
    after: str = "",
    limit: int = 50,
) -> Page[Entry]:
    """Rows of several mailboxes together, newest first. Raises paging.WrongCursor."""
    table = JournalRow
    query = select(*_COLUMNS).where(
        table.account_id == account_id, table.mailbox_id.in_(sorted(mailbox_ids))
    )
    query = query.where(*_narrowed(wanted, account_id))
    if after:
        query = query.where(paging.after(after, table.at, table.id))
    query = query.order_by(table.at.desc(), table.id.desc()).limit(limit + 1)
    found = [Entry(**row._asdict()) for row in conn.execute(query)]
    return paging.page(found, limit, [paging.cursor(each.at, each.id) for each in found])


def _narrowed(wanted: Filter, account_id: int) -> Iterator[ColumnElement[bool]]:
    table = JournalRow
    if words := wanted.sender.lower().split()[:_MOST_WORDS]:
        yield or_(*(table.sender.contains(word, autoescape=True) for word in words))
    if wanted.rule:
        yield table.rule == wanted.rule
    if wanted.verdict == GIVEN_UP:
        yield exists().where(
            PendingMessage.account_id == account_id, _WAITS, PendingMessage.next_at.is_(None)
        )
    elif wanted.verdict:
        yield table.verdict == wanted.verdict
    if wanted.since:
        yield table.at >= wanted.since
    if wanted.until:
        yield table.at < wanted.until


def row(conn: Connection, account_id: int, journal_id: int) -> Entry | None:
    query = select(*_COLUMNS).where(
        JournalRow.account_id == account_id, JournalRow.id == journal_id
    )
    found = conn.execute(query).first()
    return Entry(**found._asdict()) if found else None


def of_message(
    conn: Connection, account_id: int, mailbox_id: int, message_digest: str
) -> Entry | None:
    """The newest row of a mailbox about the message with this keyed digest of its Message-ID."""
    query = (
        select(*_COLUMNS)
        .where(
            JournalRow.account_id == account_id,
            JournalRow.mailbox_id == mailbox_id,
            JournalRow.message_digest == message_digest,
        )
        .order_by(JournalRow.decided_at.desc(), JournalRow.id.desc())
        .limit(1)
    )
    found = conn.execute(query).first()
    return Entry(**found._asdict()) if found else None


def counts(
    conn: Connection,
    account_id: int,
    mailbox_ids: Collection[int],
    since: datetime,
    wanted: Filter = NO_FILTER,
) -> list[Count]:
    """How many messages each mailbox brought since then, by day, verdict and rule, oldest day
    first."""
    table = JournalRow
    as_text = func.strftime("%Y-%m-%d", table.at)
    if conn.dialect.name == "postgresql":
        as_text = func.to_char(func.timezone("UTC", table.at), "YYYY-MM-DD")
    day = as_text.label("day")
    query = (
        select(table.mailbox_id, day, table.verdict, table.rule, func.count())
        .where(
            table.account_id == account_id,
            table.mailbox_id.in_(sorted(mailbox_ids)),
            table.at >= since,
            *_narrowed(wanted, account_id),
        )
        .group_by(table.mailbox_id, day, table.verdict, table.rule)
        .order_by(day, table.mailbox_id, table.verdict, table.rule)
    )
    return [Count(*row) for row in conn.execute(query)]


def refused_of(
    conn: Connection, account_id: int, mailbox_ids: Collection[int], addresses: Collection[str]
) -> int:
    """How many messages from these addresses the mailboxes brought that were not logged."""
    table = JournalRow
    query = select(func.count()).where(
        table.account_id == account_id,
        table.mailbox_id.in_(sorted(mailbox_ids)),
        table.sender.in_(sorted(addresses)),
        table.verdict == VerdictKind.REFUSED,
    )
    return conn.scalar(query) or 0


def given_up(conn: Connection, account_id: int) -> dict[int, int]:
    """How many messages nobody will try again, by mailbox id: a person must look."""
    table = PendingMessage
    query = (
        select(table.mailbox_id, func.count())
        .where(table.account_id == account_id, table.next_at.is_(None))
        .group_by(table.mailbox_id)
    )
    return {mailbox_id: number for mailbox_id, number in conn.execute(query)}  # noqa: C416


def forget(conn: Connection, before: datetime, limit: int = 1000) -> int:
    """Delete rows decided before then, in every account, at most `limit`; gives how many. Those of
    messages that wait, or wait for a person, stay."""
    old = (
        select(JournalRow.id)
        .where(JournalRow.decided_at < before, ~exists().where(_WAITS))
        .order_by(JournalRow.decided_at)
        .limit(limit)
    )
    reason = "retention is the same for every account"
    ids = conn.scalars(old.execution_options(all_accounts=reason)).all()
    for some in sql.chunks(ids):
        conn.execute(
            delete(JournalRow).where(JournalRow.id.in_(some)).execution_options(all_accounts=reason)
        )
    return len(ids)
