"""What is followed in a mailbox, and the announcements asked of its provider."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, Select, delete, func, select, update

from crm.model import Folder, MailboxStatus, WatchState
from crm.store import sql
from crm.store.mailbox_rows import Mailbox
from crm.tables import FollowedFolder, Watch
from crm.tables import Mailbox as MailboxTable


def secret_digest(secret: str) -> str:
    """What is kept of a clientState: SHA-256, hex. Compare in constant time."""
    return sha256(secret.encode()).hexdigest()


def folders(conn: Connection, account_id: int, mailbox_id: int) -> list[Folder]:
    """The folders that are followed; none where all of the mailbox is."""
    table = FollowedFolder
    query = (
        select(table.folder, table.name, table.reason, table.rule_name)
        .where(table.account_id == account_id, table.mailbox_id == mailbox_id)
        .order_by(table.id)
    )
    return [Folder(*row) for row in conn.execute(query)]


def set_folders(
    conn: Connection, account_id: int, mailbox_id: int, followed: Sequence[Folder]
) -> None:
    """Replace the followed folders."""
    table = FollowedFolder
    conn.execute(
        delete(table).where(table.account_id == account_id, table.mailbox_id == mailbox_id)
    )
    rows = [
        {
            "account_id": account_id,
            "mailbox_id": mailbox_id,
            "folder": folder.id,
            "name": folder.name,
            "reason": folder.reason,
            "rule_name": folder.rule_name,
        }
        for folder in followed
    ]
    sql.add_missing(conn, table, rows)


def set_hidden_rules(conn: Connection, mailbox: Mailbox, rules: Sequence[str]) -> None:
    """Name the enabled rules whose actions the provider does not show."""
    conn.execute(
        update(MailboxTable)
        .where(MailboxTable.account_id == mailbox.account_id, MailboxTable.id == mailbox.id)
        .values(hidden_rules=list(rules))
    )


def watches(conn: Connection, account_id: int, mailbox_id: int) -> list[WatchState]:
    """The announcements that are asked for; `secret` is '' because only its digest is kept."""
    query = (
        select(
            Watch.resource,
            Watch.provider_id,
            Watch.expires_at,
            Watch.created_at.label("made_at"),
            Watch.silent_since,
            Watch.silent,
        )
        .where(Watch.account_id == account_id, Watch.mailbox_id == mailbox_id)
        .order_by(Watch.resource)
    )
    return [WatchState(**row._asdict()) for row in conn.execute(query)]


def set_watches(
    conn: Connection,
    mailbox: Mailbox,
    states: Sequence[WatchState],
    renew_at: datetime | None,
    now: datetime,
) -> None:
    """Replace the announcements by `states`, whose secret '' means unchanged, and say when they are
    due again (None: as before)."""
    mine = (Watch.account_id == mailbox.account_id, Watch.mailbox_id == mailbox.id)
    query = select(Watch.resource, Watch.secret_digest).where(*mine)
    known = {resource: kept for resource, kept in conn.execute(query)}  # noqa: C416
    conn.execute(delete(Watch).where(*mine))
    rows = [
        {
            "account_id": mailbox.account_id,
            "mailbox_id": mailbox.id,
            "resource": state.resource,
            "provider_id": state.provider_id,
            "secret_digest": secret_digest(state.secret)
            if state.secret
            else known.get(state.resource, ""),
            "expires_at": state.expires_at,
            "created_at": now,
            "silent_since": state.silent_since,
            "silent": state.silent,
        }
        for state in states
    ]
    sql.add_missing(conn, Watch, rows)
    if renew_at is not None:
        set_renew_at(conn, mailbox, renew_at)


def suspect(
    conn: Connection, mailbox: Mailbox, resource: str, since: datetime | None, sure: bool
) -> None:
    """Note since when the watch may be silent (None: it is not), and whether that is sure."""
    conn.execute(
        update(Watch)
        .where(
            Watch.account_id == mailbox.account_id,
            Watch.mailbox_id == mailbox.id,
            Watch.resource == resource,
        )
        .values(silent_since=since, silent=sure)
    )


def set_trouble(
    conn: Connection,
    mailbox: Mailbox,
    problem: str,
    since: datetime | None,
    due_at: datetime | None,
) -> None:
    """Why not every watch could be had (a provider's cause, or ''), since when one is missing (None:
    none is), and when to ask again."""
    conn.execute(
        update(MailboxTable)
        .where(MailboxTable.account_id == mailbox.account_id, MailboxTable.id == mailbox.id)
        .values(watch_problem=problem, unwatched_since=since, watch_due_at=due_at)
    )


def watch_by_provider_id(conn: Connection, provider_id: str) -> tuple[int, str, str] | None:
    """(mailbox id, digest of its clientState, folder) of a Graph subscription, in any account."""
    if not provider_id:
        return None
    query = (
        select(Watch.mailbox_id, Watch.secret_digest, Watch.resource)
        .where(Watch.provider_id == provider_id)
        .execution_options(all_accounts="a notification names its subscription only")
    )
    row = conn.execute(query).first()
    return (row.mailbox_id, row.secret_digest, row.resource) if row else None


def expired(conn: Connection, now: datetime, most: int) -> int:
    """How many watches of connected mailboxes have run out; `most` where they are more."""
    query = (
        select(Watch.id)
        .join(MailboxTable, MailboxTable.id == Watch.mailbox_id)
        .where(Watch.expires_at <= now, MailboxTable.status == MailboxStatus.CONNECTED)
    )
    return _counted(conn, query, most)


def overdue(conn: Connection, before: datetime, most: int) -> int:
    """How many connected mailboxes were due before then to have watches and folders looked at;
    `most` where they are more."""
    query = select(MailboxTable.id).where(
        MailboxTable.renew_at <= before, MailboxTable.status == MailboxStatus.CONNECTED
    )
    return _counted(conn, query, most)


def unwatched(conn: Connection, most: int) -> int:
    """How many connected mailboxes lack a watch that could not be had; `most` where more do."""
    query = select(MailboxTable.id).where(
        MailboxTable.unwatched_since.is_not(None), MailboxTable.status == MailboxStatus.CONNECTED
    )
    return _counted(conn, query, most)


def _counted(conn: Connection, query: Select[int], most: int) -> int:
    some = query.limit(most).subquery()
    return (
        conn.scalar(
            select(func.count())
            .select_from(some)
            .execution_options(all_accounts="the timetable serves every account")
        )
        or 0
    )


def set_renew_at(conn: Connection, mailbox: Mailbox, when: datetime) -> None:
    """Say when watches and folders are due again."""
    conn.execute(
        update(MailboxTable)
        .where(
            MailboxTable.account_id == mailbox.account_id,
            MailboxTable.id == mailbox.id,
            MailboxTable.renew_at.is_not(None),  # cleared: it is not connected any more
        )
        .values(renew_at=when)
    )
