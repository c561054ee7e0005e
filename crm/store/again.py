"""Judging again: messages that were refused for want of something that is there now."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, literal, select, update

from crm.columns import UtcDateTime
from crm.model import MailboxStatus, VerdictKind
from crm.store import previews, sql
from crm.store import settings as account_settings
from crm.tables import JournalReference, JournalRow, Mailbox, PendingMessage

LOOK_BACK = timedelta(days=30)
BY_PLACE = ("draft", "junk", "trash", "folder")  # nothing but the message's place changes these
LATE_ROOT = "late-root"
NEW_ADDRESS = "new-address"
DUPLICATE = "duplicate"
ANSWERED = "answered"  # by a ticked e-mail
OVERTAKEN = "overtaken"  # by what another run stored meanwhile
MOST_SENT = 500  # messages looked at again for a new contact among their recipients
SETTING = "setting"
_PENDING = [
    "account_id",
    "mailbox_id",
    "provider_id",
    "provider_thread",
    "reason",
    "attempts",
    "next_at",
    "last_error",
    "created_at",
]
_REFERRING = select(JournalReference.journal_id).where(
    sql.held(JournalReference), sql.among(JournalReference.digest)
)
_COPIES = select(JournalRow.id).where(
    sql.held(JournalRow),
    sql.among(JournalRow.message_digest),
    JournalRow.verdict == VerdictKind.REFUSED,
)


def after_logging(
    conn: Connection, account_id: int, message_digests: Collection[str], now: datetime
) -> set[int]:
    """E-mails with these Message-IDs have just been logged, or moved to another thread: judge again
    what was refused and refers to one of them, and other copies of them. Gives the mailboxes
    concerned."""
    touched: set[int] = set()
    for some in sql.chunks(sorted(message_digests)):
        values = {"account": account_id, "some": some}
        referring = conn.scalars(_REFERRING, values).all()
        copies = conn.scalars(_COPIES, values).all()
        touched |= these(conn, account_id, referring, LATE_ROOT, now)
        touched |= these(conn, account_id, copies, DUPLICATE, now)
    return touched


def after_new_addresses(
    conn: Connection, account_id: int, addresses: Collection[str], now: datetime
) -> set[int]:
    """These addresses have just become a contact's: judge again what was refused because their
    sender was unknown. Gives the mailboxes concerned.

    Where all mail with contacts is logged, the newest refused e-mails that users sent are looked at
    as well: of a refused message its recipients are not kept, so they must be read again."""
    rules = ["unknown-sender"]
    touched: set[int] = set()
    if account_settings.settings_of(conn, account_id).switches.log_all_known:
        rules += ["not-a-reply", "unknown-thread"]
        newest = (
            select(JournalRow.id)
            .where(JournalRow.account_id == account_id, JournalRow.rule == "not-ticked")
            .order_by(JournalRow.at.desc())
            .limit(MOST_SENT)
        )
        touched |= these(conn, account_id, conn.scalars(newest).all(), NEW_ADDRESS, now)
    for some in sql.chunks(sorted(addresses)):
        theirs = JournalRow.sender.in_(some) & JournalRow.rule.in_(rules)
        touched |= _judge(conn, account_id, theirs, NEW_ADDRESS, now)
    return touched


def after_switch(conn: Connection, account_id: int, name: str, now: datetime) -> set[int]:
    """A switch was turned over, and what it would have let in shall come in: judge that again. Gives
    the mailboxes that are rung, for the queue."""
    touched = _judge(conn, account_id, previews.turned(name), SETTING, now)
    return wake(conn, account_id, touched, now)


def after_never_log(
    conn: Connection, account_id: int, user_id: int | None, now: datetime
) -> set[int]:
    """An entry was taken off the Never Log list of this user (None: of the account): judge again
    what the lists refused in the mailboxes concerned. Gives those that are rung, for the queue."""
    touched = _judge(conn, account_id, previews.refused_by_list(account_id, user_id), SETTING, now)
    return wake(conn, account_id, touched, now)


def these(
    conn: Connection,
    account_id: int,
    journal_ids: Collection[int],
    reason: str,
    now: datetime,
) -> set[int]:
    """Judge these refused messages again. Gives the mailboxes concerned."""
    touched: set[int] = set()
    for some in sql.chunks(sorted(journal_ids)):
        touched |= _judge(conn, account_id, JournalRow.id.in_(some), reason, now)
    return touched


def wake(
    conn: Connection, account_id: int, mailbox_ids: Collection[int], now: datetime
) -> set[int]:
    """Ring these mailboxes: at once, or after the run that is under way. Gives those that are
    connected, for the queue."""
    if not mailbox_ids:
        return set()
    held = (Mailbox.lease != "") & (Mailbox.lease_until > now)
    rung = conn.execute(
        update(Mailbox)
        .where(
            Mailbox.account_id == account_id,
            Mailbox.id.in_(sorted(mailbox_ids)),
            Mailbox.status == MailboxStatus.CONNECTED,
        )
        .values(
            # While a run holds it, `wake_at` stays at the end of its lease: nobody else can do more.
            wake_at=case((held, Mailbox.wake_at), else_=literal(now, UtcDateTime())),
            rung=Mailbox.rung | held,
        )
        .returning(Mailbox.id)
    )
    return set(rung.scalars())


def _judge(
    conn: Connection, account_id: int, which: ColumnElement[bool], reason: str, now: datetime
) -> set[int]:
    refused = (
        select(
            literal(account_id),
            JournalRow.mailbox_id,
            JournalRow.provider_id,
            literal(""),
            literal(reason),
            literal(0),
            literal(now, UtcDateTime()),
            literal(""),
            literal(now, UtcDateTime()),
        )
        .where(
            JournalRow.account_id == account_id,
            JournalRow.verdict == VerdictKind.REFUSED,
            JournalRow.rule.not_in(BY_PLACE),
            JournalRow.decided_at >= now - LOOK_BACK,
            which,
        )
        .order_by(JournalRow.id)
    )
    statement = sql.insert(conn, PendingMessage).from_select(_PENDING, refused)
    upsert = statement.on_conflict_do_update(
        index_elements=[PendingMessage.mailbox_id, PendingMessage.provider_id],
        set_={"reason": reason, "next_at": now},
    )
    return set(conn.execute(upsert.returning(PendingMessage.mailbox_id)).scalars())
