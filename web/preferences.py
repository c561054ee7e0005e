"""Settings: Never Log lists, the company's own domains, the log label and the BCC address."""

import re

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.addresses import normalise
from crm.store import accounts, never_log
from crm.store import settings as account_settings
from web.parts import parts
from web.people import admin_only, me

LONGEST_LABEL = 100
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]+")


def page() -> str:
    account = me().account_id
    with parts().database.read() as conn:
        entries = never_log.rows(conn, account, me().id)
        domains = sorted(accounts.domains(conn, account))
        settings = account_settings.settings_of(conn, account)
    return render_template(
        "settings.html",
        own=[each for each in entries if each.user_id is not None],
        shared=[each for each in entries if each.user_id is None],
        domains=domains,
        settings=settings,
    )


def add_never_log(whose: str) -> Response:
    entry = _entry(request.form.get("entry", ""))
    if not entry:
        return _back(
            "That is neither an address nor a domain. Examples: bob@example.com, example.com."
        )
    with parts().database.begin() as conn:
        never_log.add(conn, me().account_id, _list_of(whose), [entry], parts().clock())
    return _back(f"Mail from {entry} is not logged from now on.")


def remove_never_log(whose: str, entry_id: int) -> Response:
    with parts().database.begin() as conn:
        never_log.remove(conn, me().account_id, _list_of(whose), entry_id)
    return _back("The entry was removed.")


def add_domain() -> Response:
    admin_only()
    domain = _domain(request.form.get("domain", ""))
    if not domain:
        return _back("That is not a domain. One looks like example.com.")
    with parts().database.begin() as conn:
        accounts.add_domain(conn, me().account_id, domain)
    return _back(f"Mail among people of {domain} is not logged from now on.")


def remove_domain() -> Response:
    admin_only()
    with parts().database.begin() as conn:
        accounts.remove_domain(conn, me().account_id, request.form.get("domain", ""))
    return _back("The domain was removed.")


def save() -> Response:
    """Store the log label and the BCC address."""
    admin_only()
    label = " ".join(request.form.get("log_label", "").split())
    typed = request.form.get("bcc_address", "").strip()
    bcc = normalise(typed)
    if not label or len(label) > LONGEST_LABEL:
        return _back("The label needs a name of at most 100 characters.")
    if typed and not bcc:
        return _back("The BCC address is not an e-mail address.")
    with parts().database.begin() as conn:
        account_settings.set_setting(conn, me().account_id, "log_label", label)
        account_settings.set_setting(conn, me().account_id, "bcc_address", bcc)
    return _back("Saved.")


def _list_of(whose: str) -> int | None:
    """The user whose list is meant; None for the company's, which admins alone change."""
    if whose == "own":
        return me().id
    if whose != "account":
        abort(404)
    admin_only()
    return None


def _entry(text: str) -> str:
    """A Never Log entry in its stored form, '' when it is none."""
    text = text.strip().lower()
    for start in ("*@", "*."):
        if text.startswith(start):
            domain = _domain(text.removeprefix(start))
            return start + domain if domain else ""
    return normalise(text) or _domain(text)


def _domain(text: str) -> str:
    domain = normalise(f"someone@{text.strip().rstrip('.')}").rpartition("@")[2]
    return domain if _DOMAIN.fullmatch(domain) else ""


def _back(text: str) -> Response:
    flash(text)
    return redirect(url_for("preferences"))
