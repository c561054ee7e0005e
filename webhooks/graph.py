"""Change and lifecycle notifications of Microsoft Graph.

Graph checks an endpoint while a subscription is being made: it must answer with the token it is
sent. A notification is authentic when it carries the clientState of its subscription; a wrong one
is dropped with 202, because Graph would repeat anything else for hours and slow the endpoint down
for all mailboxes.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import Response, request

from infra.metrics import counter
from webhooks.bodies import NotUnderstood, json_object
from webhooks.directory import Directory
from workers.queue import Ask, Queue, Subscription

MAX_BODY = 1024 * 1024
MAX_ITEMS = 1000
MAX_TOKEN = 2048  # validationToken; real ones have about 100 characters
MAX_RESOURCE = 2000
MAX_ID = 200  # subscriptionId and clientState; Graph's limit for the latter is 128

NOTIFICATIONS = counter(
    "replylog_graph_notifications_total", "Graph notifications by what became of them", ["outcome"]
)


# What Graph says of a subscription itself. That notifications were `missed` asks for a listing,
# which every ring brings; anything new is taken for a reason to renew.
LIFECYCLE = {"subscriptionremoved": Ask.REMOVED}
MISSED = "missed"
_FOLDER = re.compile(r"/mailfolders(?:\('|/)([^'/)]+)", re.IGNORECASE)
STRANGERS_EVERY = (
    600.0  # seconds; ids of one folder have two forms, and rules are not read for each
)


@dataclass(frozen=True, slots=True)
class Notification:
    subscription_id: str
    client_state: str
    lifecycle: str = ""  # about the subscription itself, not about mail
    folder: str = ""  # where the message lies, if that is said


class GraphNotifications:
    def __init__(self, directory: Directory, queue: Queue) -> None:
        self._directory = directory
        self._queue = queue

    def receive(self) -> Response:
        """200 with the token on validation; 202 taken or dropped, 400 not a notification, 503 not
        queued."""
        token = request.args.get("validationToken")
        if token is not None:
            return _validation(token)
        try:
            notifications = parse(json_object(MAX_BODY))
        except NotUnderstood:
            NOTIFICATIONS.labels("not-a-notification").inc()
            return Response(status=400)
        self._ring(notifications)
        return Response(status=202)

    def _ring(self, notifications: Sequence[Notification]) -> None:
        known = self._directory.subscriptions(each.subscription_id for each in notifications)
        bells = Bells()
        for each in notifications:
            subscription = known[each.subscription_id]
            if subscription is None:
                NOTIFICATIONS.labels("unknown-subscription").inc()
            elif not _authentic(each.client_state, subscription.secret_digest):
                NOTIFICATIONS.labels("wrong-client-state").inc()
            else:
                bells.take(each, subscription)
        bells.ring(self._queue)


@dataclass(slots=True)
class Bells:
    """What a body of authentic notifications asks for, each thing once."""

    news: set[tuple[int, str]] = field(default_factory=set)
    missed: set[int] = field(default_factory=set)
    asked: set[tuple[int, Ask]] = field(default_factory=set)

    def take(self, notification: Notification, subscription: Subscription) -> None:
        mailbox_id, event = subscription.mailbox_id, notification.lifecycle
        NOTIFICATIONS.labels("lifecycle" if event else "woken").inc()
        if event == MISSED:
            self.missed.add(mailbox_id)
        elif event:
            self.asked.add((mailbox_id, LIFECYCLE.get(event, Ask.REAUTHORIZE)))
        else:
            self.news.add((mailbox_id, subscription.resource))
            if _strange(notification.folder, subscription.resource):
                self.asked.add((mailbox_id, Ask.STRANGER))

    def ring(self, queue: Queue) -> None:
        """Raises QueueDown; what was rung by then is rung again when the body is repeated."""
        for mailbox_id, ask in sorted(self.asked):
            if ask is not Ask.STRANGER or queue.strayed(mailbox_id, STRANGERS_EVERY):
                queue.rewatch(mailbox_id, ask)
        if self.missed:
            queue.wake(*sorted(self.missed))
        if self.news:
            queue.announce(sorted(self.news))


def parse(body: dict[str, object]) -> list[Notification]:
    """The notifications in a body. Raises NotUnderstood.

    Only the subscription's id is used to find the mailbox: the letter case of `resource` varies,
    and it seldom names a folder.
    """
    items = body.get("value")
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise NotUnderstood("value")
    return [_notification(item) for item in items]


def _notification(item: object) -> Notification:
    if not isinstance(item, dict):
        raise NotUnderstood("value[]")
    subscription_id = item.get("subscriptionId")
    if not isinstance(subscription_id, str) or not 0 < len(subscription_id) <= MAX_ID:
        raise NotUnderstood("subscriptionId")
    state, event, resource = (item.get(k) for k in ("clientState", "lifecycleEvent", "resource"))
    folder = _FOLDER.search(resource[:MAX_RESOURCE]) if isinstance(resource, str) else None
    return Notification(
        subscription_id,
        state if isinstance(state, str) and len(state) <= MAX_ID else "",
        event[:MAX_ID].lower() if isinstance(event, str) else "",
        folder[1] if folder else "",
    )


def _strange(folder: str, resource: str) -> bool:
    """Whether a notification names another folder than its subscription is for."""
    return bool(folder and resource) and folder.lower() != resource.lower()


def _authentic(client_state: str, secret_digest: str) -> bool:
    digest = hashlib.sha256(client_state.encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(digest, secret_digest)


def _validation(token: str) -> Response:
    """The token as plain text that no browser takes for a page."""
    if not 0 < len(token) <= MAX_TOKEN or not token.isprintable():
        return Response(status=400)
    return Response(
        token, 200, {"X-Content-Type-Options": "nosniff"}, content_type="text/plain; charset=utf-8"
    )
