"""/settings: the switches and other settings of the account, by the names of the rules."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm.settings_input import OWN_DOMAINS, read_change, shown
from crm.store import accounts, previews
from crm.store import settings as account_settings
from crm.store.paging import Page
from crm.store.settings import PLAIN, SWITCHES
from web import settings_forms
from web.api import lists
from web.api.keys import caller
from web.api.problems import Problem
from web.api.resources import Resource
from web.parts import parts

blueprint = Resource("api_settings", __name__, url_prefix="/settings", description=__doc__)


def _field(default: object) -> ma.fields.Field[Any]:
    if isinstance(default, bool):
        return ma.fields.Boolean()
    if isinstance(default, int):
        return ma.fields.Integer()
    return ma.fields.String() if isinstance(default, str) else ma.fields.List(ma.fields.String())


_DEFAULTS: dict[str, object] = {**SWITCHES, **PLAIN, OWN_DOMAINS: ()}
SettingsSchema = ma.Schema.from_dict(
    {name: _field(default) for name, default in _DEFAULTS.items()}, name="Settings"
)


class SwitchPreviewSchema(ma.Schema):
    name = ma.fields.String(required=True)
    more = ma.fields.Integer(
        required=True, metadata={"description": "messages that would newly have been logged"}
    )
    fewer = ma.fields.Integer(
        required=True, metadata={"description": "messages that would not have been logged"}
    )


_TYPES: dict[type, dict[str, Any]] = {
    ma.fields.Boolean: {"type": "boolean"},
    ma.fields.Integer: {"type": "integer"},
    ma.fields.String: {"type": "string"},
    ma.fields.List: {"type": "array", "items": {"type": "string"}},
}
# A part of the settings; `crm.settings_input` says what is wrong with a value.
ChangedSettingsSchema = ma.Schema.from_dict(
    {
        name: ma.fields.Raw(metadata=_TYPES[type(_field(default))])
        for name, default in _DEFAULTS.items()
    },
    name="ChangedSettings",
)


@blueprint.route("")
class Settings(MethodView):
    @blueprint.response(200, SettingsSchema)
    def get(self) -> dict[str, Any]:
        """All settings as they are."""
        return _all(caller().account_id)

    @blueprint.arguments(ChangedSettingsSchema, required=False)
    @blueprint.response(200, SettingsSchema)
    def patch(self, given: dict[str, Any]) -> dict[str, Any]:
        """Change some settings. They hold for what arrives from now on. Of what is sent either all
        is stored, or with an error nothing."""
        account_id = caller().account_id
        with parts().database.read() as conn:
            change = read_change(given, account_settings.settings_of(conn, account_id))
        if change.errors:
            wrong = {name: [text] for name, text in change.errors.items()}
            raise Problem(422, "Some settings are wrong.", errors=wrong)
        settings_forms.store(account_id, change.values)
        return _all(account_id)


@blueprint.route("/preview")
class Preview(MethodView):
    @blueprint.response(200, lists.listed(SwitchPreviewSchema))
    def get(self) -> dict[str, Any]:
        """For each switch: of the messages of the last 30 days, how many would have been decided
        otherwise with this switch turned over."""
        here = parts()
        with here.database.read() as conn:
            found = previews.switches(conn, caller().account_id, here.clock())
        rows = [(name, found.get(name, previews.Preview())) for name in SWITCHES]
        return lists.answer(lambda: Page(tuple(rows)), _preview)


def _preview(row: tuple[str, previews.Preview]) -> dict[str, Any]:
    name, preview = row
    return {"name": name, "more": preview.more, "fewer": preview.fewer}


def _all(account_id: int) -> dict[str, Any]:
    with parts().database.read() as conn:
        found = account_settings.settings_of(conn, account_id)
        return shown(found, accounts.domains(conn, account_id))
