"""The companies and deals on whose timelines a thread appears (part B of the logging rules)."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, func, select

from crm.store import sql
from crm.tables import Contact, Deal, DealContact, ThreadAssociation

NEWEST_DEALS = 5


def associate(conn: Connection, account_id: int, roots: Mapping[int, Collection[int]]) -> None:
    """Associate threads, given as the contacts of their roots by thread id, with each such contact's
    primary company and five newest open deals, as they are now."""
    contact_ids = sorted({each for of in roots.values() for each in of})
    companies = _companies(conn, account_id, contact_ids)
    deals = _newest_open_deals(conn, account_id, contact_ids)
    pairs = [(thread, each) for thread, of in sorted(roots.items()) for each in sorted(of)]
    of_companies = {(thread, companies[each]) for thread, each in pairs if each in companies}
    of_deals = {(thread, deal) for thread, each in pairs for deal in deals.get(each, ())}
    rows = [
        {"account_id": account_id, "thread_id": thread, "company_id": company, "deal_id": None}
        for thread, company in sorted(of_companies)
    ]
    rows += [
        {"account_id": account_id, "thread_id": thread, "company_id": None, "deal_id": deal}
        for thread, deal in sorted(of_deals)
    ]
    sql.add_missing(conn, ThreadAssociation, rows)


def _companies(conn: Connection, account_id: int, contact_ids: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in sql.chunks(contact_ids):
        query = select(Contact.id, Contact.company_id).where(
            Contact.account_id == account_id,
            Contact.id.in_(some),
            Contact.company_id.is_not(None),
        )
        found.update((contact, company) for contact, company in conn.execute(query) if company)
    return found


def _newest_open_deals(
    conn: Connection, account_id: int, contact_ids: list[int]
) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for some in sql.chunks(contact_ids):
        newest = func.row_number().over(
            partition_by=DealContact.contact_id, order_by=(Deal.created_at.desc(), Deal.id.desc())
        )
        ranked = (
            select(DealContact.contact_id, DealContact.deal_id, newest.label("rank"))
            .join(Deal, Deal.id == DealContact.deal_id)
            .where(
                DealContact.account_id == account_id,
                Deal.account_id == account_id,
                Deal.open,
                DealContact.contact_id.in_(some),
            )
            .subquery()
        )
        query = select(ranked.c.contact_id, ranked.c.deal_id).where(ranked.c.rank <= NEWEST_DEALS)
        for contact_id, deal_id in conn.execute(query):
            found.setdefault(contact_id, []).append(deal_id)
    return found
