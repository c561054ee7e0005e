"""All state of the pretend Google."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from sandbox.google.accounts import Accounts
from sandbox.google.errors import GoogleError, invalid
from sandbox.google.keys import KeyRing
from sandbox.google.mailbox import Mailbox
from sandbox.google.message import Json
from sandbox.google.pubsub import PubSub
from sandbox.google.quota import Quota
from sandbox.world import World

WATCH_LIFE = timedelta(days=7)
DEFAULT_TOPIC = "projects/sandbox/topics/gmail"

SWITCHES: dict[str, object] = {
    "google.token_seconds": 3600,
    "google.scopes_ticked": True,
    "google.refresh_error": "",  # error_subtype with which every refresh is refused
    "google.refresh_words": "",  # error_description with which every refresh is refused
    "google.consent_seconds": 0,  # how long consents last from now on; 0 = for good
    "google.certs_max_age": 21_600,
    "gmail.quota": True,
    "gmail.units_per_minute": 6000,
    "gmail.project_units_per_minute": 1_200_000,
    "gmail.concurrency": 25,  # calls in flight per user, those of a batch included
    "gmail.rearm": False,  # asking during a lock-out makes it longer
    "gmail.push_interval": 1.0,  # seconds between notifications of a user; 0 = all leave
    "gmail.history_id_number": True,  # in notifications: JSON number or string
    "gmail.history_lag": 0.0,  # seconds until history.list knows of a change
    "gmail.history_labels": True,  # labelIds in history records
    "gmail.get_lag": 0.0,  # seconds during which messages.get answers 404
    "gmail.search_lag": 0.0,  # seconds until messages.list knows of a message
    "gmail.inline_limit": 100_000,  # bytes of a text body shown inline
    "gmail.decoded_headers": True,
    "gmail.changing_attachment_ids": True,
    "gmail.upper_case_address": False,  # notifications spell the address in other case
    "pubsub.auth": False,  # pull and ack demand a token
    "pubsub.pull_wait": 5.0,  # seconds a pull waits for a message
    "pubsub.max_backoff": 60.0,  # seconds
    "pubsub.publisher": True,  # Gmail may publish on the topics
    "pubsub.foreign_key": False,  # pushes carry tokens signed by a key that is not published
}


@dataclass
class Watch:
    topic: str
    labels: frozenset[str]
    exclude: bool
    expires_ms: int
    silent: bool = False  # never announces, and watching again does not help: only stop does


@dataclass
class Google:
    """Accounts, mailboxes, watches, quota, Pub/Sub."""

    world: World
    keys: KeyRing
    accounts: Accounts
    pubsub: PubSub
    quota: Quota
    boxes: dict[str, Mailbox] = field(default_factory=dict)
    watches: dict[tuple[str, str], Watch] = field(default_factory=dict)  # (address, project)
    _pushed: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> "Google":
        """The world's Google, made when first asked for."""
        found = world.parts.get("google")
        if isinstance(found, Google):
            return found
        for name, default in SWITCHES.items():
            world.switch(name, default)
        keys = KeyRing()
        google = cls(world, keys, Accounts(world, keys), PubSub(world, keys), Quota(world))
        world.parts["google"] = google
        world.resets.append(google.reset)
        google.reset()
        return google

    def reset(self) -> None:
        self.boxes.clear()
        self.watches.clear()
        self._pushed.clear()
        self.accounts.reset()
        self.quota.reset()
        self.pubsub.reset()
        self.pubsub.put_topic(DEFAULT_TOPIC)

    # -- watch and stop

    def watch(self, box: Mailbox, project: str, body: Json) -> Json:
        """users.watch; raises the refusals that Gmail gives."""
        topic = str(body.get("topicName", ""))
        if not topic.startswith(f"projects/{project}/topics/"):
            raise invalid(f"Invalid topicName does not match projects/{project}/topics/*")
        if not self.pubsub.has_topic(topic):
            raise GoogleError(
                404, f"Resource not found (resource={topic.split('/')[-1]}).", "notFound"
            )
        if not self.world.switches["pubsub.publisher"]:
            raise GoogleError(
                403,
                f"Error sending test message to Cloud PubSub {topic} : "
                "User not authorized to perform this action.",
                "forbidden",
            )
        behaviour = str(body.get("labelFilterBehavior", "include")).lower()
        if behaviour not in ("include", "exclude"):
            raise invalid("Invalid value at 'label_filter_behavior'")
        old = self.live_watch(box.address, project)
        if old and old.topic != topic:
            raise invalid(
                "Only one user push notification client allowed per developer "
                "(call /stop then try again)"
            )
        labels = body.get("labelIds") or []
        if not isinstance(labels, list):
            raise invalid("Invalid value at 'label_ids'")
        ends = int((self.world.now() + WATCH_LIFE).timestamp() * 1000)
        chosen = frozenset(map(str, labels))
        silent = old is not None and old.silent
        new = Watch(topic, chosen, behaviour == "exclude", ends, silent)
        self.watches[box.address, project] = new
        if not silent:
            self._notify(box, topic)
        return {"historyId": str(box.history.current), "expiration": str(ends)}

    def live_watch(self, address: str, project: str) -> Watch | None:
        found = self.watches.get((address, project))
        now = self.world.now().timestamp() * 1000
        return found if found and found.expires_ms > now else None

    def stop(self, address: str, project: str) -> None:
        self.watches.pop((address, project), None)

    def silence(self, address: str) -> None:
        """The watches there are now announce nothing any more, though they are alive."""
        for key, watch in self.watches.items():
            watch.silent |= key[0] == address

    def end_watches(self, address: str) -> None:
        for one in [key for key in self.watches if key[0] == address]:
            del self.watches[one]

    # -- notifications

    def changed(self, box: Mailbox, labels: Iterable[str]) -> None:
        """A mailbox changed: notify its watches, at most once a second, the excess is dropped."""
        seen = set(labels)
        for address, project in [key for key in self.watches if key[0] == box.address]:
            watch = self.live_watch(address, project)
            if watch is None or watch.silent or not _wanted(watch, seen):
                continue
            now = self.world.now().timestamp()
            interval = float(str(self.world.switches["gmail.push_interval"]))
            if 0 <= now - self._pushed.get(address, 0.0) < interval:  # the clock may be put back
                self.world.notifications.record(
                    "google", address, self.world.now(), "rate", history_id=box.history.current
                )
                continue
            self._pushed[address] = now
            self._notify(box, watch.topic)

    def _notify(self, box: Mailbox, topic: str) -> None:
        current: int | str = box.history.current
        if not self.world.switches["gmail.history_id_number"]:
            current = str(current)
        upper = self.world.switches["gmail.upper_case_address"]
        address = box.address.title() if upper else box.address
        data = json.dumps({"emailAddress": address, "historyId": current})
        self.pubsub.publish(topic, data.encode(), about=box.address)


def _wanted(watch: Watch, labels: set[str]) -> bool:
    """The label filter; sent mail and drafts slip through an `include` one, as people report."""
    if not watch.labels:
        return True
    if watch.exclude:
        return not labels <= watch.labels
    return bool(labels & (watch.labels | {"SENT", "DRAFT"}))
