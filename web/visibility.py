"""Who sees which e-mails: one e-mail or thread on its timeline, and what a person wants for the e-mails
of theirs that are logged from now on."""

import re
from urllib.parse import urlsplit

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.model import Visibility
from crm.store import accounts, visibility
from crm.store.visibility import NoTeam, NotYours
from web.parts import parts
from web.people import me

IN_NO_TEAM = "You are in no team yet. An admin puts people into teams."
_SEEN_BY = {
    Visibility.EVERYONE: "Everyone in the company sees {} now.",
    Visibility.TEAM: "Only your team sees {} now.",
    Visibility.OWNER: "Only you see {} now.",
}
_TIMELINE = re.compile(r"/(contacts|companies|deals|emails)/\d{1,10}")


def page() -> str:
    """Who sees what is logged from now on."""
    with parts().database.read() as conn:
        team = accounts.team_name(conn, me().account_id, me().user.team_id)
    return render_template("settings/visibility.html", chosen=me().user.visibility, team=team)


def save() -> Response:
    wanted = _wanted()
    try:
        with parts().database.begin() as conn:
            visibility.set_default(conn, me().viewer, wanted)
    except NoTeam:
        flash(IN_NO_TEAM)
    else:
        flash(_SEEN_BY[wanted].format("your new e-mails").replace(" now.", " from now on."))
    return redirect(url_for("visibility"))


def restrict(email_id: int) -> Response:
    """Decide who sees an e-mail, or all of the person's e-mails in its thread."""
    wanted, whole = _wanted(), "thread" in request.form
    try:
        with parts().database.begin() as conn:
            changed = visibility.restrict(
                conn, me().viewer, email_id, wanted, whole, is_admin=me().is_admin
            )
    except LookupError:
        abort(404)
    except NotYours:
        abort(403)
    except NoTeam:
        flash(IN_NO_TEAM)
    else:
        flash(_SEEN_BY[wanted].format("this e-mail" if changed == 1 else f"{changed} e-mails"))
    return redirect(f"{_back() or url_for('email', email_id=email_id)}#email-{email_id}")


def _wanted() -> Visibility:
    try:
        return Visibility(request.form.get("visibility", ""))
    except ValueError:
        abort(404)


def _back() -> str:
    """The timeline on which the button was pressed; '' where the browser does not say."""
    path = urlsplit(request.referrer or "").path
    return path if _TIMELINE.fullmatch(path) else ""
