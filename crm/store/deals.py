"""Deals: a thread stands on the timelines of its contacts' newest open ones."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.sql import Select

from crm.store import sql
from crm.store.contacts import NoSuchContact, contact
from crm.tables import Deal, DealContact


class NoSuchDeal(LookupError):
    """The account has no such deal."""


@dataclass(frozen=True, slots=True)
class DealRow:
    id: int
    name: str
    open: bool
    created_at: datetime


def add(
    conn: Connection, account_id: int, name: str, contact_ids: Collection[int], now: datetime
) -> int:
    """Add an open deal with these contacts. Raises NoSuchContact."""
    values = {"account_id": account_id, "name": name.strip(), "open": True, "created_at": now}
    made: int = conn.execute(insert(Deal).values(values).returning(Deal.id)).scalar_one()
    for contact_id in sorted(set(contact_ids)):
        put_contact(conn, account_id, made, contact_id)
    return made


def deal(conn: Connection, account_id: int, deal_id: int) -> DealRow | None:
    found = conn.execute(_select(account_id).where(Deal.id == deal_id)).first()
    return DealRow(*found) if found else None


def listing(
    conn: Connection, account_id: int, search: str = "", offset: int = 0, limit: int = 50
) -> list[DealRow]:
    """Deals, open ones first, newest first; `search` is a part of the name."""
    query = _select(account_id)
    if text := search.replace("\0", "").strip().lower():  # PostgreSQL knows no NUL
        query = query.where(func.lower(Deal.name).contains(text, autoescape=True))
    return _rows(conn, query.offset(offset).limit(limit))


def of_contact(conn: Connection, account_id: int, contact_id: int) -> list[DealRow]:
    """The contact's deals, open ones first, newest first."""
    query = (
        _select(account_id)
        .join(DealContact, DealContact.deal_id == Deal.id)
        .where(DealContact.account_id == account_id, DealContact.contact_id == contact_id)
    )
    return _rows(conn, query)


def set_open(conn: Connection, account_id: int, deal_id: int, is_open: bool) -> None:
    """Open or close a deal. A closed one keeps its timeline; new threads do not come to it.
    Raises NoSuchDeal."""
    of_deal = (Deal.account_id == account_id) & (Deal.id == deal_id)
    if not conn.execute(update(Deal).where(of_deal).values(open=is_open)).rowcount:
        raise NoSuchDeal


def put_contact(conn: Connection, account_id: int, deal_id: int, contact_id: int) -> None:
    """Add a contact to a deal; twice is once. What was logged before stays where it is. Raises
    NoSuchDeal, NoSuchContact."""
    if deal(conn, account_id, deal_id) is None:
        raise NoSuchDeal
    if contact(conn, account_id, contact_id) is None:
        raise NoSuchContact
    row = {"account_id": account_id, "deal_id": deal_id, "contact_id": contact_id}
    sql.add_missing(conn, DealContact, [row])


def remove_contact(conn: Connection, account_id: int, deal_id: int, contact_id: int) -> None:
    """Take a contact out of a deal; what was logged stays."""
    table = DealContact
    conn.execute(
        delete(table).where(
            table.account_id == account_id,
            table.deal_id == deal_id,
            table.contact_id == contact_id,
        )
    )


def _select(account_id: int) -> Select[int, str, bool, datetime]:
    return select(Deal.id, Deal.name, Deal.open, Deal.created_at).where(
        Deal.account_id == account_id
    )


def _rows(conn: Connection, query: Select[int, str, bool, datetime]) -> list[DealRow]:
    ordered = query.order_by(Deal.open.desc(), Deal.created_at.desc(), Deal.id.desc())
    return [DealRow(*row) for row in conn.execute(ordered)]
