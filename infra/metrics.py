"""Metrics of a process and the answers to `GET /healthz`, `/readyz` and `/metrics`.

A metric is made once, at import of the module that counts it: `counter("replylog_wakes", "…")`.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
Check = Callable[[], bool]
Answer = tuple[int, str, bytes]  # status, content type, body


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(name, text, labels)


def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    """A value of the whole installation; of several processes that set it, the last one counts."""
    return Gauge(name, text, labels, multiprocess_mode="mostrecent")


def metrics() -> Answer:
    """`GET /metrics`, in Prometheus's text format.

    Where processes share a folder for their figures (PROMETHEUS_MULTIPROC_DIR, set by the command
    `replylog`), the sum over all of them.
    """
    registry = REGISTRY
    if SHARED_FOLDER in os.environ:  # noqa: TID251 - the library's own switch, not ours
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return 200, CONTENT_TYPE_LATEST, generate_latest(registry)


def health() -> Answer:
    """`GET /healthz`: the process runs."""
    return 200, "application/json", b'{"status": "ok"}'


def readiness(checks: Mapping[str, Check]) -> Answer:
    """`GET /readyz`: 200 when every check passes, else 503; the body names each."""
    passed = {name: _passes(check) for name, check in checks.items()}
    ready = all(passed.values())
    body = {"status": "ready" if ready else "not ready", "checks": passed}
    return 200 if ready else 503, "application/json", json.dumps(body).encode()


def _passes(check: Check) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - whatever is wrong with a part, the answer is "not ready"
        return False


def answer(path: str, checks: Mapping[str, Check]) -> Answer | None:
    """The answer to one of the three paths, None for any other."""
    match path:
        case "/healthz":
            return health()
        case "/readyz":
            return readiness(checks)
        case "/metrics":
            return metrics()
        case _:
            return None


_STATUS = {200: "200 OK", 404: "404 Not Found", 503: "503 Service Unavailable"}


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """No line a probe."""


def server(host: str, port: int, checks: Mapping[str, Check]) -> WSGIServer:
    """A small server for the three paths, for roles that have none of their own.

    `.serve_forever()` runs it. Raises OSError when the port is taken.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = answer(environ["PATH_INFO"], checks) or (404, "text/plain", b"")
        status, content_type, body = found
        start_response(_STATUS[status], [("Content-Type", content_type)])
        return [body]

    return make_server(host, port, app, handler_class=_Quiet)
