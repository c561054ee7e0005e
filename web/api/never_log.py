"""/never-log: addresses and domains whose mail is not logged, the account's and each user's."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm.never_log_input import NotAnEntry, read_entry
from crm.store import accounts, never_log, never_log_effects
from crm.store.never_log import ListFull, Row
from crm.store.paging import Page
from web.api import lists
from web.api.keys import caller, viewer
from web.api.problems import Problem
from web.api.resources import Resource
from web.parts import parts

ACCOUNT, USER = "account", "user"
blueprint = Resource("api_never_log", __name__, url_prefix="/never-log", description=__doc__)


class Whose(ma.Schema):
    user = ma.fields.String(
        load_default="", metadata={"description": "address of a user: for scope `user`"}
    )


class NeverLogEntrySchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    entry = ma.fields.String(required=True)
    scope = ma.fields.String(required=True, metadata={"description": "account or user"})


class NewNeverLogEntrySchema(Whose):
    entry = ma.fields.String(
        required=True,
        metadata={"description": "bob@x.com, x.com (that domain alone), *.x.com (those below it)"},
    )
    scope = ma.fields.String(load_default=ACCOUNT, validate=ma.validate.OneOf([ACCOUNT, USER]))


class StoppedThreadSchema(ma.Schema):
    thread_id = ma.fields.Integer(required=True)
    subject = ma.fields.String(required=True)
    contact_ids = ma.fields.List(ma.fields.Integer(), required=True)


class EffectSchema(ma.Schema):
    emails = ma.fields.Integer(
        required=True, metadata={"description": "logged in the last 30 days that it had kept out"}
    )
    threads = ma.fields.Integer(required=True, metadata={"description": "that it ends from now on"})
    shown = ma.fields.List(ma.fields.Nested(StoppedThreadSchema), required=True)


@blueprint.route("")
class NeverLog(MethodView):
    @blueprint.arguments(Whose, location="query")
    @blueprint.response(200, lists.listed(NeverLogEntrySchema))
    def get(self, whose: dict[str, Any]) -> dict[str, Any]:
        """The account's entries, and with `user` those of this user too."""
        user_id = _user(whose["user"]) if whose["user"] else None
        with parts().database.read() as conn:
            rows = never_log.rows(conn, caller().account_id, user_id)
        return lists.answer(lambda: Page(tuple(rows)), _shape)

    @blueprint.arguments(NewNeverLogEntrySchema)
    @blueprint.response(201, NeverLogEntrySchema)
    def post(self, new: dict[str, Any]) -> dict[str, Any]:
        """Add an entry; one that is there already is given as it is."""
        here, account_id = parts(), caller().account_id
        user_id, entry = _read(new)
        try:
            with here.database.begin() as conn:
                added = never_log.add(conn, account_id, user_id, [entry], here.clock())
        except ListFull:
            raise Problem(409, "The list is full.") from None
        return _shape((*added.new, *added.known)[0])


@blueprint.route("/preview")
class Preview(MethodView):
    @blueprint.arguments(NewNeverLogEntrySchema)
    @blueprint.response(200, EffectSchema)
    def post(self, new: dict[str, Any]) -> dict[str, Any]:
        """What an entry would stop, and would have stopped. Adds nothing."""
        here, who = parts(), viewer()
        user_id, entry = _read(new)
        with here.database.read() as conn:
            found = never_log_effects.effect(conn, who, user_id, [entry], here.clock())
        return {
            "emails": found.emails,
            "threads": found.number,
            "shown": [
                {
                    "thread_id": each.thread_id,
                    "subject": each.subject,
                    "contact_ids": [contact_id for contact_id, _ in each.contacts],
                }
                for each in found.threads
            ],
        }


@blueprint.route("/<int:entry_id>")
class OneEntry(MethodView):
    @blueprint.arguments(Whose, location="query")
    @blueprint.response(204)
    def delete(self, whose: dict[str, Any], entry_id: int) -> None:
        """Remove an entry: of the account, or with `user` of this user."""
        user_id = _user(whose["user"]) if whose["user"] else None
        with parts().database.begin() as conn:
            gone = never_log.remove(conn, caller().account_id, user_id, entry_id)
        if not gone:
            raise Problem(404, "There is no such entry on this list.")


def _read(new: dict[str, Any]) -> tuple[int | None, str]:
    """Whose list, and the entry as it is stored. Raises Problem 422."""
    user_id = _user(new["user"]) if new["scope"] == USER else None
    try:
        return user_id, read_entry(new["entry"])
    except NotAnEntry as error:
        raise Problem(422, f"`entry`: {error}") from None


def _user(address: str) -> int:
    with parts().database.read() as conn:
        found = accounts.user_by_address(conn, address)
    if found is None or found.account_id != caller().account_id:
        raise Problem(422, "`user`: no user has this address.")
    return found.id


def _shape(row: Row) -> dict[str, Any]:
    scope = ACCOUNT if row.user_id is None else USER
    return {"id": row.id, "entry": row.entry, "scope": scope}
