"""Pub/Sub pushes about Gmail mailboxes. A push only says which mailbox has news."""

from flask import Response, request

from crm.model import WHOLE_MAILBOX
from infra.metrics import counter
from infra.pubsub import NotAnAnnouncement, parse
from webhooks.bodies import NotUnderstood, json_object
from webhooks.directory import Directory
from webhooks.oidc import CertificatesDown, Forbidden, PushTokens, Unauthorized
from workers.queue import Queue

MAX_BODY = 64 * 1024  # a push has less than 1 KiB

PUSHES = counter(
    "replylog_gmail_pushes_total", "Pub/Sub pushes by what became of them", ["outcome"]
)


class GmailPush:
    def __init__(self, tokens: PushTokens, directory: Directory, queue: Queue) -> None:
        self._tokens = tokens
        self._directory = directory
        self._queue = queue

    def receive(self) -> Response:
        """204 taken (also for a mailbox that is none of ours: repeating would not help), 401 or 403
        not authentic, 400 not a push, 503 not queued or certificates out of reach."""
        try:
            self._tokens.verify(request.headers.get("Authorization", ""))
            push = parse(json_object(MAX_BODY).get("message"))
        except CertificatesDown:
            return _answer(503, "certificates-down")
        except Unauthorized:
            return _answer(401, "unauthorized")
        except Forbidden:
            return _answer(403, "forbidden")
        except (NotUnderstood, NotAnAnnouncement):
            return _answer(400, "not-a-push")
        mailbox_ids = self._directory.gmail_mailboxes(push.address)
        if mailbox_ids:
            self._queue.announce([(each, WHOLE_MAILBOX) for each in mailbox_ids])
        return _answer(204, "woken" if mailbox_ids else "unknown-mailbox")


def _answer(status: int, outcome: str) -> Response:
    PUSHES.labels(outcome).inc()
    return Response(status=status)
