"""Errors of the API: problem+json (RFC 9457), for what views raise and for what nobody expected."""

from http import HTTPStatus
from typing import Any

from flask import Response, json, request

ROOT = "/api/v1"
_TYPE = "application/problem+json"


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
    answer = Response(json.dumps(body | more), status, content_type=_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="replylog"'
    return answer


def of(problem: Problem) -> Response:
    return response(problem.status, problem.detail, **problem.more)
