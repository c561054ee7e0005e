"""/emails: one logged e-mail, whole."""

from typing import Any

import marshmallow as ma
from flask import Response
from flask.views import MethodView
from werkzeug.exceptions import NotFound

from crm import shapes
from crm.model import Visibility
from crm.store import timeline, visibility
from crm.store.files import FileRow
from crm.store.visibility import NoOwner, NoTeam
from web import files, mail_html
from web.api.keys import viewer
from web.api.problems import Problem
from web.api.resources import Resource
from web.api.timelines import EntrySchema
from web.parts import parts

blueprint = Resource("api_emails", __name__, url_prefix="/emails", description=__doc__)


class AttachmentSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    filename = ma.fields.String(required=True)
    content_type = ma.fields.String(
        required=True, metadata={"description": "what the sender says of it"}
    )
    size = ma.fields.Integer(required=True, metadata={"description": "bytes"})
    inline = ma.fields.Boolean(required=True)
    state = ma.fields.String(
        required=True, metadata={"description": "stored, waiting, or the rule why it is not kept"}
    )


class EmailSchema(EntrySchema):
    text = ma.fields.String(required=True)
    html = ma.fields.String(
        required=True,
        metadata={"description": "with harmless elements alone, cut at 400,000 characters; or ''"},
    )
    attachments = ma.fields.List(ma.fields.Nested(AttachmentSchema), required=True)


class ChangedEmailSchema(ma.Schema):
    visibility = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf([each.value for each in Visibility]),
        metadata={"description": "who may see it: everyone, its owner's team, its owner alone"},
    )


@blueprint.route("/<int:email_id>")
class OneEmail(MethodView):
    @blueprint.response(200, EmailSchema)
    def get(self, email_id: int) -> dict[str, Any]:
        """One e-mail with its body."""
        return _whole(email_id)

    @blueprint.arguments(ChangedEmailSchema)
    @blueprint.response(200, EmailSchema)
    def patch(self, change: dict[str, Any], email_id: int) -> dict[str, Any]:
        """Decide who may see an e-mail. A key without the scope `restricted` may hide what everyone
        sees, and is told of it for the last time."""
        before = _whole(email_id)
        try:
            with parts().database.begin() as conn:
                to = Visibility(change["visibility"])
                visibility.restrict_for_owner(conn, viewer(), email_id, to)
        except LookupError:
            raise _missing() from None
        except NoOwner:
            raise Problem(409, "Nobody owns this e-mail, so nobody would see it.") from None
        except NoTeam:
            raise Problem(409, "The owner of this e-mail is in no team.") from None
        return before | change


@blueprint.route("/<int:email_id>/attachments/<int:file_id>")
class Attachment(MethodView):
    @blueprint.response(200, {"type": "string", "format": "binary"}, content_type="*/*")
    def get(self, email_id: int, file_id: int) -> Response:
        """The bytes of a file that is kept."""
        try:
            return files.streamed(viewer(), email_id, file_id)
        except NotFound:
            raise Problem(404, "There is no such file, or it is not kept.") from None


def _whole(email_id: int) -> dict[str, Any]:
    with parts().database.read() as conn:
        found = timeline.email(conn, viewer(), email_id)
    if found is None:
        raise _missing()
    html = mail_html.clean(found.html, pictures=True).html if found.html.strip() else ""
    return shapes.email(found.email) | {
        "text": found.text,
        "html": html,
        "attachments": [_file(each) for each in found.email.attachments],
    }


def _missing() -> Problem:
    return Problem(404, "There is no such e-mail, or this key may not see it.")


def _file(row: FileRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "filename": row.filename,
        "content_type": row.content_type,
        "size": row.size,
        "inline": row.inline,
        "state": row.state,
    }
