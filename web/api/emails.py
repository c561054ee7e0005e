"""/emails: one logged e-mail, whole."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView
from flask_smorest import Blueprint

from crm.store import timeline
from web import mail_html
from web.api.keys import viewer
from web.api.problems import Problem
from web.api.timelines import EntrySchema, shape
from web.parts import parts

blueprint = Blueprint("api_emails", __name__, url_prefix="/emails", description=__doc__)


class EmailSchema(EntrySchema):
    text = ma.fields.String(required=True)
    html = ma.fields.String(
        required=True,
        metadata={"description": "with harmless elements alone, cut at 400,000 characters; or ''"},
    )


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
        return shape(found.email) | {"text": found.text, "html": html}
