"""Settings of how people log mail: label, BCC and forwarding address, logging address, team mail."""

from typing import Any

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm.settings_input import shown
from crm.store import settings as account_settings
from web import settings_forms as forms
from web.parts import parts
from web.people import admin_only, me

SENDING = ("log_label", "bcc_address", "forwarding_address")
SERVERS = ("trusted_authserv_ids",)
TEAM = ("team_allow", "team_deny")
WRONG = 422


def show() -> str:
    return _page()


def save() -> Response | tuple[str, int]:
    return _save(SENDING)


def save_servers() -> Response | tuple[str, int]:
    return _save(SERVERS)


def save_team() -> Response | tuple[str, int]:
    return _save(TEAM)


def _save(names: tuple[str, ...]) -> Response | tuple[str, int]:
    admin_only()
    given = forms.typed(names)
    change = forms.read(given)
    if change.errors:
        return _page(change.errors, given), WRONG
    forms.store(me().account_id, change.values)
    flash("Saved.")
    return redirect(url_for("settings_connection"))


def _page(errors: dict[str, str] | None = None, given: dict[str, Any] | None = None) -> str:
    with parts().database.read() as conn:
        settings = account_settings.settings_of(conn, me().account_id)
    values = shown(settings, frozenset()) | (given or {})
    return render_template(
        "settings/connection.html", settings=settings, values=values, errors=errors or {}
    )
