"""Timelines of contacts who gained an address: an e-mail stands on the timeline of its sender's
contact and of every contact among To and Cc, also where the contact came after the e-mail."""

from collections.abc import Collection, Iterable
from functools import cache

from sqlalchemy import Connection, and_, or_, select

from crm.addresses import listed
from crm.model import Direction, NeverLog
from crm.store import never_log as never_log_lists
from crm.store import sql
from crm.store.associations import associate
from crm.tables import ContactAddress, Email, EmailContact, EmailPerson, Thread

_STANDING = (
    select(
        EmailPerson.email_id,
        EmailPerson.address,
        ContactAddress.contact_id,
        Email.owner_id,
        or_(Thread.root_identity == Email.identity, Email.direction == Direction.OUTGOING).label(
            "brings"
        ),
    )
    .join(Email, Email.id == EmailPerson.email_id)
    .join(Thread, Thread.id == Email.thread_id)
    .join(ContactAddress, ContactAddress.address == EmailPerson.address)
    .where(
        sql.held(EmailPerson),
        sql.held(Email),
        sql.held(Thread),
        sql.held(ContactAddress),
        sql.among(EmailPerson.address),
        or_(
            EmailPerson.role.in_(("to", "cc")),
            and_(EmailPerson.role == "from", Email.direction != Direction.OUTGOING),
        ),
    )
    .order_by(EmailPerson.email_id, ContactAddress.contact_id)
)


def backfill(conn: Connection, account_id: int, addresses: Collection[str]) -> None:
    """These addresses have just become a contact's: put the logged e-mails with them on the
    contact's timeline, and their threads on those of its company and deals. Addresses on
    a Never Log list of the account or the e-mail's owner stay away. The caller is `alone`."""

    @cache
    def never_log(owner_id: int | None) -> NeverLog:
        return never_log_lists.listed(conn, account_id, owner_id)

    for some in sql.chunks(sorted(addresses)):
        rows = conn.execute(_STANDING, {"account": account_id, "some": some}).all()
        wanted = [row for row in rows if not listed(row.address, never_log(row.owner_id))]
        on = {(row.email_id, row.contact_id) for row in wanted}
        _put(conn, account_id, on)
        bringing: dict[int, set[int]] = {}
        for row in wanted:
            if row.brings:
                bringing.setdefault(row.email_id, set()).add(row.contact_id)
        if bringing:
            associate(conn, account_id, bringing)


def _put(conn: Connection, account_id: int, on: Iterable[tuple[int, int]]) -> None:
    rows = [
        {"account_id": account_id, "email_id": email_id, "contact_id": contact_id}
        for email_id, contact_id in sorted(on)
    ]
    sql.add_missing(conn, EmailContact, rows)
