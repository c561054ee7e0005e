"""A mailbox at the pretend provider whose pushes reach us over HTTP, in a time that tests move."""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from flask import Flask
from sqlalchemy import delete
from werkzeug.serving import make_server

from crm.database import Database
from crm.history import sentence
from crm.model import WatchState
from crm.store import history, mailboxes
from crm.store.mailboxes import Mailbox
from crm.tables import Watch
from infra.secrets import Secrets
from infra.settings import Settings
from providers import oauth
from providers.client import MailClient
from providers.gmail.client import GmailClient
from providers.graph.client import GraphClient
from providers.tokens import StoredTokens
from tests.providers import gmail_rig, graph_rig
from tests.sandbox_process import Sandbox
from tests.waiting import LEAST, within
from tests.workers.conftest import Office, mail
from tests.workers.live import PROVIDERS
from web.connecting import new_mailbox
from webhooks.directory import Directory
from webhooks.graph import GraphNotifications
from workers.pull import Pull
from workers.queue import Queue

MARIA = "maria@globex.test"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
__all__ = ["DAY", "HOUR", "MARIA", "MINUTE", "Watched", "watched"]


@dataclass
class Watched:
    """One mailbox of `address` at `provider`; `office.clock` is the sandbox's clock, too."""

    office: Office
    sandbox: Sandbox
    provider: str
    address: str
    settings: Settings
    pull: Pull
    box: int = 0

    def __post_init__(self) -> None:
        kind = {"gmail": "google", "graph": "microsoft"}[self.provider]
        self.sandbox.post("/control/people", address=self.address, name="", provider=kind)
        self.forward(timedelta())

    def control(self, path: str, **body: Any) -> Any:
        return self.sandbox.post(f"/control/{path}", address=self.address, **body)

    def lifecycle(self, kind: str) -> None:
        """Graph tells each subscription's endpoint of it, and has been answered."""
        due = self._told_of(kind) + len(self.live)
        self.control("microsoft/lifecycle", kind=kind)
        assert within(5, lambda: self._told_of(kind) >= due)

    def _told_of(self, kind: str) -> int:
        log = self.sandbox.get("/control/notifications")["log"]
        return sum(
            one["address"] == self.address and one["detail"].get("change") == kind for one in log
        )

    def forward(self, by: timedelta) -> None:
        """Time passes, and nothing of ours runs."""
        self.office.clock += by
        ahead = self.office.clock - datetime.now(UTC)
        self.sandbox.post("/control/skew", seconds=ahead.total_seconds())

    def connect(self) -> None:
        name = {"gmail": "Gmail", "graph": "Microsoft 365"}[self.provider]
        grant = PROVIDERS[name].grant(self.sandbox, self.address)
        office = self.office
        new = new_mailbox(self.provider, grant, office.user(self.address), self.settings)
        with office.database.begin() as conn:
            made = mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)
        self.box = made

    def sync(self) -> None:
        self.office.sync(self.box)

    def timetable(self, span: timedelta) -> None:
        """The timetable rings as the mailbox is due, for so long."""
        until = self.office.clock + span
        while (wake := self.row.wake_at) is not None and wake <= until:
            self.forward(max(wake - self.office.clock, timedelta(milliseconds=1)))
            self.sync()
        self.forward(until - self.office.clock)

    def deliver(self, subject: str = "Hello", sender: str = MARIA) -> str:
        """A mail arrives; its Message-ID."""
        self.office.opened += 1
        name = f"{self.office.opened}-{self.office.clock.timestamp()}@globex.test"
        raw = mail(sender, self.address, subject, name, when=self.office.clock)
        encoded = base64.b64encode(raw).decode()
        made = self.sandbox.post("/control/mail", raw=encoded, recipients=[self.address])
        return str(made["ids"][self.address])

    def lies_in(self, folder: str, ref: str) -> bool:
        """Whether the provider has this message in the folder of that name."""
        found = self.sandbox.get("/control/mailbox", address=self.address)["messages"]
        return any((each["id"], each["folder"]) == (ref, folder) for each in found)

    def heard(self, seconds: float = LEAST) -> bool:
        """Whether a push rings the mailbox within `seconds`; takes the ring."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.provider == "gmail":
                self.pull.round()
            if self.office.queue.claim() == self.box:
                self.office.queue.done(self.box)
                return True
            time.sleep(0.01)
        return False

    @property
    def row(self) -> Mailbox:
        return self.office.row(self.box)

    @property
    def watches(self) -> list[WatchState]:
        with self.office.database.read() as conn:
            return mailboxes.watches(conn, self.office.account_id, self.box)

    @property
    def live(self) -> list[dict[str, Any]]:
        """What the provider says of its subscriptions."""
        found: list[dict[str, Any]] = self.sandbox.get("/control/microsoft/subscriptions")
        return found

    @property
    def seen(self) -> set[str]:
        return set(self.office.journal(self.box))

    @property
    def told(self) -> list[str]:
        """Sentences of its history, oldest first, but that it was connected."""
        with self.office.database.read() as conn:
            found = history.listing(conn, self.office.account_id, self.box, 50).items
        return [sentence(each.what, each.facts) for each in reversed(found)][1:]

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.sandbox.get("/control/counts")
        return found

    def forget_watches(self) -> None:
        """As a worker that is killed before it stored what it made."""
        with self.office.database.begin() as conn:
            conn.execute(delete(Watch).where(Watch.account_id == self.office.account_id))


class _Clocked(Office):
    settings: Settings

    def _open(self, mailbox: Mailbox) -> MailClient:
        def load() -> Any:
            with self.database.read() as conn:
                return mailboxes.tokens(conn, mailbox.account_id, mailbox.id, self.secrets)

        access = StoredTokens(
            load=load,
            save=lambda tokens, version: self._save(mailbox, tokens, version),
            refresh=lambda tokens: oauth.refresh(mailbox.provider, self.settings, tokens),
        )
        kind = {"gmail": GmailClient, "graph": GraphClient}[mailbox.provider]
        return kind(access, self.settings, clock=lambda: self.clock)

    def _save(self, mailbox: Mailbox, tokens: Any, version: int) -> bool:
        with self.database.begin() as conn:
            return mailboxes.save_tokens(
                conn, mailbox.account_id, mailbox.id, tokens, version, self.secrets
            )


@contextmanager
def watched(
    provider: str, database: Database, redis: Any, secrets: Secrets, sandbox: Sandbox
) -> Iterator[Watched]:
    """A connected mailbox whose first run is over."""
    address = f"ana-{time.monotonic_ns()}@{'acme365' if provider == 'graph' else 'acme'}.test"
    start = datetime.now(UTC).replace(microsecond=0)
    office = _Clocked(database, Queue(redis), secrets, start)
    office.queue = Queue(redis, lambda: office.clock.timestamp())
    office.contact(MARIA)
    long = 90 * DAY.total_seconds()  # tokens are renewed by the real clock
    sandbox.post("/control/switches", **{"entra.token_seconds": long, "google.token_seconds": long})
    app = Flask(__name__)
    hooks = GraphNotifications(Directory(office.queue, database), office.queue)
    app.add_url_rule("/webhooks/graph", view_func=hooks.receive, methods=["POST"])
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    office.settings = _settings(sandbox, provider, url)
    pull = Pull(office.settings, office.queue, database, requests.Session)
    try:
        made = Watched(office, sandbox, provider, address, office.settings, pull)
        made.connect()
        made.sync()
        yield made
    finally:
        pull.close()
        server.shutdown()
        thread.join()
        server.server_close()


def _settings(sandbox: Sandbox, provider: str, url: str) -> Settings:
    if provider == "graph":
        return graph_rig.settings_for(sandbox, public_url=url)
    topic = gmail_rig.WATCHED["google_pubsub_topic"]
    sandbox.post("/control/pubsub", topic=topic, subscription=gmail_rig.SUBSCRIPTION)
    sandbox.post("/control/switches", **{"pubsub.pull_wait": 0.05})
    return gmail_rig.settings_for(sandbox, pubsub_api_url=sandbox.url, **gmail_rig.WATCHED)
