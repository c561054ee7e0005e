"""Delivering change notifications: batches, the 3-second rule, retries, slow and drop states.

One thread waits for what is due, a few others post. Nothing here takes the world's lock.
"""

import heapq
import itertools
import json
import queue
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3

from sandbox.microsoft.switches import Switches
from sandbox.microsoft.wire import Json
from sandbox.world import World

FAST = 3.0  # seconds in which the first try must be answered
SLOWEST = 10.0  # seconds after which nobody waits any more
WINDOW = 600.0  # seconds over which answers of a host are judged
GIVE_UP = 4 * 3600.0
FIRST_RETRY = 10.0
POSTERS = 8
LEAST = 10  # answers before a host is judged


@dataclass
class Delivery:
    """One item for one URL."""

    url: str
    item: Json
    address: str  # whose mailbox
    switches: Switches
    epoch: int = 0
    tries: int = 0
    waited: float = 0.0  # unscaled seconds of retrying so far


@dataclass
class _Host:
    """How an endpoint has been answering: (when, seconds)."""

    answers: deque[tuple[float, float]] = field(default_factory=deque)
    slow_until: float = 0.0
    drop_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, now: float, seconds: float, window: float) -> None:
        with self.lock:
            self._note(now, seconds, window)

    def _note(self, now: float, seconds: float, window: float) -> None:
        self.answers.append((now, seconds))
        while self.answers and self.answers[0][0] < now - window:
            self.answers.popleft()
        total = len(self.answers)
        if total < LEAST:
            return
        if sum(s >= SLOWEST for _, s in self.answers) > 0.15 * total:
            self.drop_until = now + window
        elif sum(s > FAST for _, s in self.answers) > 0.10 * total:
            self.slow_until = now + window


class Notifier:
    """`send` returns at once. `clear` forgets all that has not left yet."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hosts: dict[str, _Host] = defaultdict(_Host)
        self._heap: list[tuple[float, int, Delivery]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._ready: queue.SimpleQueue[list[Delivery]] = queue.SimpleQueue()
        self._epoch = 0
        self._started = False
        self._http = urllib3.PoolManager(num_pools=20, maxsize=POSTERS, retries=False)

    def clear(self) -> None:
        with self._wake:
            self._epoch += 1
            self._heap.clear()
            self.hosts.clear()

    def send(self, delivery: Delivery) -> None:
        """Put a notification on its way, as the world's faults and the host's state allow."""
        scale = delivery.switches.number("graph.time_scale")
        wait = delivery.switches.number("graph.notification_latency")
        now = time.monotonic()
        gather = delivery.switches.number("graph.notification_batch")
        if gather > 0:
            wait += gather - now % gather  # all of one stretch of time leave together
        host = self.hosts[_host(delivery.url)]
        if delivery.switches.on("graph.endpoint_states"):
            if host.drop_until > now:
                self._record(delivery, "dropped")
                return
            if host.slow_until > now:
                wait += WINDOW * scale
        delays = self.world.notifications.plan()
        if not delays:
            self._record(delivery, "dropped")
        for delay in delays:
            self._put(now + wait + delay, delivery)

    def _put(self, due: float, delivery: Delivery) -> None:
        with self._wake:
            if delivery.tries == 0:
                delivery.epoch = self._epoch
            if delivery.epoch != self._epoch:
                return
            self._start()
            heapq.heappush(self._heap, (due, next(self._order), delivery))
            self._wake.notify()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for target in (self._dispatch, *[self._post_all] * POSTERS):
                threading.Thread(target=target, daemon=True, name="graph-notifier").start()

    def _dispatch(self) -> None:
        """Gather what is due by URL: one POST may hold items of many subscriptions."""
        while not self.world.closing.is_set():
            with self._wake:
                now = time.monotonic()
                due: dict[str, list[Delivery]] = {}
                while self._heap and self._heap[0][0] <= now:
                    delivery = heapq.heappop(self._heap)[2]
                    due.setdefault(delivery.url, []).append(delivery)
                if not due:
                    wait = self._heap[0][0] - now if self._heap else 0.5
                    self._wake.wait(min(wait, 0.5))
            for group in due.values():
                self._ready.put(group)

    def _post_all(self) -> None:
        while not self.world.closing.is_set():
            try:
                group = self._ready.get(timeout=0.5)
            except queue.Empty:
                continue
            live = [delivery for delivery in group if delivery.epoch == self._epoch]
            if live:
                self._post(live)

    def _post(self, group: list[Delivery]) -> None:
        first = group[0]
        started = time.monotonic()
        status = self.post(first.url, {"value": [delivery.item for delivery in group]})
        seconds = time.monotonic() - started
        limit = FAST if first.tries == 0 else SLOWEST
        scale = first.switches.number("graph.time_scale")
        if first.switches.on("graph.endpoint_states"):
            self.hosts[_host(first.url)].note(time.monotonic(), seconds, WINDOW * scale)
        good = 200 <= status < 300 and seconds <= limit
        for delivery in group:
            self._record(delivery, str(status) if status else "no answer")
            if not good:
                self._again(delivery, scale)

    def _again(self, delivery: Delivery, scale: float) -> None:
        wait = FIRST_RETRY * 2**delivery.tries
        delivery.tries += 1
        delivery.waited += wait
        if delivery.waited <= GIVE_UP:
            self._put(time.monotonic() + wait * scale, delivery)

    def post(self, url: str, body: Json) -> int:
        """Post JSON; the status, 0 when nobody answered in time."""
        try:
            answer = self._http.request(
                "POST",
                url,
                body=json.dumps(body).encode(),
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=urllib3.Timeout(total=SLOWEST),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError:
            return 0
        return int(answer.status)

    def ask(self, url: str) -> tuple[int, str, str] | None:
        """The validation request: status, content type and text; None when nobody answered."""
        try:
            answer = self._http.request(
                "POST",
                url,
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout=urllib3.Timeout(total=SLOWEST),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError:
            return None
        kind = answer.headers.get("Content-Type", "")
        return int(answer.status), kind, answer.data.decode("utf-8", "replace")

    def _record(self, delivery: Delivery, outcome: str) -> None:
        item = delivery.item
        self.world.notifications.record(
            "microsoft",
            delivery.address,
            self.world.now(),
            outcome,
            subscription=item.get("subscriptionId"),
            change=item.get("changeType") or item.get("lifecycleEvent"),
            id=(item.get("resourceData") or {}).get("id"),
            tries=delivery.tries,
        )


def _host(url: str) -> str:
    return urlsplit(url).netloc
