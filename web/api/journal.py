"""/mailboxes/{id}/journal: what became of each message of a mailbox, and why, for 30 days."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm.journal_lines import Line, lines
from crm.model import VerdictKind
from crm.rules.registry import BY_ID
from crm.store import journal
from crm.store.journal import Filter
from crm.store.paging import Page
from web.api import lists, mailboxes
from web.api.keys import viewer
from web.api.lists import Window
from web.api.resources import Resource
from web.parts import parts

blueprint = Resource("api_journal", __name__, url_prefix="/mailboxes", description=__doc__)


class Wanted(Window):
    rule = ma.fields.String(load_default="")
    sender = ma.fields.String(load_default="", metadata={"description": "part of the address"})
    verdict = ma.fields.String(
        load_default="", validate=ma.validate.OneOf(["", *(each.value for each in VerdictKind)])
    )


class JournalRowSchema(ma.Schema):
    received_at = ma.fields.AwareDateTime(required=True, allow_none=True)
    sender = ma.fields.String(required=True)
    verdict = ma.fields.String(required=True, metadata={"description": "logged, refused, pending"})
    rule = ma.fields.String(required=True)
    sentence = ma.fields.String(required=True)
    remedy = ma.fields.String(required=True)
    email_id = ma.fields.Integer(required=True, allow_none=True)
    decided_at = ma.fields.AwareDateTime(required=True)


@blueprint.route("/<int:mailbox_id>/journal")
class Journal(MethodView):
    @blueprint.arguments(Wanted, location="query")
    @blueprint.response(200, lists.listed(JournalRowSchema))
    def get(self, wanted: dict[str, Any], mailbox_id: int) -> dict[str, Any]:
        """Newest first. Of a message that was not logged neither subject nor text is known here."""
        mailbox = mailboxes.found(mailbox_id)
        narrow = Filter(wanted["sender"], wanted["rule"], wanted["verdict"])
        window = (wanted["cursor"], wanted["limit"])

        def ask() -> Page[Line]:
            with parts().database.read() as conn:
                page = journal.rows(conn, mailbox.account_id, mailbox.id, narrow, *window)
                found = lines(conn, viewer(), page.items, [mailbox])
            return Page(tuple(found), page.next)

        return lists.answer(ask, _shape)


def _remedy(line: Line) -> str:
    """What to do where a page has a button for it instead of words."""
    rule = BY_ID.get(line.entry.rule)
    return rule.remedy if rule and line.entry.verdict == VerdictKind.REFUSED else ""


def _shape(line: Line) -> dict[str, Any]:
    entry, stands = line.entry, line.about.stands
    return {
        "received_at": entry.received_at,
        "sender": entry.sender,
        "verdict": entry.verdict,
        "rule": entry.rule,
        "sentence": line.words.sentence,
        "remedy": line.words.remedy or _remedy(line),
        "email_id": entry.email_id if stands else None,
        "decided_at": entry.decided_at,
    }
