"""Accounts, their people and their domains."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from os import urandom

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from crm.addresses import normalise
from crm.database import alone
from crm.store import sql
from crm.tables import Account, AccountDomain, Team
from crm.tables import User as UserTable
from infra.secrets import Secrets, digest

_DIGEST_KEY = select(Account.digest_key, Account.tells_refused).where(
    Account.id == bindparam("account")
)
_DOMAINS = select(AccountDomain.domain).where(sql.held(AccountDomain))


@dataclass(frozen=True, slots=True)
class User:
    id: int
    account_id: int
    address: str
    name: str
    role: str
    password_hash: str
    active: bool
    team_id: int | None
    visibility: str  # of the e-mails of theirs that are logged from now on


class Digests:
    """Keyed digests of one account: equal Message-IDs can be found, none can be read back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, text: str) -> str:
        return digest(self._key, text)


def account(conn: Connection) -> int | None:
    """The id of the installation's account, None before anybody was added."""
    return conn.scalar(select(Account.id).order_by(Account.id).limit(1))


def ensure_account(conn: Connection, name: str, secrets: Secrets, now: datetime) -> int:
    """The id of the installation's account; it is made when there is none."""
    alone(conn, 0)
    found = account(conn)
    if found is not None:
        return found
    values = {"name": name, "digest_key": secrets.encrypt(urandom(32)), "created_at": now}
    made: int = conn.execute(insert(Account).values(values).returning(Account.id)).scalar_one()
    return made


def digests(conn: Connection, account_id: int, secrets: Secrets) -> Digests:
    """The account's digests. The key is decrypted once a process. Raises infra.secrets.WrongKey."""
    return for_settling(conn, account_id, secrets).digests


@dataclass(frozen=True, slots=True)
class ForSettling:
    """What every batch of mail needs of its account, in one query. `tells_refused`: a program wants
    to hear of refused messages."""

    digests: Digests
    tells_refused: bool


def for_settling(conn: Connection, account_id: int, secrets: Secrets) -> ForSettling:
    """Raises infra.secrets.WrongKey."""
    stored, tells_refused = conn.execute(_DIGEST_KEY, {"account": account_id}).one()
    return ForSettling(_digests(secrets, stored), tells_refused)


@lru_cache(maxsize=256)
def _digests(secrets: Secrets, stored: bytes) -> Digests:
    return Digests(secrets.decrypt(stored))


def add_user(conn: Connection, account_id: int, user: "NewUser", now: datetime) -> int:
    """Add a person; an address that is there already (in any account) raises `AddressTaken`."""
    values = {
        "account_id": account_id,
        "address": normalise(user.address),
        "name": user.name,
        "role": user.role,
        "password_hash": user.password_hash,
        "active": True,
        "created_at": now,
    }
    statement = sql.insert(conn, UserTable).values(values).on_conflict_do_nothing()
    made = conn.execute(statement.returning(UserTable.id)).scalar()
    if made is None:
        raise AddressTaken
    return int(made)


@dataclass(frozen=True, slots=True)
class NewUser:
    address: str
    name: str = ""
    role: str = "member"
    password_hash: str = ""


class AddressTaken(Exception):
    """Somebody has this address already."""


_USER = (
    UserTable.id,
    UserTable.account_id,
    UserTable.address,
    UserTable.name,
    UserTable.role,
    UserTable.password_hash,
    UserTable.active,
    UserTable.team_id,
    UserTable.visibility,
)


def user_by_address(conn: Connection, address: str) -> User | None:
    """Whoever signs in with `address`: it is unique over all accounts."""
    query = select(*_USER).where(UserTable.address == normalise(address))
    row = conn.execute(
        query.execution_options(all_accounts="who signs in is known by address only")
    ).first()
    return User(*row) if row else None


def user(conn: Connection, account_id: int, user_id: int) -> User | None:
    query = select(*_USER).where(UserTable.account_id == account_id, UserTable.id == user_id)
    row = conn.execute(query).first()
    return User(*row) if row else None


def users(conn: Connection, account_id: int) -> list[User]:
    """Everybody in the account, by address."""
    query = select(*_USER).where(UserTable.account_id == account_id).order_by(UserTable.address)
    return [User(*row) for row in conn.execute(query)]


def team_name(conn: Connection, account_id: int, team_id: int | None) -> str:
    """The name of a team, '' for none."""
    query = select(Team.name).where(Team.account_id == account_id, Team.id == team_id)
    return conn.scalar(query) or ""


def set_password(conn: Connection, account_id: int, user_id: int, password_hash: str) -> None:
    conn.execute(
        update(UserTable)
        .where(UserTable.account_id == account_id, UserTable.id == user_id)
        .values(password_hash=password_hash)
    )


def domains(conn: Connection, account_id: int) -> frozenset[str]:
    """The domains of the company's own people (rule `internal`)."""
    return frozenset(conn.scalars(_DOMAINS, {"account": account_id}))


def add_domain(conn: Connection, account_id: int, domain: str) -> None:
    row = {"account_id": account_id, "domain": domain.strip().lower()}
    sql.add_missing(conn, AccountDomain, [row])


def set_domains(conn: Connection, account_id: int, domains: Collection[str]) -> None:
    """Make these the company's own domains, instead of any others."""
    conn.execute(delete(AccountDomain).where(AccountDomain.account_id == account_id))
    rows = [{"account_id": account_id, "domain": each} for each in sorted(domains)]
    sql.add_missing(conn, AccountDomain, rows)


def remove_domain(conn: Connection, account_id: int, domain: str) -> None:
    conn.execute(
        delete(AccountDomain).where(
            AccountDomain.account_id == account_id, AccountDomain.domain == domain
        )
    )
