"""Many contacts at once: a few statements for hundreds of rows, safe to repeat."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from crm.contact_file import BadRow, FileRow
from crm.database import alone
from crm.store import again, sql
from crm.store.context import contacts_of
from crm.store.people import tell_created
from crm.tables import Company, Contact, ContactAddress

OF_TWO = "its addresses belong to different contacts"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of some rows; `woken` are the mailboxes to ring, because messages of theirs that
    were refused for an unknown sender are judged again."""

    added: int
    completed: int  # known contacts that got an address, a name or a company
    unchanged: int
    refused: tuple[BadRow, ...]
    woken: frozenset[int]


@dataclass(slots=True, eq=False)
class _Draft:
    """A contact as it will be. `id` None: new."""

    id: int | None
    name: str
    company: str  # '' for none, or for one that needs no change
    has_company: bool = False
    renamed: bool = False
    addresses: list[str] = field(default_factory=list)  # new ones

    @property
    def changed(self) -> bool:
        return bool(self.renamed or self.company or self.addresses)


def store(conn: Connection, account_id: int, rows: Sequence[FileRow], now: datetime) -> Imported:
    """Add the contacts of `rows`, in order. A row with an address that a contact has gives it the
    other addresses, and name and company where it has none; never takes anything away."""
    alone(conn, account_id)
    drafts = _known(conn, account_id, rows)
    touched: dict[_Draft, None] = {}
    refused: list[BadRow] = []
    for row in rows:
        owners = list(dict.fromkeys(drafts[each] for each in row.addresses if each in drafts))
        if len(owners) > 1:
            refused.append(BadRow(row.line, OF_TWO))
            continue
        draft = owners[0] if owners else _Draft(None, "", "")
        _complete(draft, row, drafts)
        touched[draft] = None
    return _write(conn, account_id, list(touched), tuple(refused), now)


def _complete(draft: _Draft, row: FileRow, drafts: dict[str, _Draft]) -> None:
    if not draft.name and row.name:
        draft.name, draft.renamed = row.name, True
    if not draft.has_company and row.company:
        draft.company, draft.has_company = row.company, True
    for address in row.addresses:
        if address not in drafts:
            drafts[address] = draft
            draft.addresses.append(address)


def _known(conn: Connection, account_id: int, rows: Iterable[FileRow]) -> dict[str, _Draft]:
    """The contacts that have an address of `rows`, by address."""
    owners = contacts_of(conn, account_id, [each for row in rows for each in row.addresses])
    found: dict[int, _Draft] = {}
    for some in sql.chunks(owners.values()):
        query = select(Contact.id, Contact.name, Contact.company_id).where(
            Contact.account_id == account_id, Contact.id.in_(some)
        )
        for contact_id, name, company_id in conn.execute(query):
            found[contact_id] = _Draft(contact_id, name, "", has_company=company_id is not None)
    return {address: found[contact_id] for address, contact_id in owners.items()}


def _write(
    conn: Connection,
    account_id: int,
    drafts: Sequence[_Draft],
    refused: tuple[BadRow, ...],
    now: datetime,
) -> Imported:
    fresh = [each for each in drafts if each.id is None]
    completed = [each for each in drafts if each.id is not None and each.changed]
    companies = _companies(conn, account_id, {each.company for each in drafts if each.company})
    _change(conn, account_id, completed, companies)
    _add(conn, account_id, fresh, companies, now)
    rows = [
        {"account_id": account_id, "contact_id": each.id, "address": address}
        for each in drafts
        for address in each.addresses
    ]
    sql.add_missing(conn, ContactAddress, rows)
    new = [str(row["address"]) for row in rows]
    touched = again.after_new_addresses(conn, account_id, new, now) if new else set()
    woken = again.wake(conn, account_id, touched, now)
    unchanged = len(drafts) - len(fresh) - len(completed)
    return Imported(len(fresh), len(completed), unchanged, refused, frozenset(woken))


def _add(
    conn: Connection,
    account_id: int,
    drafts: Sequence[_Draft],
    companies: dict[str, int],
    now: datetime,
) -> None:
    if not drafts:
        return
    rows = [
        {
            "account_id": account_id,
            "name": each.name,
            "company_id": companies.get(each.company),
            "created_at": now,
        }
        for each in drafts
    ]
    statement = insert(Contact).returning(Contact.id, sort_by_parameter_order=True)
    for draft, made in zip(drafts, conn.execute(statement, rows).scalars(), strict=True):
        draft.id = made
    tell_created(conn, account_id, [each.id for each in drafts if each.id is not None], now)


def _change(
    conn: Connection, account_id: int, drafts: Sequence[_Draft], companies: dict[str, int]
) -> None:
    names = [{"which": each.id, "new": each.name} for each in drafts if each.renamed]
    of = [{"which": each.id, "new": companies[each.company]} for each in drafts if each.company]
    one = update(Contact).where(Contact.account_id == account_id, Contact.id == bindparam("which"))
    if names:
        conn.execute(one.values(name=bindparam("new")), names)
    if of:
        conn.execute(one.values(company_id=bindparam("new")), of)


def _companies(conn: Connection, account_id: int, names: Collection[str]) -> dict[str, int]:
    """Ids of the companies with these names, made where there is none."""
    found: dict[str, int] = {}
    for some in sql.chunks(sorted(names)):
        query = (
            select(Company.name, Company.id)
            .where(Company.account_id == account_id, Company.name.in_(some))
            .order_by(Company.id.desc())
        )
        found.update((name, company_id) for name, company_id in conn.execute(query))
    missing = sorted(set(names) - found.keys())
    if missing:
        rows = [{"account_id": account_id, "name": name, "domain": None} for name in missing]
        statement = insert(Company).returning(Company.name, Company.id)
        found.update((name, made) for name, made in conn.execute(statement, rows))
    return found
