"""Merging contacts: two that turn out to be one person."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, literal, select, update

from crm.database import alone
from crm.store import again, contacts, enrolments, sql
from crm.store.backfill import backfill
from crm.store.contacts import Added, NoSuchContact
from crm.store.visibility import Viewer, visible
from crm.tables import (
    Contact,
    ContactAddress,
    DealContact,
    Email,
    EmailContact,
    Enrolment,
    MergedContact,
)


@dataclass(frozen=True, slots=True)
class Moves:
    """What a merge would bring to the contact that stays."""

    addresses: tuple[str, ...]
    emails: int  # that do not stand on its timeline yet
    deals: int
    sequences: int
    company: str  # '' where it keeps its own, or there is none


def preview(conn: Connection, viewer: Viewer, keep: int, gone: int) -> Moves:
    """What merging would move, of e-mails those that the viewer may see. Raises NoSuchContact."""
    account_id = viewer.account_id
    stays, goes = _both(conn, account_id, keep, gone)
    there = select(EmailContact.email_id).where(
        EmailContact.account_id == account_id, EmailContact.contact_id == keep
    )
    emails = (
        select(func.count(Email.id))
        .join(EmailContact, EmailContact.email_id == Email.id)
        .where(
            visible(viewer),
            Email.account_id == account_id,
            EmailContact.account_id == account_id,
            EmailContact.contact_id == gone,
            Email.id.not_in(there),
        )
    )
    deals = select(func.count()).where(
        DealContact.account_id == account_id, DealContact.contact_id == gone
    )
    return Moves(
        addresses=goes.addresses,
        emails=conn.scalar(emails) or 0,
        deals=conn.scalar(deals) or 0,
        sequences=len(enrolments.listing(conn, account_id, gone)),
        company=goes.company.name if goes.company and not stays.company else "",
    )


def merge(conn: Connection, account_id: int, keep: int, gone: int, now: datetime) -> Added:
    """Make one contact of two: `keep`, whose name and company win, gets all that `gone` has, and
    `gone` leads there from now on. Twice is once. Raises NoSuchContact."""
    alone(conn, account_id)
    if keep == gone or merged_into(conn, account_id, gone) == keep:
        contacts.check(conn, account_id, keep)
        return Added(keep)
    stays, goes = _both(conn, account_id, keep, gone)
    contacts.rename(conn, account_id, keep, stays.name or goes.name)
    if goes.company and not stays.company:
        contacts.set_company(conn, account_id, keep, goes.company.id)
    theirs = (ContactAddress.account_id == account_id) & (ContactAddress.contact_id == gone)
    conn.execute(update(ContactAddress).where(theirs).values(contact_id=keep))
    for table, column in ((EmailContact, "email_id"), (DealContact, "deal_id")):
        _move_links(conn, account_id, table, column, keep, gone)
    _move_enrolments(conn, account_id, keep, gone)
    former = (MergedContact.account_id == account_id) & (MergedContact.contact_id == gone)
    conn.execute(update(MergedContact).where(former).values(contact_id=keep))
    conn.execute(delete(Contact).where(Contact.account_id == account_id, Contact.id == gone))
    row = {"account_id": account_id, "former_id": gone, "contact_id": keep}
    sql.add_missing(conn, MergedContact, [row])
    backfill(conn, account_id, goes.addresses)
    enrolments.end_answered(conn, account_id, [keep], now)
    touched = again.after_new_addresses(conn, account_id, goes.addresses, now)
    return Added(keep, frozenset(again.wake(conn, account_id, touched, now)))


def merged_into(conn: Connection, account_id: int, contact_id: int) -> int | None:
    """The contact that a former one became part of."""
    query = select(MergedContact.contact_id).where(
        MergedContact.account_id == account_id, MergedContact.former_id == contact_id
    )
    return conn.scalar(query)


def _both(
    conn: Connection, account_id: int, keep: int, gone: int
) -> tuple[contacts.ContactRow, contacts.ContactRow]:
    stays = contacts.contact(conn, account_id, keep)
    goes = contacts.contact(conn, account_id, gone)
    if stays is None or goes is None:
        raise NoSuchContact
    return stays, goes


def _move_links(
    conn: Connection,
    account_id: int,
    table: type[EmailContact] | type[DealContact],
    column: str,
    keep: int,
    gone: int,
) -> None:
    """Hang on `keep` what hangs on `gone`; what hangs on both goes with `gone`."""
    linked = getattr(table, column)
    rows = select(literal(account_id), linked, literal(keep)).where(
        table.account_id == account_id, table.contact_id == gone
    )
    named = ["account_id", column, "contact_id"]
    statement = sql.insert(conn, table).from_select(named, rows.order_by(linked))
    conn.execute(statement.on_conflict_do_nothing())


def _move_enrolments(conn: Connection, account_id: int, keep: int, gone: int) -> None:
    """Of two times in one sequence the earlier beginning counts, and that one has ended."""
    own = {each.sequence: each for each in enrolments.listing(conn, account_id, keep)}
    for each in enrolments.listing(conn, account_id, gone):
        row = (Enrolment.account_id == account_id) & (Enrolment.id == each.id)
        same = own.get(each.sequence)
        if same is None:
            conn.execute(update(Enrolment).where(row).values(contact_id=keep))
            continue
        ended = next((one for one in (same, each) if one.ended_at), same)
        conn.execute(
            update(Enrolment)
            .where(Enrolment.account_id == account_id, Enrolment.id == same.id)
            .values(
                began_at=min(same.began_at, each.began_at),
                ended_at=ended.ended_at,
                ended_by=ended.ended_by,
            )
        )
