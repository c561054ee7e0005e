"""Pub/Sub push: worker threads that POST messages and learn from the answer."""

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Protocol
from urllib.parse import urlsplit

from sandbox.google.keys import KeyRing
from sandbox.google.message import Json
from sandbox.world import World

ACK = frozenset({102, 200, 201, 202, 204})
FIRST_WINDOW = 4  # pushes under way at first; grows with every ack
LAST_WINDOW = 32
FIRST_BACKOFF = 0.1  # seconds; doubles with every refusal, per subscription
TOKEN_AGE = timedelta(minutes=55)  # a token is used again for that long


@dataclass(frozen=True)
class PushConfig:
    endpoint: str
    service_account: str = ""
    audience: str = ""


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one subscription."""

    id: str
    data: str  # base64
    published: str  # RFC 3339
    about: str
    since: float  # time.monotonic() of publishing
    attempt: int = 0

    def again(self, attempt: int) -> "Delivery":
        return replace(self, attempt=attempt)

    def message(self, both: bool) -> Json:
        """The PubsubMessage; pushes carry both spellings of id and time."""
        shown: Json = {"data": self.data, "messageId": self.id}
        if both:
            shown |= {"message_id": self.id, "publish_time": self.published}
        return shown | {"publishTime": self.published}


class Queue:
    """Deliveries by the time they are due."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._heap: list[tuple[float, int, Delivery]] = []
        self._number = count()

    def put(self, delivery: Delivery, due: float) -> None:
        with self.changed:
            heappush(self._heap, (due, next(self._number), delivery))
            self.changed.notify()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self._heap.clear()
            self.changed.notify_all()

    def __len__(self) -> int:
        return len(self._heap)

    def take(self, patience: float, hold_until: float = 0.0) -> Delivery | None:
        """The next due delivery (none before `hold_until`); None after `patience` seconds."""
        end = time.monotonic() + patience
        with self.changed:
            while not self.closed:
                now = time.monotonic()
                due = max(self._heap[0][0], hold_until) if self._heap else end
                if self._heap and due <= now:
                    return heappop(self._heap)[2]
                if now >= end:
                    return None
                self.changed.wait(min(due, end) - now)
        return None

    def take_many(self, limit: int, wait: float) -> list[Delivery]:
        """Up to `limit` due deliveries; waits only for the first."""
        found: list[Delivery] = []
        while len(found) < limit:
            one = self.take(0.0 if found else wait)
            if one is None:
                break
            found.append(one)
        return found


class GivingUp(Protocol):
    def __call__(self, delivery: Delivery) -> bool: ...

    @property
    def counting(self) -> bool: ...


@dataclass(frozen=True)
class Route:
    """From where to where a subscription pushes."""

    name: str
    config: PushConfig
    queue: Queue
    deadline: float  # seconds an answer may take


class PushWorkers:
    """The threads of one push subscription; they come as needed and go when idle."""

    def __init__(self, world: World, keys: KeyRing, route: "Route", give_up: GivingUp) -> None:
        self._world, self._keys, self._give_up = world, keys, give_up
        self._name, self._config, self._queue = route.name, route.config, route.queue
        self._deadline = route.deadline
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._window = FIRST_WINDOW
        self._backoff = 0.0
        self._hold_until = 0.0
        self._token = ("", "", 0.0)  # kid, token, when made

    def wake(self) -> None:
        """See to it that somebody takes what was put into the queue."""
        with self._lock:
            if self._threads >= self._window or self._idle >= len(self._queue):
                return
            self._threads += 1
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        connection = _Connection(self._config.endpoint, self._deadline)
        try:
            while not self._queue.closed and not self._world.closing.is_set():
                with self._lock:
                    self._idle += 1
                try:
                    delivery = self._queue.take(30.0, self._hold_until)
                finally:
                    with self._lock:
                        self._idle -= 1
                if delivery is None:
                    if not len(self._queue):
                        return
                    continue
                self._deliver(connection, delivery)
        finally:
            connection.close()
            with self._lock:
                self._threads -= 1
            if len(self._queue) and not self._world.closing.is_set():
                self.wake()  # put in while the last ones were going

    def _deliver(self, connection: "_Connection", delivery: Delivery) -> None:
        delivery = delivery.again(delivery.attempt + 1)
        body: Json = {"message": delivery.message(both=True), "subscription": self._name}
        if self._give_up.counting:
            body["deliveryAttempt"] = delivery.attempt
        headers = {"Content-Type": "application/json", "User-Agent": "APIs-Google"}
        headers["From"] = "noreply@google.com"
        if self._config.service_account:
            headers["Authorization"] = f"Bearer {self._bearer()}"
        left = time.monotonic()
        self._world.count("pubsub.push")
        left_at = self._world.now()
        status = connection.post(json.dumps(body).encode(), headers)
        done = time.monotonic()
        self._world.notifications.record(
            "google",
            delivery.about,
            left_at,
            str(status) if status else "no answer",
            message_id=delivery.id,
            attempt=delivery.attempt,
            waited_ms=round((left - delivery.since) * 1000, 2),
            answer_ms=round((done - left) * 1000, 2),
        )
        if status in ACK:
            with self._lock:
                self._backoff = 0.0
                self._window = min(LAST_WINDOW, self._window + 1)
            if len(self._queue):
                self.wake()
        elif not self._queue.closed and not self._give_up(delivery):
            self._refused(delivery)

    def _refused(self, delivery: Delivery) -> None:
        longest = float(str(self._world.switches["pubsub.max_backoff"]))
        with self._lock:
            self._backoff = min(longest, max(FIRST_BACKOFF, self._backoff * 2))
            self._hold_until = time.monotonic() + self._backoff
            due = self._hold_until
        self._queue.put(delivery, due)

    def _bearer(self) -> str:
        """The token of the push: signed once, used for up to an hour."""
        now = self._world.now()
        foreign = self._world.switches["pubsub.foreign_key"]
        key = self._keys.foreign if foreign else self._keys.signing
        kid, token, made = self._token
        if kid == key.kid and 0 <= now.timestamp() - made < TOKEN_AGE.total_seconds():
            return token
        account = self._config.service_account
        claims: Json = {
            "aud": self._config.audience or self._config.endpoint,
            "azp": "113774264463038321964",
            "email": account,
            "sub": "113774264463038321964",
            "email_verified": True,
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + 3600,
            "iss": "https://accounts.google.com",
        }
        token = key.sign(claims)
        self._token = (key.kid, token, now.timestamp())
        return token


class _Connection:
    """A kept connection to the endpoint."""

    def __init__(self, endpoint: str, timeout: float) -> None:
        parts = urlsplit(endpoint)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        make = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._http = make(parts.hostname or "", parts.port, timeout=timeout)
        self._used = False

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """The status; 0 when no answer came in time. A connection that went stale is tried anew."""
        for again in (True, False):
            fresh = not self._used
            try:
                self._http.request("POST", self._path, body, headers)
                response = self._http.getresponse()
                response.read()
            except TimeoutError:
                self.close()
                return 0
            except (OSError, http.client.HTTPException, socket.gaierror):
                self.close()
                if fresh or not again:
                    return 0
                continue
            self._used = True
            return response.status
        return 0

    def close(self) -> None:
        self._http.close()
        self._used = False
