"""Making contacts out of addresses that mail brought."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, insert, select

from crm.model import Address
from crm.store import sql
from crm.store.backfill import backfill
from crm.store.context import contacts_of
from crm.store.outbox import tell_all
from crm.tables import Company, Contact, ContactAddress

CREATED_TOPIC = "contact.created"


class NoSuchContact(LookupError):
    """The account has no such contact."""


def create_contacts(
    conn: Connection, account_id: int, people: Collection[Address], now: datetime
) -> frozenset[str]:
    """Make a contact of everyone in `people` whose address belongs to none, in the company of the
    address's domain where there is one, and put the logged e-mails with them on their timelines. Gives the addresses that are new. The caller is `alone`."""
    wanted = {each.address: each for each in reversed(tuple(people)) if each.address}
    known = contacts_of(conn, account_id, wanted)
    new = [wanted[address] for address in sorted(wanted.keys() - known.keys())]
    if not new:
        return frozenset()
    companies = _companies(conn, account_id, {each.domain for each in new})
    for each in new:
        values = {"name": each.name, "company_id": companies.get(each.domain)}
        contact_id = insert_contact(conn, account_id, values, now)
        row = {"account_id": account_id, "contact_id": contact_id, "address": each.address}
        conn.execute(insert(ContactAddress).values(row))
    addresses = frozenset(each.address for each in new)
    backfill(conn, account_id, addresses)
    return addresses


def insert_contact(conn: Connection, account_id: int, values: sql.Row, now: datetime) -> int:
    """A new contact with these columns, and its event; gives its id."""
    row = {"account_id": account_id, **values, "created_at": now}
    contact_id: int = conn.execute(insert(Contact).values(row).returning(Contact.id)).scalar_one()
    tell_created(conn, account_id, [contact_id], now)
    return contact_id


def tell_created(
    conn: Connection, account_id: int, contact_ids: Collection[int], now: datetime
) -> None:
    """The events of new contacts: whoever inserts contacts calls this in the same transaction."""
    events = {f"{CREATED_TOPIC}:{each}": {"contact_id": each} for each in contact_ids}
    tell_all(conn, account_id, CREATED_TOPIC, events, now)


def check(conn: Connection, account_id: int, contact_id: int) -> None:
    """Raises NoSuchContact."""
    query = select(Contact.id).where(Contact.account_id == account_id, Contact.id == contact_id)
    if conn.scalar(query) is None:
        raise NoSuchContact


def _companies(conn: Connection, account_id: int, domains: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in sql.chunks(sorted(domains)):
        query = select(Company.domain, Company.id).where(
            Company.account_id == account_id, Company.domain.in_(some)
        )
        found.update((domain or "", company_id) for domain, company_id in conn.execute(query))
    return found
