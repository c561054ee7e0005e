"""Graph allows an app four requests at a time in a mailbox: runs, pages and consents together."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crm.database import Database
from crm.model import MailboxStatus
from crm.store import journal, mailboxes
from crm.store.mailboxes import Mailbox
from infra.blobs import Blobs
from infra.settings import Settings
from tests.crm.store_world import a_token
from tests.sandbox_process import Sandbox
from tests.web.company import Company
from tests.web.conftest import Client, close
from tests.web.test_connect import at_sandbox
from tests.web.test_why import HX
from web.app import create_app
from workers.queue import Ask, Queue
from workers.runtime import Runtime, client_opener
from workers.sync import sync

BEN = "ben@acme365.test"
RULES = 5


@dataclass
class Place:
    """Ben's mailbox at the pretend Microsoft, his pages, and runs over it."""

    company: Company
    client: Client
    runtime: Runtime
    sandbox: Sandbox

    def consent(self, path: str) -> None:
        """Ben asks at `path`, signs in there, and comes back."""
        start = self.client.get(path).location
        body = {"url": start, "address": BEN}
        back = self.sandbox.post("/control/microsoft/authorize", **body)["location"]
        assert self.client.get(back.partition("localhost")[2]).status_code == 302

    @property
    def mailbox(self) -> Mailbox:
        with self.company.database.read() as conn:
            (found,) = mailboxes.list_mailboxes(conn, self.company.account)
        return found

    def arrive(self, number: int) -> None:
        for n in range(number):
            self.sandbox.post(
                "/control/mail", **{"from": "zoe@x.test", "to": [BEN], "subject": f"News {n}"}
            )

    def sync(self) -> None:
        sync(self.runtime, self.mailbox.id, threading.Event())

    def refused(self) -> int:
        return int(self.sandbox.get("/control/counts").get("graph.throttled", 0))

    def journal(self) -> list[Any]:
        with self.company.database.read() as conn:
            rows = journal.rows(conn, self.company.account, self.mailbox.id, journal.Filter())
        return list(rows.items)


@pytest.fixture
def place(
    live_company: Company, live_settings: Any, sandbox: Sandbox, redis: Any
) -> Iterator[Place]:
    settings: Settings = live_settings("http://localhost", **at_sandbox(sandbox))
    sandbox.post("/control/people", address=BEN, name="Ben", provider="microsoft")
    for n in range(RULES):
        body = {"name": f"r{n}", "from_contains": f"c{n}", "target_folder": f"Customers {n}"}
        sandbox.post("/control/rule", address=BEN, **body)
    app, database = create_app(settings), Database(settings.resolved_database_url)
    client = Client(app)
    client.sign_in("ben@acme.test")
    opener = client_opener(database, live_company.secrets, settings)
    runtime = Runtime(database, Queue(redis), live_company.secrets, opener, Blobs(settings))
    made = Place(live_company, client, runtime, sandbox)
    owner, now = live_company.world.users["ben@acme.test"], live_company.now
    new = mailboxes.NewMailbox(owner, BEN, "graph", a_token(now))
    with database.begin() as conn:
        box = mailboxes.connect(conn, live_company.account, new, live_company.secrets, now)
        mailboxes.need_reconnect(conn, live_company.account, box, "revoked", now)
    made.consent(f"/mailboxes/{box}/reconnect/start")
    assert made.mailbox.status is MailboxStatus.CONNECTED
    yield made
    database.close()
    close(app)


@pytest.mark.timeout(120)
def test_runs_and_pages_together_never_ask_more_than_four_at_a_time(place: Place) -> None:
    place.arrive(20)
    place.sync()
    place.sandbox.post("/control/switches", **{"graph.latency": 0.1})
    page = f"/why/rows/{place.journal()[0].id}/values"
    told: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.03):
            told.append(place.client.get(page, headers=HX).text)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        while not all(
            any(each in text for text in told) for each in ("being read just now", "News")
        ):
            place.arrive(3)
            place.runtime.queue.rewatch(place.mailbox.id, Ask.PERSON)  # rules, folders, watches
            place.sync()
    finally:
        ended.set()
        looking.join()
    assert place.refused() == 0
    place.sandbox.post("/control/switches", **{"graph.concurrency": 1})
    place.sync()
    assert place.refused() > 0, "several at a time it was"


def test_a_new_consent_for_a_mailbox_that_is_read_asks_nothing_of_it(place: Place) -> None:
    place.sync()
    before = place.mailbox
    place.sandbox.post("/control/counts/reset")
    place.consent(f"/mailboxes/{before.id}/reconnect/start")
    asked = place.sandbox.get("/control/counts")
    assert {name for name in asked if name.startswith("graph.")} <= {"graph.me"}
    after = place.mailbox
    assert (after.cursor, after.status) == (before.cursor, MailboxStatus.CONNECTED)
    place.arrive(1)
    place.sync()
    assert len(place.journal()) == 1, "it is read with the new consent"
