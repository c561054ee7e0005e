"""What the rules need to know beside a message, read for a whole batch of messages at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from crm.columns import key
from crm.identity import same_message
from crm.model import Context, Direction, Headers, MailboxKind, NeverLog, Root
from crm.store import accounts, mailboxes, never_log, senders, sql
from crm.store import settings as account_settings
from crm.store.answers import answered_by
from crm.store.mailbox_rows import Mailbox
from crm.tables import ContactAddress, Email, EmailPerson, Sighting, Thread

_CONTACTS = select(ContactAddress.address, ContactAddress.contact_id).where(
    sql.held(ContactAddress), sql.among(ContactAddress.address)
)
FIRST = (  # of several with one Message-ID: nobody outside can have sent it from here, or before
    case((Email.direction == Direction.OUTGOING, 0), else_=1),
    Email.received_at,
    Email.sent_at,
    Email.identity,
)
_LOGGED = (
    select(
        Email.id,
        Email.message_id,
        Email.identity,
        func.coalesce(Sighting.sender, Email.sender),
        case((Sighting.id.is_(None), Email.sent_at), else_=Sighting.sent_at),
        Email.thread_id,
    )
    .outerjoin(Sighting, (Sighting.email_id == Email.id) & sql.held(Sighting))
    .where(sql.held(Email), sql.among(Email.message_id))
    .order_by(*FIRST, Sighting.id)
)
_THREADS = select(Thread.id, Thread.owner_id, Thread.team, Thread.base_subject).where(
    sql.held(Thread), sql.among(Thread.id)
)
_CONTACT_RECIPIENTS = (
    select(Thread.id, EmailPerson.address)
    .join(Email, (Email.identity == Thread.root_identity) & (Email.thread_id == Thread.id))
    .join(EmailPerson, EmailPerson.email_id == Email.id)
    .join(ContactAddress, ContactAddress.address == EmailPerson.address)
    .where(
        sql.held(Thread),
        sql.held(Email),
        sql.held(EmailPerson),
        sql.held(ContactAddress),
        sql.among(Thread.id),
        EmailPerson.role.in_(("to", "cc")),
    )
)


@dataclass(frozen=True, slots=True)
class LoggedEmail:
    """A logged e-mail in one of its copies: what tells it from others with its Message-ID."""

    id: int
    message_id: str
    identity: str
    sender: str
    sent_at: datetime | None
    thread_id: int


@dataclass(frozen=True, slots=True)
class Contexts:
    """The contexts of a batch of messages."""

    _shared: Context
    _lists: dict[int, NeverLog] = field(default_factory=dict)  # of users who send to be logged

    def of(self, headers: Headers) -> Context:
        """The context of one message of the batch."""
        known = self._of_user(headers)
        addresses = {headers.sender.address, *(each.address for each in headers.recipients)}
        return replace(
            known,
            roots={each: known.roots[each] for each in _others(headers) if each in known.roots},
            contacts={each: known.contacts[each] for each in addresses & known.contacts.keys()},
        )

    def _of_user(self, headers: Headers) -> Context:
        """At the logging address, a message is judged for the user who sent it."""
        user_id = self._shared.users.get(headers.sender.address)
        if user_id not in self._lists:
            return self._shared
        return replace(self._shared, user_id=user_id, never_log=self._lists[user_id])


def load_context(conn: Connection, mailbox: Mailbox, headers: Sequence[Headers]) -> Contexts:
    """Read what deciding on `headers` takes: a few queries for all of them."""
    account_id = mailbox.account_id
    settings = account_settings.settings_of(conn, account_id)
    addresses = [
        each.address for one in headers for each in (one.sender, *one.recipients) if each.address
    ]
    user_id = mailbox.user_id if mailbox.kind is MailboxKind.PERSONAL else None
    logging = mailbox.kind is MailboxKind.LOGGING
    users = senders.user_addresses(conn, account_id) if logging else {}
    sending = {users[one.sender.address] for one in headers if one.sender.address in users}
    return Contexts(
        Context(
            user_id=user_id,
            mailbox_kind=mailbox.kind,
            own_addresses=mailbox.own_addresses,
            connected=mailboxes.periods(conn, account_id, mailbox.id),
            account_domains=accounts.domains(conn, account_id),
            switches=settings.switches,
            bcc_address=settings.bcc_address,
            log_label=settings.log_label,
            forwarding_address=settings.forwarding_address,
            users=users,
            trusted_authserv_ids=frozenset(settings.trusted_authserv_ids),
            team_allow=NeverLog(frozenset(settings.team_allow)),
            team_deny=NeverLog(frozenset(settings.team_deny)),
            roots=_roots(conn, account_id, [each for one in headers for each in one.answers]),
            contacts=contacts_of(conn, account_id, addresses),
            answered=answered_by(
                conn, account_id, mailbox.user_id, [one.message_id for one in headers]
            ),
            never_log=never_log.listed(conn, account_id, user_id),
        ),
        {each: never_log.listed(conn, account_id, each) for each in sending},
    )


def contacts_of(conn: Connection, account_id: int, addresses: Collection[str]) -> dict[str, int]:
    """Contact id by address, for those of `addresses` that belong to a contact."""
    found: dict[str, int] = {}
    for some in sql.chunks(addresses):
        rows = conn.execute(_CONTACTS, {"account": account_id, "some": some})
        found.update((address, contact_id) for address, contact_id in rows)
    return found


def logged_already(
    conn: Connection, mailbox: Mailbox, headers: Sequence[Headers]
) -> dict[str, int]:
    """Id of the logged e-mail that a message is a copy of, by the message's provider id; messages
    that are not logged are missing. One without a Message-ID is only recognised by `commit`,
    which sees its body (rule `duplicate`)."""
    known = logged_by_message_id(conn, mailbox.account_id, [each.message_id for each in headers])
    found = {}
    for one in headers:
        for email in known.get(key(one.message_id), ()):
            if same_message(one, email.sender, email.sent_at):
                found[one.ref.id] = email.id
                break
    return found


def logged_by_message_id(
    conn: Connection, account_id: int, message_ids: Collection[str]
) -> dict[str, list[LoggedEmail]]:
    """The copies of logged e-mails with these Message-IDs, by `key(message_id)`; those of the first
    with a Message-ID before those of its imitations."""
    found: dict[str, list[LoggedEmail]] = {}
    for some in sql.chunks(each for each in message_ids if each):
        for row in conn.execute(_LOGGED, {"account": account_id, "some": some}):
            found.setdefault(row.message_id, []).append(LoggedEmail(*row))
    return found


def _roots(conn: Connection, account_id: int, message_ids: Collection[str]) -> dict[str, Root]:
    known = logged_by_message_id(conn, account_id, message_ids)
    threads = {emails[0].thread_id for emails in known.values()}
    roots = roots_of_threads(conn, account_id, threads)
    return {
        each: roots[known[key(each)][0].thread_id] for each in message_ids if key(each) in known
    }


def nearest_roots(conn: Connection, account_id: int, headers: Sequence[Headers]) -> dict[str, Root]:
    """The roots of the threads that messages answer, by their provider ids; without those that answer
    nothing that is logged."""
    known = _roots(conn, account_id, [each for one in headers for each in one.answers])
    nearest = {
        one.ref.id: [known[each] for each in _others(one) if each in known] for one in headers
    }
    return {ref: roots[0] for ref, roots in nearest.items() if roots}


def _others(headers: Headers) -> list[str]:
    """What a message answers, but for itself."""
    return [each for each in headers.answers if each != headers.message_id]


def roots_of_threads(
    conn: Connection, account_id: int, thread_ids: Collection[int]
) -> dict[int, Root]:
    """The roots of these threads, by thread."""
    recipients = _contact_recipients(conn, account_id, thread_ids)
    found = {}
    for some in sql.chunks(sorted(thread_ids)):
        for row in conn.execute(_THREADS, {"account": account_id, "some": some}):
            found[row.id] = Root(
                thread_id=row.id,
                owner_id=row.owner_id,
                team=row.team,
                base_subject=row.base_subject,
                contact_recipients=frozenset(recipients.get(row.id, ())),
            )
    return found


def _contact_recipients(
    conn: Connection, account_id: int, thread_ids: Collection[int]
) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for some in sql.chunks(sorted(thread_ids)):
        rows = conn.execute(_CONTACT_RECIPIENTS, {"account": account_id, "some": some})
        for thread_id, address in rows:
            found.setdefault(thread_id, set()).add(address)
    return found
