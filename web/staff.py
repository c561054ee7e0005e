"""People and teams of the company, for admins: roles, who is in which team, who may sign in."""

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.store import accounts, teams
from crm.store.accounts import User
from crm.store.teams import LastAdmin, NameTaken
from web.parts import parts
from web.people import admin_only, me

LONGEST_NAME = 100
ROLES = {"member": "Member", "admin": "Admin", "super-admin": "Super admin"}
ONE_ADMIN = "Somebody must stay an admin who can sign in."


def page() -> str:
    admin_only()
    with parts().database.read() as conn:
        people = accounts.users(conn, me().account_id)
        found = teams.teams(conn, me().account_id)
    return render_template("settings/people.html", people=people, teams=found, roles=ROLES)


def change(user_id: int) -> Response:
    """A person's role and team."""
    user = _user(user_id)
    role, team_id = request.form.get("role", ""), request.form.get("team", 0, type=int) or None
    try:
        with parts().database.begin() as conn:
            teams.set_role(conn, me().account_id, user_id, role)
            teams.set_team(conn, me().account_id, user_id, team_id)
    except LastAdmin:
        return _back(ONE_ADMIN)
    except (ValueError, LookupError):
        abort(404)
    return _back(f"{user.name or user.address} was changed.")


def set_active(user_id: int) -> Response:
    """Let a person sign in again, or no longer."""
    user, active = _user(user_id), request.form.get("active") == "yes"
    if user_id == me().id:
        abort(404)  # nobody shuts themselves out
    try:
        with parts().database.begin() as conn:
            teams.set_active(conn, me().account_id, user_id, active)
    except LastAdmin:
        return _back(ONE_ADMIN)
    name = user.name or user.address
    return _back(f"{name} can sign in {'again' if active else 'no longer'}.")


def add_team() -> Response:
    admin_only()
    name = " ".join(request.form.get("name", "").split())
    if not name or len(name) > LONGEST_NAME:
        return _back("A team needs a name of at most 100 characters.")
    try:
        with parts().database.begin() as conn:
            teams.add_team(conn, me().account_id, name)
    except NameTaken:
        return _back(f"There is a team “{name}” already.")
    return _back(f"Team {name} was added.")


def remove_team(team_id: int) -> Response:
    admin_only()
    with parts().database.begin() as conn:
        if not any(each.id == team_id for each in teams.teams(conn, me().account_id)):
            abort(404)
        teams.remove_team(conn, me().account_id, team_id)
    return _back("The team was removed. Its people are in no team now.")


def _user(user_id: int) -> User:
    admin_only()
    with parts().database.read() as conn:
        found = accounts.user(conn, me().account_id, user_id)
    return found or abort(404)


def _back(text: str) -> Response:
    flash(text)
    return redirect(url_for("staff"))
