"""/explain: what the rules say of a message, from its headers. Nothing is stored."""

from typing import Any

import marshmallow as ma
from flask import request
from flask.views import MethodView

from crm.explainer import Explanation, explain_text
from web.api import mailboxes
from web.api.resources import Resource, row_id
from web.parts import parts

LARGEST = 2 * 1024 * 1024  # bytes: headers are some thousand
blueprint = Resource("api_explain", __name__, url_prefix="/explain", description=__doc__)


class QuestionSchema(ma.Schema):
    mailbox_id = row_id(required=True)
    headers = ma.fields.String(
        required=True, metadata={"description": "raw headers as received, or a whole message"}
    )


class RuleSchema(ma.Schema):
    id = ma.fields.String(required=True)
    passed = ma.fields.Boolean(required=True)
    sentence = ma.fields.String(required=True)


class ExplanationSchema(ma.Schema):
    verdict = ma.fields.String(
        required=True, metadata={"description": "logged, refused, or unclear: no headers found"}
    )
    rule = ma.fields.String(required=True)
    sentence = ma.fields.String(required=True)
    remedy = ma.fields.String(required=True)
    actual = ma.fields.String(
        required=True, metadata={"description": "what the journal has for this message, or ''"}
    )
    notes = ma.fields.List(ma.fields.String(), required=True)
    rules = ma.fields.List(ma.fields.Nested(RuleSchema), required=True)


@blueprint.route("")
class Explain(MethodView):
    def __init__(self) -> None:
        request.max_content_length = LARGEST

    @blueprint.arguments(QuestionSchema)
    @blueprint.response(200, ExplanationSchema)
    def post(self, question: dict[str, Any]) -> dict[str, Any]:
        """Every rule about the message in order, and which of them decides."""
        here, mailbox = parts(), mailboxes.found(question["mailbox_id"])
        with here.database.read() as conn:
            found = explain_text(conn, mailbox, question["headers"], here.clock(), here.secrets)
        return _shape(found)


def _shape(found: Explanation) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "rule": found.rule,
        "sentence": found.headline,
        "remedy": found.remedy,
        "actual": found.actual,
        "notes": list(found.notes),
        "rules": [
            {"id": each.id, "passed": each.passed, "sentence": each.sentence}
            for each in found.rules
        ],
    }
