"""Who sends: the addresses of users, and whoever is known to have sent an e-mail."""

from sqlalchemy import BindParameter, Connection, bindparam, select

from crm.columns import key
from crm.model import MailboxKind, MailboxStatus
from crm.store import sql
from crm.tables import Email, JournalRow, Mailbox, User

_USERS = select(User.address, User.id).where(sql.held(User), User.active.is_(True))
_MAILBOXES = (
    select(Mailbox.address, Mailbox.own_addresses, Mailbox.user_id)
    .join(User, User.id == Mailbox.user_id)
    .where(
        sql.held(Mailbox),
        sql.held(User),
        User.active.is_(True),
        Mailbox.kind == MailboxKind.PERSONAL,
        Mailbox.status == MailboxStatus.CONNECTED,
    )
)
_ID: BindParameter[str] = bindparam("message_id")
_LOGGED = select(Email.sender).where(sql.held(Email), Email.message_id == _ID)
_JOURNAL = select(JournalRow.sender).where(
    sql.held(JournalRow), JournalRow.message_digest == bindparam("digest"), JournalRow.sender != ""
)


def user_addresses(conn: Connection, account_id: int) -> dict[str, int]:
    """Active users by their addresses: the one they sign in with, and those of their connected
    mailboxes. An address that somebody signs in with is theirs."""
    found: dict[str, int] = {}
    for address, others, user_id in conn.execute(_MAILBOXES, {"account": account_id}):
        found.update(dict.fromkeys((address, *others), user_id))
    users = conn.execute(_USERS, {"account": account_id})
    return found | {address: user_id for address, user_id in users}  # noqa: C416 - rows are no pairs


def senders(conn: Connection, account_id: int, message_id: str, message_digest: str) -> set[str]:
    """Whoever is known to have sent an e-mail with this Message-ID, logged or refused."""
    logged = conn.scalars(_LOGGED, {"account": account_id, "message_id": key(message_id)})
    seen = conn.scalars(_JOURNAL, {"account": account_id, "digest": message_digest})
    return {*logged, *seen}
