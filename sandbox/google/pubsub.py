"""Pub/Sub: topics, subscriptions, what is published and what is still to be delivered."""

import base64
import random
import time
from dataclasses import dataclass, field

from sandbox.google.errors import GoogleError, invalid
from sandbox.google.keys import KeyRing
from sandbox.google.message import Json
from sandbox.google.push import Delivery, PushConfig, PushWorkers, Queue, Route
from sandbox.world import World


@dataclass
class Subscription:
    name: str
    topic: str
    push: PushConfig | None
    ack_deadline: int = 10
    dead_letter: str = ""
    max_attempts: int = 5
    queue: Queue = field(default_factory=Queue)
    out: dict[str, tuple[Delivery, float]] = field(
        default_factory=dict
    )  # pulled: ack id -> deadline
    workers: PushWorkers | None = None

    def shown(self) -> Json:
        """As the API shows it."""
        body: Json = {
            "name": self.name,
            "topic": self.topic,
            "pushConfig": {},
            "ackDeadlineSeconds": self.ack_deadline,
            "messageRetentionDuration": "604800s",
            "expirationPolicy": {},
            "state": "ACTIVE",
        }
        if self.push:
            token = {"serviceAccountEmail": self.push.service_account}
            token["audience"] = self.push.audience
            config: Json = {"pushEndpoint": self.push.endpoint, "attributes": {}}
            config["attributes"] = {"x-goog-version": "v1"}
            if self.push.service_account:
                config["oidcToken"] = token
            body["pushConfig"] = config
        if self.dead_letter:
            body["deadLetterPolicy"] = {
                "deadLetterTopic": self.dead_letter,
                "maxDeliveryAttempts": self.max_attempts,
            }
        return body


class PubSub:
    """All topics and subscriptions. Call with `World.lock` held, except `pull`."""

    def __init__(self, world: World, keys: KeyRing) -> None:
        self._world = world
        self._keys = keys
        self.topics: set[str] = set()
        self.subscriptions: dict[str, Subscription] = {}
        self._last = random.randint(10**15, 2 * 10**15)

    def reset(self) -> None:
        for name in list(self.subscriptions):
            self.delete(name)
        self.topics.clear()

    def put_topic(self, name: str) -> None:
        self.topics.add(name)

    def has_topic(self, name: str) -> bool:
        return name in self.topics

    def put(self, subscription: Subscription) -> None:
        """Add (or replace) a subscription; a push one begins to deliver."""
        if subscription.topic not in self.topics:
            raise GoogleError(
                404, f"Resource not found (resource={subscription.topic}).", "notFound"
            )
        if not 10 <= subscription.ack_deadline <= 600:
            raise invalid("Invalid ack deadline given: must be between 10 and 600 seconds.")
        if not 5 <= subscription.max_attempts <= 100:
            raise invalid("Invalid max delivery attempts given: must be between 5 and 100.")
        self.delete(subscription.name, missing_ok=True)
        self.subscriptions[subscription.name] = subscription
        if subscription.push:
            route = Route(
                subscription.name,
                subscription.push,
                subscription.queue,
                float(subscription.ack_deadline),
            )
            give_up = GiveUp(self, subscription)
            subscription.workers = PushWorkers(self._world, self._keys, route, give_up)

    def get(self, name: str) -> Subscription:
        found = self.subscriptions.get(name)
        if found is None:
            raise GoogleError(
                404, f"Resource not found (resource={name.rpartition('/')[2]}).", "notFound"
            )
        return found

    def delete(self, name: str, missing_ok: bool = False) -> None:
        if name not in self.subscriptions and missing_ok:
            return
        gone = self.get(name)
        gone.queue.close()
        del self.subscriptions[name]

    def publish(self, topic: str, data: bytes, about: str = "") -> str:
        """A message for every subscription of the topic; its id. `about` is only for the log."""
        self._last += random.randint(1, 999)
        now = self._world.now()
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
        delays = self._world.notifications.plan()
        self._world.count("pubsub.publish")
        if not delays:
            self._world.notifications.record("google", about, now, "dropped", message_id=self._last)
        message = Delivery(
            str(self._last), base64.b64encode(data).decode(), stamp, about, time.monotonic()
        )
        for subscription in self.subscriptions.values():
            if subscription.topic != topic:
                continue
            for delay in delays:
                subscription.queue.put(message.again(0), time.monotonic() + delay)
            if subscription.workers:
                subscription.workers.wake()
        return message.id

    def pull(self, name: str, limit: int, at_once: bool) -> list[Json]:
        """Received messages; waits a bounded time for the first. Call without the world's lock."""
        with self._world.lock:
            subscription = self.get(name)
        if subscription.push:
            raise GoogleError(
                400,
                "This method is not supported for this subscription type.",
                "failedPrecondition",
            )
        wait = 0.0 if at_once else float(str(self._world.switches["pubsub.pull_wait"]))
        self._requeue_late(subscription)
        found = subscription.queue.take_many(limit, wait)
        received: list[Json] = []
        for delivery in found:
            ack_id = f"{random.getrandbits(160):040x}"
            deadline = time.monotonic() + subscription.ack_deadline
            subscription.out[ack_id] = (delivery, deadline)
            self._world.notifications.record(
                "google", delivery.about, self._world.now(), "pulled", message_id=delivery.id
            )
            received.append({"ackId": ack_id, "message": delivery.message(both=False)})
        self._world.count("pubsub.pull")
        return received

    def _requeue_late(self, subscription: Subscription) -> None:
        now = time.monotonic()
        for ack_id, (delivery, deadline) in list(subscription.out.items()):
            if deadline <= now:
                subscription.out.pop(ack_id, None)
                subscription.queue.put(delivery.again(delivery.attempt + 1), now)

    def acknowledge(self, name: str, ack_ids: list[str]) -> None:
        """Forget pulled messages; unknown and late ids do no harm."""
        subscription = self.get(name)
        for one in ack_ids:
            subscription.out.pop(one, None)
        self._world.count("pubsub.acknowledge", len(ack_ids))

    def extend(self, name: str, ack_ids: list[str], seconds: int) -> None:
        """modifyAckDeadline; 0 = give back at once."""
        subscription = self.get(name)
        for one in ack_ids:
            if one in subscription.out:
                delivery, _ = subscription.out[one]
                subscription.out[one] = (delivery, time.monotonic() + seconds)
        self._requeue_late(subscription)


@dataclass
class GiveUp:
    """After too many attempts a message goes to the dead letter topic."""

    pubsub: PubSub
    subscription: Subscription

    def __call__(self, delivery: Delivery) -> bool:
        """True when the delivery is over."""
        policy = self.subscription
        if not policy.dead_letter or delivery.attempt < policy.max_attempts:
            return False
        with self.pubsub._world.lock:
            self.pubsub.publish(policy.dead_letter, base64.b64decode(delivery.data), delivery.about)
        return True

    @property
    def counting(self) -> bool:
        """Attempts are told only with a dead letter policy."""
        return bool(self.subscription.dead_letter)
