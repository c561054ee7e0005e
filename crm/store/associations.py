"""The companies and deals on whose timelines a thread appears (part B of the logging rules).

They hang on the e-mails that brought them, not on the thread: a thread may become part of another
one (`crm.store.threads`), and its companies and deals come along.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, or_, select

from crm.model import Direction
from crm.store import sql
from crm.tables import Contact, Deal, DealContact, Email, EmailAssociation, Thread

NEWEST_DEALS = 5


def associate(conn: Connection, account_id: int, emails: Mapping[int, Collection[int]]) -> None:
    """Associate e-mails, given with their contacts, with each such contact's primary company and
    five newest open deals, as they are now. For roots and sent e-mails: a reply appears where its
    thread does."""
    contact_ids = sorted({each for of in emails.values() for each in of})
    companies = _companies(conn, account_id, contact_ids)
    deals = _newest_open_deals(conn, account_id, contact_ids)
    pairs = [(email, each) for email, of in sorted(emails.items()) for each in sorted(of)]
    of_companies = {(email, companies[each]) for email, each in pairs if each in companies}
    of_deals = {(email, deal) for email, each in pairs for deal in deals.get(each, ())}
    rows = [
        {"account_id": account_id, "email_id": email, "company_id": company, "deal_id": None}
        for email, company in sorted(of_companies)
    ]
    rows += [
        {"account_id": account_id, "email_id": email, "company_id": None, "deal_id": deal}
        for email, deal in sorted(of_deals)
    ]
    sql.add_missing(conn, EmailAssociation, rows)


def threads_of_company(account_id: int, company_id: int) -> ScalarSelect[int]:
    """Ids of the threads on a company's timeline."""
    return _threads(account_id, EmailAssociation.company_id == company_id)


def threads_of_deal(account_id: int, deal_id: int) -> ScalarSelect[int]:
    """Ids of the threads on a deal's timeline."""
    return _threads(account_id, EmailAssociation.deal_id == deal_id)


def _threads(account_id: int, which: ColumnElement[bool]) -> ScalarSelect[int]:
    """An e-mail that was a root when it was logged, and is none since a nearer e-mail came late,
    no longer counts: the order in which they came must not be seen."""
    counts = or_(Email.direction == Direction.OUTGOING, Email.identity == Thread.root_identity)
    return (
        select(Email.thread_id)
        .join(EmailAssociation, EmailAssociation.email_id == Email.id)
        .join(Thread, Thread.id == Email.thread_id)
        .where(
            Email.account_id == account_id,
            EmailAssociation.account_id == account_id,
            Thread.account_id == account_id,
            counts,
            which,
        )
        .scalar_subquery()
    )


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
