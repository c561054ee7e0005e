"""Who may see which logged e-mails (part E of the logging rules), and who may change that.

An e-mail is seen by everyone in the account, by its owner's team as it is now, or by its owner
alone. Nothing else opens it: an admin sees no more than others. Without an owner there is no team
and nobody alone, so what is restricted and has none is seen by nobody; an admin who restricts an
e-mail that has no owner therefore becomes its owner.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from crm.model import Visibility
from crm.store import sql
from crm.tables import Email, User

_DEFAULTS = select(User.id, User.visibility).where(sql.held(User), sql.among(User.id))


class NotYours(Exception):
    """Somebody else decides who may see this e-mail."""


class NoTeam(Exception):
    """Whoever is in no team cannot restrict an e-mail to it."""


class NoOwner(Exception):
    """What nobody owns would be seen by nobody if it were restricted."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever is shown e-mails: a person, or with `sees_all` a program that was given that right.
    Without a person it is shown what everyone may see."""

    account_id: int
    user_id: int | None = None
    team_id: int | None = None
    sees_all: bool = False


def visible(viewer: Viewer, email: Any = Email) -> ColumnElement[bool]:
    """The e-mails of the viewer's account that the viewer may see; `email` may be an alias."""
    held: ColumnElement[bool] = email.account_id == viewer.account_id
    if viewer.sees_all:
        return held
    ways: list[ColumnElement[bool]] = [email.visibility == Visibility.EVERYONE]
    if viewer.user_id is not None:
        ways.append(email.owner_id == viewer.user_id)
    if viewer.team_id is not None:
        mates = select(User.id).where(
            User.account_id == viewer.account_id, User.team_id == viewer.team_id
        )
        ways.append(and_(email.visibility == Visibility.TEAM, email.owner_id.in_(mates)))
    return and_(held, or_(*ways))


def may_see(conn: Connection, viewer: Viewer, email_ids: Collection[int]) -> frozenset[int]:
    """Those of the e-mails that the viewer may see."""
    found: set[int] = set()
    for some in sql.chunks(email_ids):
        found.update(conn.scalars(select(Email.id).where(visible(viewer), Email.id.in_(some))))
    return frozenset(found)


def defaults(
    conn: Connection, account_id: int, user_ids: Collection[int | None]
) -> dict[int | None, str]:
    """Who may see what is logged from now on, by owner; everyone where there is none."""
    found: dict[int | None, str] = dict.fromkeys(user_ids, Visibility.EVERYONE.value)
    for some in sql.chunks(each for each in user_ids if each is not None):
        rows = conn.execute(_DEFAULTS, {"account": account_id, "some": some})
        found.update((user_id, visibility) for user_id, visibility in rows)
    return found


def set_default(conn: Connection, viewer: Viewer, to: Visibility) -> None:
    """Decide for the viewer's own e-mails that are logged from now on. Raises NoTeam."""
    _check_team(viewer, to)
    conn.execute(
        update(User)
        .where(User.account_id == viewer.account_id, User.id == viewer.user_id)
        .values(visibility=to)
    )


def restrict(
    conn: Connection,
    viewer: Viewer,
    email_id: int,
    to: Visibility,
    whole_thread: bool = False,
    is_admin: bool = False,
) -> int:
    """Decide who may see an e-mail, and with `whole_thread` all of its thread that the viewer may
    decide about; gives how many. Raises LookupError, NotYours, NoTeam."""
    _check_team(viewer, to)
    query = select(Email.thread_id, Email.owner_id).where(visible(viewer), Email.id == email_id)
    found = conn.execute(query).first()
    if found is None:
        raise LookupError(email_id)
    if found.owner_id != viewer.user_id and not (is_admin and found.owner_id is None):
        raise NotYours
    owned = Email.owner_id == viewer.user_id
    changed = conn.execute(
        update(Email)
        .where(
            Email.account_id == viewer.account_id,
            Email.thread_id == found.thread_id if whole_thread else Email.id == email_id,
            or_(owned, Email.owner_id.is_(None)) if is_admin else owned,
            visible(viewer),
        )
        .values(visibility=to, owner_id=_owner_after(viewer, to))
    )
    return changed.rowcount


def restrict_for_owner(conn: Connection, viewer: Viewer, email_id: int, to: Visibility) -> None:
    """A program decides who may see an e-mail of somebody's that it may see itself. Raises
    LookupError, NoOwner, NoTeam."""
    held = (Email.account_id == viewer.account_id, Email.id == email_id)
    query = (
        select(Email.owner_id, User.team_id)
        .outerjoin(User, and_(User.id == Email.owner_id, User.account_id == viewer.account_id))
        .where(visible(viewer), *held)
    )
    found = conn.execute(query).first()
    if found is None:
        raise LookupError(email_id)
    if to is not Visibility.EVERYONE and found.owner_id is None:
        raise NoOwner
    if to is Visibility.TEAM and found.team_id is None:
        raise NoTeam
    conn.execute(update(Email).where(*held).values(visibility=to))


def _owner_after(viewer: Viewer, to: Visibility) -> Any:
    if to is Visibility.EVERYONE:
        return Email.owner_id
    return func.coalesce(Email.owner_id, viewer.user_id)


def _check_team(viewer: Viewer, to: Visibility) -> None:
    if to is Visibility.TEAM and viewer.team_id is None:
        raise NoTeam
