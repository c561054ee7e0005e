"""Settings → API keys, for admins: the programs that use the REST API, and what each may do.

The scope `restricted` is given on the server alone: an admin sees no more e-mails than others.
"""

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.model import USUAL_SCOPES, Scope
from crm.store import api_keys
from crm.store.api_keys import NameTaken
from web.parts import parts
from web.people import admin_only, me

LONGEST_NAME = 100
WRONG = 422
SCOPES = {  # in the order of the page
    Scope.READ: "See contacts, timelines, e-mails and their attachments, mailboxes.",
    Scope.WRITE: "Add, change, merge and remove contacts; hide e-mails.",
    Scope.JOURNAL: "See what was not logged, from whom and why.",
    Scope.SETTINGS: "Change what is logged, Never Log lists and outgoing webhooks.",
}


def listing() -> str:
    admin_only()
    return _page()


def add() -> str | tuple[str, int]:
    """Make a key. The answer shows it: it can not be read again."""
    admin_only()
    here, name = parts(), " ".join(request.form.get("name", "").split())
    scopes = {each for each in SCOPES if each.value in request.form.getlist("scopes")}
    errors = {} if scopes else {"scopes": "Choose at least one thing that it may do."}
    if not name or len(name) > LONGEST_NAME:
        errors["name"] = f"A key needs a name of at most {LONGEST_NAME} characters."
    if not errors:
        try:
            with here.database.begin() as conn:
                key = api_keys.add_key(conn, me().account_id, name, scopes, here.clock())
            return _page(key=key, named=name)
        except NameTaken:
            errors["name"] = "There is a key of this name already."
    return _page(errors=errors, name=name, chosen=scopes), WRONG


def remove() -> Response:
    """From now on the key opens nothing."""
    admin_only()
    name = request.form.get("name", "")
    with parts().database.begin() as conn:
        if not api_keys.remove_key(conn, me().account_id, name):
            abort(404)
    flash(f"The key “{name}” was removed.")
    return redirect(url_for("api_keys"))


def _page(**more: object) -> str:
    with parts().database.read() as conn:
        rows = api_keys.keys(conn, me().account_id)
    about = {"errors": {}, "name": "", "chosen": USUAL_SCOPES, "key": "", "named": ""}
    return render_template("settings/keys.html", rows=rows, all_scopes=SCOPES, **about | more)
