"""What providers call. The whole map of this role:

    POST /webhooks/gmail     a Pub/Sub push: a Gmail mailbox has news      webhooks.gmail
    POST /webhooks/graph     Graph change and lifecycle notifications      webhooks.graph
    POST /webhooks/google/risc   a security event about a Google account   webhooks.risc
    GET  /healthz /readyz /metrics

Each endpoint verifies, parses, rings the bell and answers. Status codes are a retry protocol: a
sender repeats what is answered with 503, and gives up what is answered with 4xx.
"""

from flask import Flask, Response
from redis.exceptions import RedisError

from crm.database import Database, OperationalError
from infra import metrics
from infra.metrics import counter
from infra.redis_client import alive, web_client
from infra.settings import Settings
from webhooks.directory import Directory
from webhooks.gmail import GmailPush
from webhooks.graph import GraphNotifications
from webhooks.oidc import Certificates, PushTokens
from webhooks.risc import SecurityEvents
from workers.queue import Queue, QueueDown

UNAVAILABLE = counter(
    "replylog_webhooks_unavailable_total",
    "Calls of providers that were answered 503, by what was away",
    ["what"],
)


def create_app(settings: Settings) -> Flask:
    """The WSGI application of the role `webhooks`. Opens no connection before the first request."""
    app = Flask("webhooks", static_folder=None)
    redis = web_client(settings)
    queue = Queue(redis)
    directory = Directory(queue, Database(settings.resolved_database_url))
    tokens = PushTokens(
        Certificates(settings.google_certs_url),
        audience=settings.google_pubsub_audience,
        service_account=settings.google_pubsub_service_account,
    )
    gmail = GmailPush(tokens, directory, queue)
    graph = GraphNotifications(directory, queue)
    risc = SecurityEvents(
        Certificates(settings.google_risc_certs_url), settings.google_client_id, directory, queue
    )
    app.add_url_rule("/webhooks/google/risc", "risc", risc.receive, methods=["POST"])
    app.add_url_rule("/webhooks/gmail", "gmail", gmail.receive, methods=["POST"])
    app.add_url_rule("/webhooks/graph", "graph", graph.receive, methods=["POST"])
    for path in ("/healthz", "/readyz", "/metrics"):
        app.add_url_rule(path, path, lambda path=path: _probe(path, lambda: alive(redis)))
    for error in (QueueDown, RedisError, OperationalError):
        app.register_error_handler(error, _unavailable)
    return app


def _probe(path: str, redis_alive: metrics.Check) -> Response:
    found = metrics.answer(path, {"redis": redis_alive})
    assert found is not None, path
    status, content_type, body = found
    return Response(body, status, content_type=content_type)


def _unavailable(error: Exception) -> Response:
    """Nothing was queued: the sender must repeat."""
    UNAVAILABLE.labels("database" if isinstance(error, OperationalError) else "redis").inc()
    return Response(status=503, headers={"Retry-After": "5"})
