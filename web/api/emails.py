"""/emails: one logged e-mail, whole."""

from typing import Any

import marshmallow as ma
from flask import Response
from flask.views import MethodView
from flask_smorest import Blueprint

from crm import shapes
from crm.store import timeline
from crm.store.files import FileRow
from web import files, mail_html
from web.api.keys import viewer
from web.api.problems import Problem
from web.api.timelines import EntrySchema
from web.parts import parts

blueprint = Blueprint("api_emails", __name__, url_prefix="/emails", description=__doc__)


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


@blueprint.route("/<int:email_id>")
class OneEmail(MethodView):
    @blueprint.response(200, EmailSchema)
    def get(self, email_id: int) -> dict[str, Any]:
        """One e-mail with its body."""
        with parts().database.read() as conn:
            found = timeline.email(conn, viewer(), email_id)
        if found is None:
            raise Problem(404, "There is no such e-mail, or this key may not see it.")
        html = mail_html.clean(found.html, pictures=True).html if found.html.strip() else ""
        return shapes.email(found.email) | {
            "text": found.text,
            "html": html,
            "attachments": [_file(each) for each in found.email.attachments],
        }


@blueprint.route("/<int:email_id>/attachments/<int:file_id>")
class Attachment(MethodView):
    @blueprint.response(200, content_type="application/octet-stream")
    @blueprint.alt_response(404, description="There is no such file, or it is not kept.")
    def get(self, email_id: int, file_id: int) -> Response:
        """The bytes of a file that is kept."""
        return files.streamed(viewer(), email_id, file_id)


def _file(row: FileRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "filename": row.filename,
        "content_type": row.content_type,
        "size": row.size,
        "inline": row.inline,
        "state": row.state,
    }
