"""The pages a person sees while signing in at the pretend Microsoft."""

from collections.abc import Sequence

import flask

from sandbox.microsoft.entra_errors import EntraError

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>body{font:16px system-ui,sans-serif;background:#f2f2f2;margin:0}
main{background:#fff;max-width:26rem;margin:4rem auto;padding:2.5rem;box-shadow:0 2px 6px #0003}
h1{font-size:1.4rem;font-weight:600}small{color:#555}button{font:inherit;padding:.4rem 1.6rem;border:0}
button[value=accept]{background:#0067b8;color:#fff}label{display:block;padding:.4rem 0}</style>
</head><body><main><small>Pretend Microsoft (sandbox)</small><h1>{{ title }}</h1>{{ inner }}</main>
</body></html>"""
_CONSENT = """{% if notice %}<p role="alert">{{ notice }}</p>{% endif %}<form method="post">
{% for name, value in hidden %}<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor %}
<fieldset><legend>Pick an account</legend>{% for address in addresses %}<label>
<input type="radio" name="account" value="{{ address }}"{% if address == chosen %} checked{% endif %}>
{{ address }}</label>{% endfor %}</fieldset>
<p>This app would like to:</p><ul>{% for scope in scopes %}<li>{{ scope }}</li>{% endfor %}</ul>
<button name="decision" value="cancel">Cancel</button>
<button name="decision" value="accept">Accept</button></form>"""
_APPROVAL = """<p>This app needs permission to access resources in your organization that only an
admin can grant. Please ask an admin to grant permission to this app before you can use it.</p>
<form method="post">{% for name, value in hidden %}
<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor %}
<button name="decision" value="leave">Return to the application without granting consent</button>
</form>"""
_FAILURE = "<p>Sorry, but we’re having trouble signing you in.</p><p>{{ text }}</p>"


def _page(title: str, template: str, **values: object) -> str:
    inner = flask.render_template_string(template, **values)
    return flask.render_template_string(
        _PAGE.replace("{{ inner }}", "{{ inner|safe }}"), title=title, inner=inner
    )


def _hidden(values: dict[str, str]) -> list[tuple[str, str]]:
    return [(n, v) for n, v in values.items() if n not in ("decision", "account")]


def consent(
    values: dict[str, str],
    addresses: Sequence[str],
    notice: str = "",
    title: str = "Permissions requested",
) -> str:
    """Account choice and consent in one page."""
    hint = values.get("login_hint", "").lower()
    chosen = hint if hint in addresses else next(iter(addresses), "")
    return _page(
        title,
        _CONSENT,
        hidden=_hidden(values),
        addresses=addresses,
        chosen=chosen,
        scopes=values.get("scope", "").split(),
        notice=notice,
    )


def approval(values: dict[str, str]) -> str:
    """Only an admin may consent."""
    return _page("Need admin approval", _APPROVAL, hidden=_hidden(values))


def failure(error: EntraError) -> str:
    """A request so wrong that nobody is sent back to the app."""
    return _page("Sign in", _FAILURE, text=error.description)


def signed_out() -> str:
    return _page("You signed out of your account", "<p>You may close this window.</p>")
