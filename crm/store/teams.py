"""Teams, and what an admin decides about people: their team, their role, whether they may sign in."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from crm.database import alone
from crm.store import sql
from crm.tables import Team, User

ROLES = ("member", "admin", "super-admin")
ADMINS = ("admin", "super-admin")


class NameTaken(ValueError):
    """Another team has this name."""


class LastAdmin(Exception):
    """Nobody would be left who can change this again."""


@dataclass(frozen=True, slots=True)
class TeamRow:
    """A team; `people` is how many are in it."""

    id: int
    name: str
    people: int


def teams(conn: Connection, account_id: int) -> list[TeamRow]:
    """The account's teams, by name."""
    query = (
        select(Team.id, Team.name, func.count(User.id))
        .outerjoin(User, (User.team_id == Team.id) & (User.account_id == account_id))
        .where(Team.account_id == account_id)
        .group_by(Team.id, Team.name)
        .order_by(func.lower(Team.name), Team.id)
    )
    return [TeamRow(*row) for row in conn.execute(query)]


def add_team(conn: Connection, account_id: int, name: str) -> int:
    """Raises NameTaken."""
    values = {"account_id": account_id, "name": name.strip()}
    statement = sql.insert(conn, Team).values(values).on_conflict_do_nothing()
    made = conn.execute(statement.returning(Team.id)).scalar()
    if made is None:
        raise NameTaken(name)
    return int(made)


def remove_team(conn: Connection, account_id: int, team_id: int) -> None:
    """Its people are in no team then: what is restricted to the team is seen by its owners alone."""
    conn.execute(delete(Team).where(Team.account_id == account_id, Team.id == team_id))


def set_team(conn: Connection, account_id: int, user_id: int, team_id: int | None) -> None:
    """Put a person into a team, or (None) into none. Raises LookupError for a team that is not there."""
    if team_id is not None:
        query = select(Team.id).where(Team.account_id == account_id, Team.id == team_id)
        if conn.scalar(query) is None:
            raise LookupError("no such team")
    _change(conn, account_id, user_id, {"team_id": team_id})


def set_role(conn: Connection, account_id: int, user_id: int, role: str) -> None:
    """Raises ValueError for a role that is not there, LastAdmin."""
    if role not in ROLES:
        raise ValueError(role)
    _keep_an_admin(conn, account_id, user_id, role in ADMINS)
    _change(conn, account_id, user_id, {"role": role})


def set_active(conn: Connection, account_id: int, user_id: int, active: bool) -> None:
    """Whether a person may sign in. What they own stays theirs. Raises LastAdmin."""
    _keep_an_admin(conn, account_id, user_id, active)
    _change(conn, account_id, user_id, {"active": active})


def _keep_an_admin(conn: Connection, account_id: int, user_id: int, remains: bool) -> None:
    if remains:
        return
    alone(conn, account_id)
    others = select(User.id).where(
        User.account_id == account_id, User.active, User.role.in_(ADMINS), User.id != user_id
    )
    if conn.scalar(others.limit(1)) is None:
        raise LastAdmin


def _change(conn: Connection, account_id: int, user_id: int, values: dict[str, Any]) -> None:
    conn.execute(
        update(User).where(User.account_id == account_id, User.id == user_id).values(values)
    )
