"""Settings of the logging rules: switches, folders, attachments, the company's own domains."""

from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.never_log_input import NotAnEntry, read_domain
from crm.settings_input import OWN_DOMAINS, shown
from crm.store import accounts, previews
from crm.store import settings as account_settings
from crm.store.previews import Preview
from web import settings_forms as forms
from web import settings_words as words
from web.parts import parts
from web.people import admin_only, me

FOLDERS = ("followed_folders",)
ATTACHMENTS = ("log_attachments", "attachment_limit")
WRONG = 422


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as the page shows it; `more` is how many refused messages may be looked at again."""

    name: str
    title: str
    about: str
    on: bool
    preview: str
    more: int


def show() -> str:
    return _page()


def turn(name: str) -> Response:
    """Turn a switch over, to what the form says."""
    admin_only()
    known = words.SWITCHES.get(name)
    if known is None:
        abort(404)
    on = request.form.get("on") == "yes"
    look_again = name if "again" in request.form else ""
    forms.store(me().account_id, {name: on}, look_again)
    more = " What was refused is being looked at again." if look_again else ""
    return _back(f"“{known.title}” is {'on' if on else 'off'} from now on.{more}")


def save_folders() -> Response | tuple[str, int]:
    return _save(FOLDERS, "Saved. The folders are being looked for.")


def save_attachments() -> Response | tuple[str, int]:
    return _save(ATTACHMENTS, "Saved.")


def add_domain() -> Response | tuple[str, int]:
    admin_only()
    text = request.form.get("domain", "")
    try:
        wanted = read_domain(text)
    except NotAnEntry as error:
        return _page({"domain": str(error)}, {"domain": text}), WRONG
    with parts().database.read() as conn:
        known = accounts.domains(conn, me().account_id)
    change = forms.read({OWN_DOMAINS: sorted(known | {wanted})})
    if change.errors:
        return _page({"domain": change.errors[OWN_DOMAINS]}, {"domain": text}), WRONG
    with parts().database.begin() as conn:
        accounts.add_domain(conn, me().account_id, wanted)
    return _back(f"Mail among people of {wanted} is not logged from now on.")


def remove_domain() -> Response:
    admin_only()
    with parts().database.begin() as conn:
        accounts.remove_domain(conn, me().account_id, request.form.get("domain", ""))
    return _back("The domain was removed.")


def _save(names: tuple[str, ...], said: str) -> Response | tuple[str, int]:
    admin_only()
    given = forms.typed(names)
    change = forms.read(given)
    if change.errors:
        return _page(change.errors, given), WRONG
    forms.store(me().account_id, change.values)
    return _back(said)


def _page(errors: dict[str, str] | None = None, given: dict[str, Any] | None = None) -> str:
    account = me().account_id
    with parts().database.read() as conn:
        settings = account_settings.settings_of(conn, account)
        domains = accounts.domains(conn, account)
        found = previews.switches(conn, account, parts().clock())
    values = shown(settings, domains)
    return render_template(
        "settings/logging.html",
        switches=[_switch(name, values[name], found) for name in words.SWITCHES],
        values=values | (given or {}),
        domains=sorted(domains),
        errors=errors or {},
    )


def _switch(name: str, on: bool, found: dict[str, Preview]) -> Switch:
    about, counts = words.SWITCHES[name], found.get(name, Preview())
    said = words.preview(name, on, counts)
    return Switch(name, about.title, about.about, on, said, counts.more)


def _back(text: str) -> Response:
    flash(text)
    return redirect(url_for("settings_logging"))
