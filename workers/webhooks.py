"""Outgoing webhooks, as Standard Webhooks has them: signed, tried for days, to each endpoint apart.

An endpoint is visited by one worker at a time, which posts what is due there one after the other
and leaves at the first failure: a dead endpoint costs one try now and then, a slow one a thread.
"""

import random
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import structlog
from standardwebhooks.webhooks import Webhook

from crm.database import Connection, OperationalError
from crm.store import deliveries, endpoints, outbox
from crm.store.deliveries import WEBHOOK, Due
from crm.store.endpoints import Endpoint
from crm.store.outbox import Event
from crm.topics import PAUSED, State, again_after, pause_after
from infra.metrics import counter
from infra.posting import NotPosted
from infra.secrets import WrongKey
from workers import event_bodies
from workers.runtime import Runtime

log = structlog.get_logger(__name__)

POSTED = counter(
    "replylog_webhook_posts_total",
    "Events posted to endpoints, by outcome: delivered, failed or dead",
    ["outcome"],
)
PAUSES = counter(
    "replylog_webhook_endpoints_paused_total", "Endpoints that are told no more, by why", ["why"]
)

HELD = timedelta(seconds=60)  # an endpoint and a delivery, with each post; posts take 15 s at most
VISIT_SECONDS = 20.0  # then others have their turn
FAILS_FOR = timedelta(days=3)  # then an endpoint is paused
LONGEST_ASKED = 3600.0  # seconds of a Retry-After that are believed
GONE = 410


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a post: a status, or the class of what went wrong."""

    due: Due
    status: int | None
    error: str = ""
    after: float = 0.0

    @property
    def well(self) -> bool:
        return not self.error


def address(conn: Connection, account_id: int, events: Sequence[Event], now: datetime) -> None:
    """Make the deliveries of an account's events to its endpoints."""
    wanting = endpoints.wanting(conn, account_id)
    pairs = [
        (event.id, endpoint_id)
        for event in events
        for endpoint_id, topics in wanting
        if event.topic in topics
    ]
    if pairs:
        deliveries.add(conn, account_id, WEBHOOK, pairs, now)
        endpoints.ring(conn, account_id, {endpoint_id for _, endpoint_id in pairs}, now)


def claim(running: Runtime, stopping: threading.Event) -> "Visit | None":
    """Take an endpoint where something is due."""
    now, token = running.clock(), uuid.uuid4().hex
    with running.database.read() as conn:
        if not endpoints.any_due(conn, now):
            return None
    with running.database.begin() as conn:
        found = endpoints.claim(conn, now, now + HELD, token)
    return None if found is None else Visit(running, stopping, found, token)


def signed(endpoint: Endpoint, running: Runtime, due: Due, body: str) -> dict[str, str]:
    """The headers of a post. Raises WrongKey."""
    now, name = running.clock(), event_bodies.event_id(due.event_id)
    keys = endpoint.secrets(running.secrets, now)
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(name, now, body) for key in keys),
    }


@dataclass(slots=True)
class Visit:
    """One worker's turn at an endpoint."""

    running: Runtime
    stopping: threading.Event
    endpoint: Endpoint
    token: str

    def make(self) -> None:
        """Post what is due there, until nothing is, one fails, or the time is up."""
        until = time.monotonic() + VISIT_SECONDS
        result: Result | None = None
        while True:
            leave = (result is not None and not result.well) or time.monotonic() > until
            following = self._settle(result, leave or self.stopping.is_set())
            if following is None:
                return
            result = self._try(following)

    def _settle(self, result: Result | None, leave: bool) -> Due | None:
        """Store what came of the last post, and take the next; None: let go of the endpoint."""
        now, mine = self.running.clock(), (self.endpoint.account_id, self.endpoint.id)
        with self.running.database.begin() as conn:
            if result is not None:
                self._note(conn, result, now)
            held = None if leave else endpoints.renew(conn, *mine, self.token, now + HELD)
            if held is not None:
                self.endpoint = held
                taken = deliveries.claim(conn, WEBHOOK, now, now + HELD, 1, held.id)
                if taken:
                    return taken[0]
            endpoints.rest(conn, *mine, self.token)
        return None

    def _try(self, due: Due) -> Result:
        """One try. An event that cannot be told for a fault of ours fails like any other: its
        neighbours are told, and it is dead some day."""
        try:
            return self._post(due)
        except NotPosted as failure:
            return Result(due, None, failure.error)
        except WrongKey:
            return Result(due, None, "WrongKey")
        except OperationalError:
            raise
        except Exception as error:
            log.exception("event not told", delivery=due.id, error=type(error).__name__)
            return Result(due, None, type(error).__name__)

    def _post(self, due: Due) -> Result:
        with self.running.database.read() as conn:
            body = orjson.dumps(event_bodies.body(conn, due))
        headers = signed(self.endpoint, self.running, due, body.decode())
        answer = self.running.post(self.endpoint.url, headers, body)
        if 200 <= answer.status < 300:
            return Result(due, answer.status)
        error = "Redirect" if 300 <= answer.status < 400 else "Status"
        return Result(due, answer.status, error, min(answer.after, LONGEST_ASKED))

    def _note(self, conn: Connection, result: Result, now: datetime) -> None:
        if result.well:
            deliveries.delivered(conn, result.due, result.status, now)
            endpoints.well(conn, self.endpoint)
            POSTED.labels("delivered").inc()
            return
        again = again_after(result.due.attempts, random.random())  # noqa: S311 - jitter
        gone = result.status == GONE
        next_at = None if again is None or gone else now + again
        deliveries.failed(conn, result.due, next_at, result.status, result.error)
        POSTED.labels("failed" if next_at else "dead").inc()
        log.info("webhook not delivered", endpoint=self.endpoint.id, delivery=result.due.id,
                 status=result.status, error=result.error)  # fmt: skip
        pause = max(pause_after(self.endpoint.failures + 1), timedelta(seconds=result.after))
        endpoints.ill(conn, self.endpoint, pause, now)
        since = self.endpoint.failing_since
        if gone:
            self._end(conn, State.GONE, now)
        elif since is not None and now - since >= FAILS_FOR:
            self._end(conn, State.FAILING, now)

    def _end(self, conn: Connection, state: State, now: datetime) -> None:
        """Tell it no more, and say so: on the pages, to other endpoints, by mail."""
        account_id, endpoint_id = self.endpoint.account_id, self.endpoint.id
        endpoints.pause(conn, account_id, endpoint_id, state)
        key = f"{PAUSED}:{endpoint_id}:{now.isoformat()}"
        payload = {"endpoint_id": endpoint_id, "why": state.value}
        outbox.tell(conn, account_id, PAUSED, key, payload, now)
        PAUSES.labels(state.value).inc()
        log.warning("webhook endpoint paused", endpoint=endpoint_id, why=state.value)
