"""Errors of the API: problem+json (RFC 9457), for what views raise and for what nobody expected."""

from http import HTTPStatus
from typing import Any

import marshmallow as ma
from flask import Response, json, request

ROOT = "/api/v1"
TYPE = "application/problem+json"
_WORDS = {  # for what no view says anything of; pages have words of their own
    400: "The request cannot be read.",
    404: "There is nothing at this path.",
    405: "This path does not know this method; the header Allow names those it knows.",
    413: "The body is too large.",
    429: "Too many wrong keys came from your address. Wait ten minutes.",
    500: "Something broke on our side. It was written down for whoever runs this installation.",
    503: "A part of the service does not answer. Try again in a minute.",
}


class ProblemSchema(ma.Schema):
    """What every error answers; some have members of their own beside these."""

    class Meta:
        unknown = ma.INCLUDE

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String()
    errors = ma.fields.Dict(metadata={"description": "what is wrong, by the name of the field"})
    scope = ma.fields.String(metadata={"description": "that the key lacks (403)"})
    contact_id = ma.fields.Integer(
        metadata={"description": "the contact that has the address (409), or the merged one (404)"}
    )


class Problem(Exception):
    """Ends the request with this status; `more` are further members of the answer."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more


def is_api() -> bool:
    """Whether a program asks, and wants its errors as JSON."""
    return request.path == ROOT or request.path.startswith(f"{ROOT}/")


def response(status: int, detail: str = "", **more: Any) -> Response:
    """The answer for a problem."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        body["detail"] = detail
    answer = Response(json.dumps(body | more), status, content_type=TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="replylog"'
    return answer


def of(problem: Problem) -> Response:
    return response(problem.status, problem.detail, **problem.more)


def of_status(status: int) -> Response:
    """The answer for a status that says all."""
    return response(status, _WORDS.get(status, ""))


def of_fields(status: int, messages: dict[str, Any]) -> Response:
    """The answer for what webargs has found wrong: by where it stood, then by field."""
    by_field = [each for each in messages.values() if isinstance(each, dict)]
    if not by_field:
        return response(status, "The body is not JSON.")
    wrong = {name: found for each in by_field for name, found in each.items()}
    if "_schema" in wrong:
        return response(status, "The body must be a JSON object.")
    return response(status, "Some fields are wrong.", errors=wrong)
