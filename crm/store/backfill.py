"""On whose timelines a logged e-mail stands: its sender's contact's and every contact's among To and
Cc, whether the contact or the e-mail came first.

Whoever is on a Never Log list of the account, or of every user in whose mailbox a copy was let in,
stays away. What a list keeps away it keeps away from then on: it takes nothing off.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select

from crm.addresses import listed
from crm.model import Direction, NeverLog
from crm.store import never_log as never_log_lists
from crm.store import settings, sql
from crm.store.associations import associate
from crm.store.context import contacts_of, roots_of_threads
from crm.tables import ContactAddress, Email, EmailContact, EmailPerson, Sighting, Thread

_BRINGS = or_(Thread.root_identity == Email.identity, Email.direction == Direction.OUTGOING)
_DIRECTION = func.coalesce(Sighting.direction, Email.direction)
_STANDING = (
    select(
        EmailPerson.email_id,
        EmailPerson.address,
        ContactAddress.contact_id,
        func.coalesce(Sighting.owner_id, Email.owner_id).label("owner_id"),
        _BRINGS.label("brings"),
    )
    .join(Email, Email.id == EmailPerson.email_id)
    .join(Thread, Thread.id == Email.thread_id)
    .join(ContactAddress, ContactAddress.address == EmailPerson.address)
    .outerjoin(
        Sighting,
        (Sighting.email_id == Email.id) & sql.held(Sighting) & Sighting.carries,
    )
    .where(
        sql.held(EmailPerson),
        sql.held(Email),
        sql.held(Thread),
        sql.held(ContactAddress),
        or_(
            EmailPerson.role.in_(("to", "cc")),
            and_(EmailPerson.role == "from", _DIRECTION != Direction.OUTGOING),
        ),
    )
    .order_by(EmailPerson.email_id, ContactAddress.contact_id)
)
# A mailing list may have put its address for the sender's in the copy that was logged first.
_SENDERS = (
    select(
        Sighting.email_id,
        Sighting.sender.label("address"),
        ContactAddress.contact_id,
        func.coalesce(Sighting.owner_id, Email.owner_id).label("owner_id"),
        _BRINGS.label("brings"),
    )
    .join(Email, Email.id == Sighting.email_id)
    .join(Thread, Thread.id == Email.thread_id)
    .join(ContactAddress, ContactAddress.address == Sighting.sender)
    .where(
        sql.held(Sighting),
        sql.held(Email),
        sql.held(Thread),
        sql.held(ContactAddress),
        Sighting.carries,
        Sighting.direction != Direction.OUTGOING,
    )
    .order_by(Sighting.email_id, ContactAddress.contact_id)
)
_WITH_ADDRESSES = (
    _STANDING.where(sql.among(EmailPerson.address)),
    _SENDERS.where(sql.among(Sighting.sender)),
)
_OF_EMAILS = (
    _STANDING.where(sql.among(EmailPerson.email_id)),
    _SENDERS.where(sql.among(Sighting.email_id)),
)
# Each copy that came in and was let in: it may be a stranger's in one mailbox and our own in another.
_ARRIVED = (
    select(
        Email.id,
        Email.thread_id,
        func.coalesce(Sighting.sender, Email.sender).label("sender"),
        func.coalesce(Sighting.owner_id, Email.owner_id).label("owner_id"),
    )
    .outerjoin(
        Sighting,
        (Sighting.email_id == Email.id) & sql.held(Sighting) & Sighting.carries,
    )
    .where(sql.held(Email), _DIRECTION != Direction.OUTGOING)
    .order_by(Email.id)
)
_ON = select(EmailContact.id, EmailContact.email_id, EmailContact.contact_id).where(
    sql.held(EmailContact), sql.among(EmailContact.email_id)
)
_FOR_OTHERS = select(Email.id).where(  # teams' mail may stand for people who are not among its own
    sql.held(Email), sql.among(Email.id), Email.rule.in_(("team", "forward-unreadable"))
)
_Standing = set[tuple[int, int]]  # (e-mail, contact)


def backfill(conn: Connection, account_id: int, addresses: Collection[str]) -> None:
    """These addresses have just become a contact's: put the logged e-mails with them on the
    contact's timeline, and their threads on those of its company and deals. The caller is `alone`."""
    for some in sql.chunks(sorted(addresses)):
        values = {"account": account_id, "some": some}
        rows = [row for query in _WITH_ADDRESSES for row in conn.execute(query, values)]
        _put(conn, account_id, rows)
        if settings.settings_of(conn, account_id).switches.log_unknown_sender:
            stand(conn, account_id, _of_strangers(conn, account_id, some))


def leave(conn: Connection, account_id: int, contact_id: int, address: str) -> None:
    """This address is the contact's no more: the e-mails that it alone put on the contact's timeline
    leave it. The caller is `alone`."""
    named = select(EmailPerson.email_id).where(
        EmailPerson.account_id == account_id, EmailPerson.address == address
    )
    sent = select(Sighting.email_id).where(
        Sighting.account_id == account_id, Sighting.sender == address
    )
    theirs = select(EmailContact.email_id).where(
        EmailContact.account_id == account_id,
        EmailContact.contact_id == contact_id,
        or_(EmailContact.email_id.in_(named), EmailContact.email_id.in_(sent)),
    )
    stand(conn, account_id, conn.scalars(theirs).all())


def stand(conn: Connection, account_id: int, email_ids: Collection[int]) -> None:
    """Put these e-mails on the timelines they belong on, and take them off those on which nobody
    among their people stands any more. The caller is `alone`."""
    for some in sql.chunks(sorted(email_ids)):
        values = {"account": account_id, "some": some}
        rows = [row for query in _OF_EMAILS for row in conn.execute(query, values)]
        _put(conn, account_id, rows)
        instead, may = _of_roots(conn, account_id, some)
        _add(conn, account_id, instead)
        may |= {(row.email_id, row.contact_id) for row in rows}
        kept = set(conn.scalars(_FOR_OTHERS, values))
        gone = [
            row.id
            for row in conn.execute(_ON, values)
            if (row.email_id, row.contact_id) not in may and row.email_id not in kept
        ]
        table = EmailContact
        for them in sql.chunks(gone):
            conn.execute(delete(table).where(table.account_id == account_id, table.id.in_(them)))


def _put(conn: Connection, account_id: int, rows: Sequence[Any]) -> None:
    lists = _lists(conn, account_id)
    wanted = [row for row in rows if not listed(row.address, lists(row.owner_id))]
    _add(conn, account_id, {(row.email_id, row.contact_id) for row in wanted})
    bringing: dict[int, set[int]] = {}
    for row in wanted:
        if row.brings:
            bringing.setdefault(row.email_id, set()).add(row.contact_id)
    if bringing:
        associate(conn, account_id, bringing)


def _of_roots(
    conn: Connection, account_id: int, email_ids: Collection[int]
) -> tuple[_Standing, _Standing]:
    """Strangers' replies stand where their threads' roots do, with `log_unknown_sender`: where they
    are to stand, and where they may."""
    arrived = conn.execute(_ARRIVED.where(Email.id.in_(email_ids)), {"account": account_id}).all()
    known = contacts_of(conn, account_id, {row.sender for row in arrived})
    strangers = [row for row in arrived if row.sender not in known]
    roots = roots_of_threads(conn, account_id, {row.thread_id for row in strangers})
    people = {address for root in roots.values() for address in root.contact_recipients}
    contacts = contacts_of(conn, account_id, people)
    may: _Standing = set()
    wanted: _Standing = set()
    lists = _lists(conn, account_id)
    for row in strangers:
        for address in roots[row.thread_id].contact_recipients & contacts.keys():
            may.add((row.id, contacts[address]))
            if not listed(address, lists(row.owner_id)):
                wanted.add((row.id, contacts[address]))
    on = settings.settings_of(conn, account_id).switches.log_unknown_sender
    return (wanted if on else set()), may


def _of_strangers(conn: Connection, account_id: int, addresses: Collection[str]) -> set[int]:
    """E-mails from these addresses, and those in threads whose roots went to them."""
    copies = select(Sighting.email_id).where(
        Sighting.account_id == account_id, Sighting.sender.in_(addresses)
    )
    theirs = select(Email.id).where(Email.account_id == account_id, Email.sender.in_(addresses))
    found = {*conn.scalars(copies), *conn.scalars(theirs)}
    threads = (
        select(Thread.id)
        .join(Email, (Email.identity == Thread.root_identity) & (Email.thread_id == Thread.id))
        .join(EmailPerson, EmailPerson.email_id == Email.id)
        .where(
            Thread.account_id == account_id,
            Email.account_id == account_id,
            EmailPerson.account_id == account_id,
            EmailPerson.address.in_(addresses),
        )
    )
    for some in sql.chunks(conn.scalars(threads).all()):
        inside = _ARRIVED.where(Email.thread_id.in_(some))
        found |= {row.id for row in conn.execute(inside, {"account": account_id})}
    return found


def _lists(conn: Connection, account_id: int) -> Any:
    @cache
    def never_log(user_id: int | None) -> NeverLog:
        return never_log_lists.listed(conn, account_id, user_id)

    return never_log


def _add(conn: Connection, account_id: int, on: Iterable[tuple[int, int]]) -> None:
    rows = [
        {"account_id": account_id, "email_id": email_id, "contact_id": contact_id}
        for email_id, contact_id in sorted(on)
    ]
    sql.add_missing(conn, EmailContact, rows)
