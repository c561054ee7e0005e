"""Probes of this process, and its metrics."""

from flask import Response, request

from crm.store import accounts
from infra import metrics
from infra.redis_client import alive
from web.parts import parts


def probe() -> Response:
    """`GET /healthz`, `/readyz` and `/metrics`."""
    here = parts()
    checks = {"database": _database_answers, "redis": lambda: alive(here.redis)}
    answer = metrics.answer(request.path, checks)
    assert answer is not None, request.path
    status, content_type, body = answer
    return Response(body, status, content_type=content_type)


def _database_answers() -> bool:
    with parts().database.read() as conn:
        accounts.user_by_address(conn, "")
    return True
