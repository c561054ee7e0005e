"""Which mailboxes' domains are to be looked up, and what DNS said of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from crm.history import What
from crm.model import MailboxStatus, VerdictKind
from crm.moves import DAILY, Doubt, Step, after
from crm.store import history, sql
from crm.store.mailbox_rows import PROVIDER_MOVED
from crm.store.outbox import tell
from crm.tables import HostCheck, JournalRow, Mailbox, PendingMessage

RECONNECT_TOPIC = "mailbox.reconnect"
_READ = (MailboxStatus.CONNECTED, MailboxStatus.RECONNECT)


@dataclass(frozen=True, slots=True)
class News:
    """What an answer of DNS changed about a mailbox."""

    mailbox_id: int
    what: What
    provider: str  # where its mail is now


def due(conn: Connection, now: datetime, limit: int) -> list[tuple[int, str]]:
    """(account id, domain) of those that are to be looked up, each once, longest due first; out of
    `limit` mailboxes."""
    query = (
        select(Mailbox.account_id, Mailbox.address)
        .where(Mailbox.mx_due_at <= now)
        .order_by(Mailbox.mx_due_at)
        .limit(limit)
        .execution_options(all_accounts="the timetable serves every account")
    )
    found = [
        (account_id, address.rpartition("@")[2]) for account_id, address in conn.execute(query)
    ]
    return list(dict.fromkeys(found))


def answered(
    conn: Connection, account_id: int, domain: str, host: str, now: datetime, share: float = 1.0
) -> list[News]:
    """DNS named `host` for `domain`. All the account's mailboxes there are told, due or not, and
    are due together again: one look-up serves them all. `share` shortens the wait."""
    rows = conn.execute(
        select(
            Mailbox.id, Mailbox.provider, Mailbox.moved_to, Mailbox.tokens_version,
            HostCheck.own_at, HostCheck.other, HostCheck.answers, HostCheck.since,
            HostCheck.stays,
        )
        .outerjoin(HostCheck, (HostCheck.mailbox_id == Mailbox.id)
                   & (HostCheck.account_id == account_id))
        .where(
            Mailbox.account_id == account_id,
            Mailbox.mx_due_at.is_not(None),
            Mailbox.address.endswith(f"@{domain}", autoescape=True),
        )
        .order_by(Mailbox.id)
    ).all()  # fmt: skip
    steps = {row.id: _step(row, host, now) for row in rows}
    if not steps:
        return []
    _keep(conn, account_id, rows, steps, host, now)
    told = []
    for row in rows:
        step = steps[row.id]
        if step.told is not None:
            where = row.provider if step.told is What.MOVED_BACK else host
            history.note(conn, account_id, row.id, step.told, now, provider=where)
            told.append(News(row.id, step.told, where))
        if step.told is What.MOVED:
            key = f"{RECONNECT_TOPIC}:{row.id}:{row.tokens_version}:{PROVIDER_MOVED}:{now:%Y%m%d%H}"
            payload = {"mailbox_id": row.id, "cause": PROVIDER_MOVED, "provider": host}
            tell(conn, account_id, RECONNECT_TOPIC, key, payload, now)
    soonest = min(step.before_next for step in steps.values())
    _plan(conn, account_id, list(steps), now + soonest * share)
    return told


def _step(row: Any, host: str, now: datetime) -> Step:
    if row.stays:
        return Step("", None, None, DAILY)
    doubt = _doubt(row.other, row.answers, row.since)
    return after(row.provider, row.moved_to, doubt, host, now)


def _doubt(host: str | None, answers: int, since: datetime | None) -> Doubt | None:
    return Doubt(host, answers, since) if host and since else None


def _keep(
    conn: Connection, account_id: int, rows: Any, steps: Mapping[int, Step], host: str,
    now: datetime,
) -> None:  # fmt: skip
    values = []
    for row in rows:
        doubt = steps[row.id].doubt
        values.append({
            "account_id": account_id,
            "mailbox_id": row.id,
            "own_at": now if host == row.provider else row.own_at,
            "other": doubt.host if doubt else "",
            "answers": doubt.answers if doubt else 0,
            "since": doubt.since if doubt else None,
            "stays": bool(row.stays) and host != row.provider,
        })  # fmt: skip
        if steps[row.id].moved_to != row.moved_to:
            conn.execute(
                update(Mailbox)
                .where(Mailbox.account_id == account_id, Mailbox.id == row.id)
                .values(moved_to=steps[row.id].moved_to)
            )
    statement = sql.insert(conn, HostCheck)
    kept = {
        name: statement.excluded[name] for name in ("own_at", "other", "answers", "since", "stays")
    }
    upsert = statement.on_conflict_do_update(index_elements=[HostCheck.mailbox_id], set_=kept)
    conn.execute(upsert, values)


def _plan(conn: Connection, account_id: int, mailbox_ids: list[int], when: datetime) -> None:
    for some in sql.chunks(mailbox_ids):
        conn.execute(
            update(Mailbox)
            .where(Mailbox.account_id == account_id, Mailbox.id.in_(some))
            .values(mx_due_at=when)
        )


def stays(conn: Connection, account_id: int, mailbox_id: int, now: datetime) -> bool:
    """Its owner says where the mailbox is, whatever DNS says: mail can be handed on from one provider
    to the other. That holds until DNS agrees, or it is connected elsewhere. Whether it had been
    thought to have moved."""
    mine = Mailbox.account_id == account_id, Mailbox.id == mailbox_id
    provider = conn.scalar(select(Mailbox.provider).where(*mine))
    if provider is None:
        return False
    row = {"account_id": account_id, "mailbox_id": mailbox_id, "stays": True}
    statement, key = sql.insert(conn, HostCheck).values(row), [HostCheck.mailbox_id]
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_={"stays": True}))
    denied = update(Mailbox).where(*mine, Mailbox.moved_to != "").values(moved_to="")
    if not conn.execute(denied).rowcount:
        return False
    what = What.MOVE_DENIED
    history.note(conn, account_id, mailbox_id, what, now, provider=provider)
    return True


def left_at(conn: Connection, account_id: int, mailbox_id: int) -> datetime:
    """Since when mail may have come to another provider: since DNS named the mailbox's own last;
    where it never did (a mail filter may stand in front), since mail last arrived there, if any."""
    named = conn.scalar(
        select(HostCheck.own_at).where(
            HostCheck.account_id == account_id, HostCheck.mailbox_id == mailbox_id
        )
    )
    if named is not None:
        return named
    mine = Mailbox.account_id == account_id, Mailbox.id == mailbox_id
    arrived = conn.scalar(
        select(func.max(JournalRow.received_at)).where(
            JournalRow.account_id == account_id,
            JournalRow.mailbox_id == mailbox_id,
            JournalRow.sender != select(Mailbox.address).where(*mine).scalar_subquery(),
        )
    )
    return arrived or datetime.fromtimestamp(0, UTC)


def leave(conn: Connection, account_id: int, mailbox_id: int) -> int:
    """The mailbox gets another provider: ids of messages mean nothing there. What waited to be read
    waits no more, and what DNS said is forgotten. How many messages were never read."""
    theirs = (PendingMessage.account_id == account_id) & (PendingMessage.mailbox_id == mailbox_id)
    conn.execute(delete(PendingMessage).where(theirs))
    unread = conn.execute(
        update(JournalRow)
        .where(
            JournalRow.account_id == account_id,
            JournalRow.mailbox_id == mailbox_id,
            JournalRow.verdict == VerdictKind.PENDING,
        )
        .values(verdict=VerdictKind.REFUSED)
    )
    conn.execute(
        delete(HostCheck).where(
            HostCheck.account_id == account_id, HostCheck.mailbox_id == mailbox_id
        )
    )
    return unread.rowcount


def moved(conn: Connection) -> int:
    """How many mailboxes, of all accounts, wait to be connected with their new provider."""
    query = select(func.count()).select_from(Mailbox).where(
        Mailbox.moved_to != "", Mailbox.status.in_(_READ)
    )  # fmt: skip
    counted = query.execution_options(all_accounts="a number for the operator")
    return conn.scalar(counted) or 0
