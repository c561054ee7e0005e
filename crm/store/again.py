"""Judging again: messages that were refused for want of something that is there now."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Subquery, case, exists, literal, select, update

from crm.addresses import listed
from crm.columns import UtcDateTime
from crm.model import MailboxStatus, VerdictKind
from crm.store import never_log, previews, sql
from crm.store import settings as account_settings
from crm.tables import (
    Email,
    EmailPerson,
    JournalReference,
    JournalRow,
    Mailbox,
    PendingMessage,
    Sighting,
    Thread,
)

LOOK_BACK = timedelta(days=30)
BY_PLACE = ("draft", "junk", "trash", "folder")  # nothing but the message's place changes these
MOST_WITHDRAWALS = 20  # hostile mail may answer in circles: each verdict asks for another
LATE_ROOT = "late-root"
NEW_ADDRESS = "new-address"
DUPLICATE = "duplicate"
ANSWERED = "answered"  # by a ticked e-mail
OVERTAKEN = "overtaken"  # by what another run stored meanwhile
MOST_READ_AGAIN = 500  # messages read again for a new contact who may be among their recipients
SETTING = "setting"
FATAL = (
    "fatal"  # reading it ended the process (`crm.store.deaths`): only a person has it read again
)
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
_WENT_TO = (
    select(Thread.id)
    .join(Email, (Email.identity == Thread.root_identity) & (Email.thread_id == Thread.id))
    .join(EmailPerson, EmailPerson.email_id == Email.id)
    .where(
        sql.held(Thread),
        sql.held(Email),
        sql.held(EmailPerson),
        EmailPerson.role.in_(("to", "cc")),
        sql.among(EmailPerson.address),
    )
    .distinct()
)
_COPIES = select(JournalRow.id).where(
    sql.held(JournalRow),
    sql.among(JournalRow.message_digest),
    JournalRow.verdict == VerdictKind.REFUSED,
)


def after_logging(
    conn: Connection, account_id: int, message_digests: Collection[str], now: datetime
) -> set[int]:
    """E-mails with these Message-IDs have just been logged, have moved to another thread, or are
    logged no more: judge again what was refused and refers to one of them. Gives the mailboxes
    concerned."""
    touched: set[int] = set()
    for some in sql.chunks(sorted(message_digests)):
        referring = conn.scalars(_REFERRING, {"account": account_id, "some": some}).all()
        touched |= these(conn, account_id, referring, LATE_ROOT, now)
    return touched


def copies_of(
    conn: Connection, account_id: int, message_digests: Collection[str], now: datetime
) -> set[int]:
    """E-mails with these Message-IDs have just been logged, or more is known of them: judge again
    what was refused and may be a copy of one. Gives the mailboxes concerned."""
    touched: set[int] = set()
    for some in sql.chunks(sorted(message_digests)):
        copies = conn.scalars(_COPIES, {"account": account_id, "some": some}).all()
        touched |= these(conn, account_id, copies, DUPLICATE, now)
    return touched


def after_new_addresses(
    conn: Connection, account_id: int, addresses: Collection[str], now: datetime
) -> set[int]:
    """These addresses have just become a contact's: judge again what was refused because their
    sender was unknown, or none but listed people were concerned. Gives the mailboxes concerned.

    Where all mail with contacts is logged, the newest refused messages are looked at as well, whoever
    sent them: of a refused message its recipients are not kept, so they must be read again."""
    if not addresses:
        return set()
    rules = ["unknown-sender"]
    touched = _judge(conn, account_id, JournalRow.rule == "never-log", NEW_ADDRESS, now)
    touched |= _where_listed(conn, account_id, addresses, now)
    if account_settings.settings_of(conn, account_id).switches.log_all_known:
        rules += ["not-a-reply", "unknown-thread"]
        newest = (
            select(JournalRow.id)
            .where(JournalRow.account_id == account_id, JournalRow.rule.in_([*rules, "not-ticked"]))
            .order_by(JournalRow.at.desc())
            .limit(MOST_READ_AGAIN)
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


def fatal(conn: Connection, account_id: int, journal_id: int, now: datetime) -> set[int]:
    """Judge a message again that was given up because reading it ended the process. Gives the
    mailbox concerned."""
    row = select(JournalRow.mailbox_id, JournalRow.provider_id).where(
        JournalRow.account_id == account_id,
        JournalRow.id == journal_id,
        JournalRow.verdict == VerdictKind.REFUSED,
        JournalRow.rule == FATAL,
    )
    return _wait(conn, account_id, row.subquery(), FATAL, now)


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


def _where_listed(
    conn: Connection, account_id: int, addresses: Collection[str], now: datetime
) -> set[int]:
    """Contacts who are on a Never Log list keep away whole threads that went to them alone, also
    what was logged of these before they were contacts."""
    lists = never_log.of_all(conn, account_id)
    touched: set[int] = set()
    for some in sql.chunks(sorted(each for each in addresses if listed(each, lists))):
        threads = conn.scalars(_WENT_TO, {"account": account_id, "some": some}).all()
        for them in sql.chunks(threads):
            copies = (
                select(Sighting.mailbox_id, Sighting.provider_id)
                .join(Email, Email.id == Sighting.email_id)
                .where(
                    Sighting.account_id == account_id,
                    Email.account_id == account_id,
                    Email.thread_id.in_(them),
                )
            )
            touched |= _wait(conn, account_id, copies.subquery(), NEW_ADDRESS, now)
    return touched


def _judge(
    conn: Connection, account_id: int, which: ColumnElement[bool], reason: str, now: datetime
) -> set[int]:
    refused = select(JournalRow.mailbox_id, JournalRow.provider_id).where(
        JournalRow.account_id == account_id,
        JournalRow.verdict == VerdictKind.REFUSED,
        JournalRow.rule.not_in((*BY_PLACE, FATAL)),
        JournalRow.decided_at >= now - LOOK_BACK,
        JournalRow.withdrawals < MOST_WITHDRAWALS,
        ~_of_other_provider(account_id),
        which,
    )
    return _wait(conn, account_id, refused.subquery(), reason, now)


def _of_other_provider(account_id: int) -> ColumnElement[bool]:
    """Rows from before the mailbox had the provider that it has: their ids mean nothing there. If
    the mail was taken along, its copies have rows of their own."""
    return exists().where(
        Mailbox.account_id == account_id,
        Mailbox.id == JournalRow.mailbox_id,
        Mailbox.provider_since > JournalRow.decided_at,
    )


def _wait(
    conn: Connection, account_id: int, messages: Subquery, reason: str, now: datetime
) -> set[int]:
    """Put messages (mailbox, provider id) on the pending list. Gives their mailboxes."""
    rows = (
        select(
            literal(account_id),
            messages.c.mailbox_id,
            messages.c.provider_id,
            literal(""),
            literal(reason),
            literal(0),
            literal(now, UtcDateTime()),
            literal(""),
            literal(now, UtcDateTime()),
        )
        .where(literal(True))  # SQLite takes ON CONFLICT for a join's without it
        .order_by(messages.c.mailbox_id, messages.c.provider_id)
    )
    statement = sql.insert(conn, PendingMessage).from_select(_PENDING, rows)
    upsert = statement.on_conflict_do_update(
        index_elements=[PendingMessage.mailbox_id, PendingMessage.provider_id],
        set_={"reason": reason, "next_at": now},
        where=PendingMessage.reason != FATAL,
    )
    return set(conn.execute(upsert.returning(PendingMessage.mailbox_id)).scalars())
