"""/contacts/{id}/timeline, and those of companies and deals: logged e-mails, newest first."""

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm import shapes
from crm.store import companies, deals, timeline
from crm.store.paging import Page
from crm.store.timeline import EmailRow, On
from crm.store.visibility import Viewer
from web.api import contacts, lists
from web.api.keys import caller, viewer
from web.api.lists import Window
from web.api.problems import Problem
from web.api.resources import Resource
from web.parts import parts

blueprint = Resource("api_timelines", __name__, url_prefix="", description=__doc__)


class EntrySchema(ma.Schema):
    """A logged e-mail on a timeline."""

    id = ma.fields.Integer(required=True)
    direction = ma.fields.String(
        required=True, metadata={"description": "incoming, outgoing, forwarded"}
    )
    subject = ma.fields.String(required=True)
    sender = ma.fields.String(data_key="from", required=True)  # `from` is a word of Python
    from_name = ma.fields.String(required=True)
    to = ma.fields.List(ma.fields.String(), required=True)
    cc = ma.fields.List(ma.fields.String(), required=True)
    sent_at = ma.fields.AwareDateTime(required=True)
    logged_at = ma.fields.AwareDateTime(required=True)
    kind = ma.fields.String(
        required=True, metadata={"description": "reply, auto-reply, bounce, calendar, list"}
    )
    thread_id = ma.fields.Integer(required=True)
    message_id = ma.fields.String(required=True)
    mailboxes = ma.fields.List(ma.fields.String(), required=True)
    rule = ma.fields.String(required=True)
    has_attachments = ma.fields.Boolean(required=True)
    snippet = ma.fields.String(required=True)
    visibility = ma.fields.String(required=True, metadata={"description": "everyone, team, owner"})


def _company(company_id: int) -> None:
    with parts().database.read() as conn:
        if companies.company(conn, caller().account_id, company_id) is None:
            raise Problem(404, "There is no such company.")


def _deal(deal_id: int) -> None:
    with parts().database.read() as conn:
        if deals.deal(conn, caller().account_id, deal_id) is None:
            raise Problem(404, "There is no such deal.")


def _answer(
    on: On, row_id: int, window: dict[str, Any], check: Callable[[int], object]
) -> dict[str, Any]:
    check(row_id)
    who: Viewer = viewer()

    def ask() -> Page[EmailRow]:
        with parts().database.read() as conn:
            return timeline.entries(conn, who, on, row_id, window["cursor"], window["limit"])

    return lists.answer(ask, shapes.email)


@blueprint.route("/contacts/<int:row_id>/timeline")
class OfContact(MethodView):
    @blueprint.arguments(Window, location="query")
    @blueprint.response(200, lists.listed(EntrySchema))
    def get(self, window: dict[str, Any], row_id: int) -> dict[str, Any]:
        """The e-mails on a contact's timeline."""
        return _answer(On.CONTACT, row_id, window, contacts.found)


@blueprint.route("/companies/<int:row_id>/timeline")
class OfCompany(MethodView):
    @blueprint.arguments(Window, location="query")
    @blueprint.response(200, lists.listed(EntrySchema))
    def get(self, window: dict[str, Any], row_id: int) -> dict[str, Any]:
        """The e-mails of threads that are associated with a company."""
        return _answer(On.COMPANY, row_id, window, _company)


@blueprint.route("/deals/<int:row_id>/timeline")
class OfDeal(MethodView):
    @blueprint.arguments(Window, location="query")
    @blueprint.response(200, lists.listed(EntrySchema))
    def get(self, window: dict[str, Any], row_id: int) -> dict[str, Any]:
        """The e-mails of threads that are associated with a deal."""
        return _answer(On.DEAL, row_id, window, _deal)
