"""Contacts and their addresses."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, or_, select, update
from sqlalchemy.sql import Select

from crm.addresses import normalise
from crm.database import alone
from crm.store import again, companies, enrolments, sql
from crm.store.backfill import backfill, leave
from crm.store.companies import CompanyRow
from crm.store.people import NoSuchContact as NoSuchContact
from crm.store.people import check as check
from crm.store.people import insert_contact
from crm.tables import Contact, ContactAddress, DealContact


class AddressOfAnother(Exception):
    """The address belongs to another contact, whose id is `contact_id`."""

    def __init__(self, contact_id: int) -> None:
        super().__init__("the address belongs to another contact")
        self.contact_id = contact_id


class NotAnAddress(ValueError):
    """The text is no e-mail address."""


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact with what is known of it; its e-mails are another matter (`timeline`)."""

    id: int
    name: str
    addresses: tuple[str, ...]
    company: CompanyRow | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Added:
    """A new contact, or one with a new address, and the mailboxes to wake: messages in them were
    refused because their sender was unknown, and are judged again."""

    contact_id: int
    woken: frozenset[int] = frozenset()


def add_contact(
    conn: Connection,
    account_id: int,
    name: str,
    addresses: Collection[str],
    now: datetime,
    company_id: int | None = None,
) -> Added:
    """Add a contact. Raises NotAnAddress, or AddressOfAnother when one of `addresses` is taken; then
    the transaction must be rolled back."""
    alone(conn, account_id)
    if company_id is not None:
        _check_company(conn, account_id, company_id)
    values = {"name": name.strip(), "company_id": company_id}
    made = insert_contact(conn, account_id, values, now)
    return Added(made, _claim(conn, account_id, made, addresses, now))


def add_address(
    conn: Connection, account_id: int, contact_id: int, address: str, now: datetime
) -> Added:
    """Give a contact one more address; twice is once. Raises NoSuchContact, NotAnAddress,
    AddressOfAnother."""
    alone(conn, account_id)
    check(conn, account_id, contact_id)
    return Added(contact_id, _claim(conn, account_id, contact_id, [address], now))


def remove_address(conn: Connection, account_id: int, contact_id: int, address: str) -> None:
    """Take an address away from a contact. What stands on its timeline because of this address
    alone leaves it; it stays logged, and comes to whoever gets the address."""
    alone(conn, account_id)
    wanted = normalise(address)
    table = ContactAddress
    gone = conn.execute(
        delete(table).where(
            table.account_id == account_id,
            table.contact_id == contact_id,
            table.address == wanted,
        )
    )
    if gone.rowcount:
        leave(conn, account_id, contact_id, wanted)


def rename(conn: Connection, account_id: int, contact_id: int, name: str) -> None:
    """Raises NoSuchContact."""
    _change(conn, account_id, contact_id, {"name": name.strip()})


def set_company(conn: Connection, account_id: int, contact_id: int, company_id: int | None) -> None:
    """Make a company the contact's primary one. Raises NoSuchContact, LookupError."""
    if company_id is not None:
        _check_company(conn, account_id, company_id)
    _change(conn, account_id, contact_id, {"company_id": company_id})


def find(conn: Connection, account_id: int, address: str) -> ContactRow | None:
    """The contact with this address."""
    table = ContactAddress
    contact_id = conn.scalar(
        select(table.contact_id).where(
            table.account_id == account_id, table.address == normalise(address)
        )
    )
    return None if contact_id is None else contact(conn, account_id, contact_id)


def contact(conn: Connection, account_id: int, contact_id: int) -> ContactRow | None:
    found = _rows(conn, account_id, _select(account_id).where(Contact.id == contact_id))
    return found[0] if found else None


def listing(
    conn: Connection, account_id: int, search: str = "", offset: int = 0, limit: int = 50
) -> list[ContactRow]:
    """Contacts by name; `search` is a part of the name or of an address."""
    query = _select(account_id)
    if text := search.replace("\0", "").strip():  # PostgreSQL knows no NUL
        address = exists().where(
            ContactAddress.account_id == account_id,
            ContactAddress.contact_id == Contact.id,
            ContactAddress.address.contains(text.lower(), autoescape=True),
        )
        named = func.lower(Contact.name).contains(text.lower(), autoescape=True)
        query = query.where(or_(named, address))
    query = query.order_by(func.lower(Contact.name), Contact.id).offset(offset).limit(limit)
    return _rows(conn, account_id, query)


def of_company(
    conn: Connection, account_id: int, company_id: int, limit: int = 50
) -> list[ContactRow]:
    """Contacts of a company, by name."""
    query = _select(account_id).where(Contact.company_id == company_id)
    return _rows(
        conn, account_id, query.order_by(func.lower(Contact.name), Contact.id).limit(limit)
    )


def of_deal(conn: Connection, account_id: int, deal_id: int, limit: int = 50) -> list[ContactRow]:
    """Contacts of a deal, by name."""
    query = (
        _select(account_id)
        .join(DealContact, DealContact.contact_id == Contact.id)
        .where(DealContact.account_id == account_id, DealContact.deal_id == deal_id)
    )
    return _rows(
        conn, account_id, query.order_by(func.lower(Contact.name), Contact.id).limit(limit)
    )


def _claim(
    conn: Connection, account_id: int, contact_id: int, addresses: Collection[str], now: datetime
) -> frozenset[int]:
    """Give addresses to a contact, with the logged e-mails they stand in, and have refused messages
    of theirs judged again."""
    wanted = sorted({normalise(address) for address in addresses})
    if "" in wanted:
        raise NotAnAddress
    rows = [
        {"account_id": account_id, "contact_id": contact_id, "address": each} for each in wanted
    ]
    sql.add_missing(conn, ContactAddress, rows)
    table = ContactAddress
    for some in sql.chunks(wanted):
        other = conn.scalar(
            select(table.contact_id).where(
                table.account_id == account_id,
                table.address.in_(some),
                table.contact_id != contact_id,
            )
        )
        if other is not None:
            raise AddressOfAnother(other)
    backfill(conn, account_id, wanted)
    enrolments.end_answered(conn, account_id, [contact_id], now)
    touched = again.after_new_addresses(conn, account_id, wanted, now)
    return frozenset(again.wake(conn, account_id, touched, now))


def _change(conn: Connection, account_id: int, contact_id: int, values: sql.Row) -> None:
    changed = conn.execute(
        update(Contact)
        .where(Contact.account_id == account_id, Contact.id == contact_id)
        .values(values)
    )
    if not changed.rowcount:
        raise NoSuchContact


def _check_company(conn: Connection, account_id: int, company_id: int) -> None:
    if companies.company(conn, account_id, company_id) is None:
        raise LookupError("no such company")


def _select(account_id: int) -> Select[int, str, datetime, int | None]:
    return select(Contact.id, Contact.name, Contact.created_at, Contact.company_id).where(
        Contact.account_id == account_id
    )


def _rows(
    conn: Connection, account_id: int, query: Select[int, str, datetime, int | None]
) -> list[ContactRow]:
    rows = conn.execute(query).all()
    ids = [row.id for row in rows]
    addresses = _addresses(conn, account_id, ids)
    firms = companies.by_id(conn, account_id, [row.company_id for row in rows if row.company_id])
    return [
        ContactRow(
            id=row.id,
            name=row.name,
            addresses=tuple(addresses.get(row.id, ())),
            company=firms.get(row.company_id) if row.company_id else None,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _addresses(conn: Connection, account_id: int, ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    table = ContactAddress
    for some in sql.chunks(ids):
        query = (
            select(table.contact_id, table.address)
            .where(table.account_id == account_id, table.contact_id.in_(some))
            .order_by(table.id)
        )
        for contact_id, address in conn.execute(query):
            found.setdefault(contact_id, []).append(address)
    return found
