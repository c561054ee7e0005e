"""Pub/Sub pushes about Gmail mailboxes. A push only says which mailbox has news."""

import base64
import binascii
from dataclasses import dataclass

import orjson
from flask import Response, request

from infra.metrics import counter
from webhooks.bodies import NotUnderstood, json_object
from webhooks.directory import Directory
from webhooks.oidc import CertificatesDown, Forbidden, PushTokens, Unauthorized
from workers.queue import Queue

MAX_BODY = 64 * 1024  # a push has less than 1 KiB
MAX_ADDRESS = 320

PUSHES = counter(
    "replylog_gmail_pushes_total", "Pub/Sub pushes by what became of them", ["outcome"]
)


@dataclass(frozen=True, slots=True)
class Push:
    address: str  # lower-cased: Gmail's spelling may differ from the stored one


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
            push = parse(json_object(MAX_BODY))
        except CertificatesDown:
            return _answer(503, "certificates-down")
        except Unauthorized:
            return _answer(401, "unauthorized")
        except Forbidden:
            return _answer(403, "forbidden")
        except NotUnderstood:
            return _answer(400, "not-a-push")
        mailbox_ids = self._directory.gmail_mailboxes(push.address)
        if mailbox_ids:
            self._queue.wake(*mailbox_ids)
        return _answer(204, "woken" if mailbox_ids else "unknown-mailbox")


def parse(envelope: dict[str, object]) -> Push:
    """The push inside a Pub/Sub envelope. Raises NotUnderstood.

    `historyId` is left alone: it is a hint about time, never a description of work.
    """
    message = envelope.get("message")
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, str):
        raise NotUnderstood("message.data")
    try:
        body = orjson.loads(_decode(data))
    except (binascii.Error, ValueError) as error:
        raise NotUnderstood("message.data") from error
    address = body.get("emailAddress") if isinstance(body, dict) else None
    if not isinstance(address, str) or not 3 <= len(address) <= MAX_ADDRESS or "@" not in address:
        raise NotUnderstood("emailAddress")
    return Push(address.lower())


def _decode(data: str) -> bytes:
    """Both base64 alphabets: Gmail's guide says URL-safe, Pub/Sub's own type is the plain one."""
    plain = data.replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _answer(status: int, outcome: str) -> Response:
    PUSHES.labels(outcome).inc()
    return Response(status=status)
