"""Mailboxes that are left alone for a while: a provider's limit, a fault of our set-up, an outage.

`blocked_until` is looked at before any call; `blocked_by` says why and `blocked_since` since when,
over all tries, until a run ends well. Limits and faults of the set-up are told in the history when
they begin and when they are over.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from crm.history import What
from crm.model import MailboxStatus
from crm.store import history
from crm.store.mailbox_rows import Mailbox
from crm.tables import Mailbox as Table

LIMIT = "limit:"  # what `blocked_by` begins with; the limit's shape follows
SETUP = "setup:"  # a cause of the operator follows
ERROR = "error:"  # the class of an error follows
_BEGUN = {LIMIT: What.LIMITED, SETUP: What.SETUP_FAULT}
_OVER = {LIMIT: What.LIMIT_OVER, SETUP: What.SETUP_MENDED}
_EVERYBODY = "a project's limit holds for its mailboxes in every account"


def kind_of(by: str) -> str:
    """LIMIT, SETUP, ERROR, or "" where nothing is the matter."""
    return next((kind for kind in (LIMIT, SETUP, ERROR) if by.startswith(kind)), "")


def _facts(by: str) -> dict[str, str]:
    return {"reason" if by.startswith(LIMIT) else "cause": by.partition(":")[2]}


def setup_cause(mailbox: Mailbox) -> str:
    """The cause of the operator that stopped it, until a run ends well; "" for none."""
    return mailbox.blocked_by.removeprefix(SETUP) if mailbox.blocked_by.startswith(SETUP) else ""


def holds(mailbox: Mailbox, now: datetime) -> bool:
    """Whether its provider asked us to wait, and the time has not come."""
    return mailbox.rests(now) and mailbox.blocked_by.startswith(LIMIT)


def block(conn: Connection, mailbox: Mailbox, until: datetime, by: str, now: datetime) -> None:
    """No provider call for this mailbox before `until`."""
    table = Table
    mine = (table.account_id == mailbox.account_id, table.id == mailbox.id)
    before = conn.execute(select(table.blocked_by, table.blocked_since).where(*mine)).first()
    if before is None:
        return
    if kind_of(by) == ERROR and kind_of(before.blocked_by) in _BEGUN:
        by = before.blocked_by  # an outage meanwhile does not end it
    since = before.blocked_since
    goes_on = before.blocked_by == by and since is not None and since <= now  # see `Mailbox.rests`
    conn.execute(
        update(table)
        .where(*mine)
        .values(
            blocked_until=until,
            blocked_by=by,
            blocked_since=since if goes_on else now,
            failed_runs=table.failed_runs + 1,
        )
    )
    if kind_of(before.blocked_by) != kind_of(by):
        told = before.blocked_by, before.blocked_since
        _over(conn, mailbox.account_id, mailbox.id, told, now)
    if not goes_on and (what := _BEGUN.get(kind_of(by))):
        history.note(conn, mailbox.account_id, mailbox.id, what, now, **_facts(by))


def ended_well(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> None:
    """A run ended well, or the mailbox was connected again: whatever blocked it is over."""
    table = Table
    mine = (table.account_id == account_id, table.id == mailbox_id)
    before = conn.execute(select(table.blocked_by, table.blocked_since).where(*mine)).first()
    if before is None:
        return
    nothing = {"blocked_until": None, "blocked_by": "", "blocked_since": None, "failed_runs": 0}
    conn.execute(update(table).where(*mine).values(nothing))
    told = before.blocked_by, before.blocked_since
    _over(conn, account_id, mailbox_id, told, now)


def _over(
    conn: Connection,
    account_id: int,
    mailbox_id: int,
    before: tuple[str, datetime | None],
    now: datetime,
) -> None:
    by, since = before
    what = _OVER.get(kind_of(by))
    if what and since:
        seconds = int((now - since).total_seconds())
        history.note(conn, account_id, mailbox_id, what, now, **_facts(by), seconds=seconds)


def block_all(
    conn: Connection, provider: str, until: datetime, by: str, now: datetime, after: int = 0
) -> int | None:
    """A limit of the whole project: block its connected mailboxes, in every account, some at a time;
    `after` which to go on, None where that were all. Locks them in order of their ids."""
    table = Table
    query = (
        select(table.account_id, table.id, table.blocked_by, table.blocked_since)
        .where(
            table.provider == provider,
            table.status == MailboxStatus.CONNECTED,
            table.id > after,
            or_(table.blocked_until.is_(None), table.blocked_until < until),
        )
        .order_by(table.id)
        .limit(_AT_ONCE)
        .with_for_update()
        .execution_options(all_accounts=_EVERYBODY)
    )
    found = conn.execute(query).all()
    told = [row for row in found if row.blocked_by != by]
    _set(conn, [row.id for row in found], {"blocked_until": until, "blocked_by": by})
    _set(conn, [row.id for row in told], {"blocked_since": now})
    for row in told:
        if kind_of(row.blocked_by) != kind_of(by):
            _over(conn, row.account_id, row.id, (row.blocked_by, row.blocked_since), now)
        if what := _BEGUN.get(kind_of(by)):
            history.note(conn, row.account_id, row.id, what, now, **_facts(by))
    return found[-1].id if len(found) == _AT_ONCE else None


_AT_ONCE = 200


def _set(conn: Connection, ids: Sequence[int], values: dict[str, object]) -> None:
    if ids:
        statement = update(Table).where(Table.id.in_(ids)).values(values)
        conn.execute(statement.execution_options(all_accounts=_EVERYBODY))
