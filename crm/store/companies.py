"""Companies: a contact has one, its primary company, on whose timeline the contact's threads stand."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, or_, select

from crm.database import alone
from crm.store import sql
from crm.tables import Company, Contact


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """`domain`: who becomes a contact with an address there is the company's; None for no domain."""

    id: int
    name: str
    domain: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A company in a list, with the number of its contacts."""

    company: CompanyRow
    contacts: int


def ensure(conn: Connection, account_id: int, name: str, domain: str = "") -> int:
    """Id of the company with this domain, else (without a domain) with this name; made where there
    is none."""
    domain = domain.strip().lower()
    alone(conn, account_id)
    wanted = Company.domain == domain if domain else Company.name == name.strip()
    query = select(Company.id).where(Company.account_id == account_id, wanted).order_by(Company.id)
    found = conn.scalar(query.limit(1))
    if found is not None:
        return found
    values = {"account_id": account_id, "name": name.strip() or domain, "domain": domain or None}
    made: int = conn.execute(insert(Company).values(values).returning(Company.id)).scalar_one()
    return made


def company(conn: Connection, account_id: int, company_id: int) -> CompanyRow | None:
    return by_id(conn, account_id, [company_id]).get(company_id)


def by_id(conn: Connection, account_id: int, company_ids: Collection[int]) -> dict[int, CompanyRow]:
    """These companies, by id."""
    found: dict[int, CompanyRow] = {}
    for some in sql.chunks(company_ids):
        query = select(Company.id, Company.name, Company.domain).where(
            Company.account_id == account_id, Company.id.in_(some)
        )
        found.update((row.id, CompanyRow(*row)) for row in conn.execute(query))
    return found


def listing(
    conn: Connection, account_id: int, search: str = "", offset: int = 0, limit: int = 50
) -> list[Listed]:
    """Companies by name; `search` is a part of the name or of the domain."""
    number = (
        select(func.count(Contact.id))
        .where(Contact.account_id == account_id, Contact.company_id == Company.id)
        .correlate(Company)
        .scalar_subquery()
    )
    query = select(Company.id, Company.name, Company.domain, number).where(
        Company.account_id == account_id
    )
    if text := search.replace("\0", "").strip().lower():  # PostgreSQL knows no NUL
        query = query.where(
            or_(
                func.lower(Company.name).contains(text, autoescape=True),
                Company.domain.contains(text, autoescape=True),
            )
        )
    query = query.order_by(func.lower(Company.name), Company.id).offset(offset).limit(limit)
    return [Listed(CompanyRow(*row[:3]), row[3]) for row in conn.execute(query)]
