"""/mailboxes: the connected mailboxes, and how each is doing."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm.store import mailboxes
from crm.store.mailboxes import Mailbox
from crm.store.paging import Page
from providers import causes
from web.api import lists
from web.api.keys import caller
from web.api.problems import Problem
from web.api.resources import Resource
from web.parts import parts

blueprint = Resource("api_mailboxes", __name__, url_prefix="/mailboxes", description=__doc__)


class FollowedFolderSchema(ma.Schema):
    name = ma.fields.String(required=True)
    reason = ma.fields.String(required=True, metadata={"description": "inbox, sent, rule, hand"})


class MailboxSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    address = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, metadata={"description": "gmail, graph"})
    kind = ma.fields.String(required=True, metadata={"description": "personal, team, logging"})
    status = ma.fields.String(
        required=True, metadata={"description": "connected, reconnect, disconnected"}
    )
    reason = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "why it must be reconnected"}
    )
    followed_folders = ma.fields.List(ma.fields.Nested(FollowedFolderSchema), required=True)
    last_synced_at = ma.fields.AwareDateTime(required=True, allow_none=True)
    lag_seconds = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "everything that arrived longer ago is settled"},
    )


def found(mailbox_id: int) -> Mailbox:
    """The mailbox. Raises Problem 404."""
    with parts().database.read() as conn:
        row = mailboxes.mailbox(conn, caller().account_id, mailbox_id)
    if row is None:
        raise Problem(404, "There is no such mailbox.")
    return row


@blueprint.route("")
class Mailboxes(MethodView):
    @blueprint.response(200, lists.listed(MailboxSchema))
    def get(self) -> dict[str, Any]:
        """All mailboxes of the account, by address."""
        with parts().database.read() as conn:
            rows = mailboxes.list_mailboxes(conn, caller().account_id)
        return lists.answer(lambda: Page(tuple(rows)), _shape)


@blueprint.route("/<int:mailbox_id>")
class OneMailbox(MethodView):
    @blueprint.response(200, MailboxSchema)
    def get(self, mailbox_id: int) -> dict[str, Any]:
        """One mailbox."""
        return _shape(found(mailbox_id))


def _shape(row: Mailbox) -> dict[str, Any]:
    with parts().database.read() as conn:
        folders = mailboxes.folders(conn, row.account_id, row.id)
    now = parts().clock()
    return {
        "id": row.id,
        "address": row.address,
        "provider": row.provider,
        "kind": row.kind.value,
        "status": row.status.value,
        "reason": causes.explain(row.reason).sentence if row.reason else None,
        "followed_folders": [{"name": each.name, "reason": each.reason} for each in folders],
        "last_synced_at": row.last_synced_at,
        "lag_seconds": max((now - row.settled_at).total_seconds(), 0) if row.settled_at else None,
    }
