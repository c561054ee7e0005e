"""How many calls of a provider a message costs: counted by the sandbox, real adapters, no timing."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from crm.store import mailboxes
from crm.tables import JournalRow
from infra.blobs import Blobs
from replylog.pretend import Pretend
from tests.faults.letters import CONTACTS, Letters
from tests.faults.office import DOMAINS, Office, office, utc_now
from tests.faults.verdicts import look
from tests.sandbox_process import Sandbox
from workers.queue import Queue
from workers.runtime import Runtime, client_opener
from workers.sync import sync

REFUSED = ("junk", "subject-changed", "unknown-sender", "not-a-reply", "unknown-thread")
WHOLE = {"gmail": "gmail.messages.get.full", "graph": "graph.messages.get"}
FOLDERS = 3  # that are listed at Microsoft: Inbox, Sent Items, Junk Email


def expected(counted: "Counted", listed: int, logged: int) -> dict[str, int]:
    """Calls of a run in which headers of `listed` messages are read, and `logged` of them whole."""
    together = -(-logged // 10) if logged > 1 else 0
    if counted.provider == "graph":  # its listings carry the headers
        whole = {"graph.messages.get": logged, "graph.messages.get.body": logged}
        calls = {"graph.delta": FOLDERS, "graph.batch": together, **whole}
        return {name: number for name, number in calls.items() if number}
    calls = {
        "gmail.history.list": 1,
        "gmail.batch": -(-listed // 10) + together,
        "gmail.messages.get": listed + logged,
        "gmail.messages.get.metadata": listed,
        "gmail.messages.get.full": logged,
    }
    return {name: number for name, number in calls.items() if number}


@dataclass
class Counted:
    """One mailbox with a logged thread; `calls` are those since the last `reset`."""

    office: Office
    provider: str
    owner: str
    mailbox_id: int
    letters: Letters
    runtime: Runtime

    def sync(self) -> None:
        sync(self.runtime, self.mailbox_id, threading.Event())

    def reset(self) -> None:
        self.office.world.post("counts/reset")

    def calls(self) -> dict[str, int]:
        """Calls by operation, without those of this test."""
        counts: dict[str, int] = self.office.world.get("counts")
        return {name: n for name, n in counts.items() if name.startswith(self.provider)}

    def whole_reads(self, calls: dict[str, int]) -> int:
        return calls.get(WHOLE[self.provider], 0)

    def bodies(self, calls: dict[str, int]) -> int:
        """Answers that held a body: of one message, or of a listing."""
        return sum(n for name, n in calls.items() if name.endswith((".full", ".raw", ".body")))

    def after(self, *kinds: str) -> dict[str, int]:
        """Calls of one run after letters of these kinds have arrived."""
        for kind in kinds:
            self.letters.one(kind)
        self.reset()
        self.sync()
        found = look(self.office, self.letters.expected)
        assert found.right, found
        return self.calls()


@pytest.fixture(params=["gmail", "graph"])
def counted(
    request: pytest.FixtureRequest, sandbox: Sandbox, redis: Any, tmp_path: Path
) -> Iterator[Counted]:
    provider: str = request.param
    with office(tmp_path / "var", world=Pretend(sandbox.url, sandbox.dns)) as made:
        made.contact(*CONTACTS)
        owner = f"owner@{DOMAINS[provider]}"
        mailbox_id = made.connect(owner, provider)
        opener = client_opener(made.database, made.secrets, made.settings)
        blobs = Blobs(made.settings)
        runtime = Runtime(made.database, Queue(redis), made.secrets, opener, blobs)
        letters = Letters(made, [owner], Random(1))
        with made.database.begin() as conn:  # folders and watches are another test's subject
            mailbox = mailboxes.by_id(conn, mailbox_id)
            assert mailbox is not None
            mailboxes.set_renew_at(conn, mailbox, utc_now() + timedelta(days=1))
        if provider == "graph":  # it tells when mail came in whole seconds, rounded down
            time.sleep(1)
        found = Counted(made, provider, owner, mailbox_id, letters, runtime)
        letters.begin()
        found.sync()
        yield found


def test_a_logged_message_costs_one_whole_read(counted: Counted):
    calls = counted.after("reply", "reply", "reply", "reply")

    assert counted.whole_reads(calls) == 4
    assert calls == expected(counted, listed=4, logged=4)


def test_a_refused_message_costs_no_whole_read_and_no_body(counted: Counted):
    calls = counted.after(*REFUSED)

    assert counted.whole_reads(calls) == 0
    assert counted.bodies(calls) == 0
    assert calls == expected(counted, listed=len(REFUSED), logged=0)


def test_junk_costs_its_headers_so_that_the_journal_names_its_sender(counted: Counted):
    calls = counted.after("junk", "junk", "junk")

    assert calls == expected(counted, listed=3, logged=0)
    assert counted.bodies(calls) == 0
    query = select(JournalRow.sender).where(
        JournalRow.account_id == counted.office.account_id, JournalRow.rule == "junk"
    )
    with counted.office.database.read() as conn:
        assert set(conn.scalars(query)) <= set(CONTACTS)


def test_a_run_without_news_costs_its_listing_alone(counted: Counted):
    assert counted.after() == expected(counted, listed=0, logged=0)


def test_a_copy_of_what_is_logged_costs_no_whole_read(counted: Counted):
    (root,) = counted.letters.roots[counted.owner][:1]
    counted.letters._arrive(root, "reply", message_id="<once@globex.test>")
    counted.sync()
    counted.letters._arrive(root, "duplicate", message_id="<once@globex.test>")

    assert counted.whole_reads(counted.after()) == 0


def test_the_mix_costs_one_whole_read_for_each_logged_message_at_most(counted: Counted):
    before = look(counted.office, counted.letters.expected).logged
    calls = counted.after(*["reply"] * 12, "twice", *REFUSED, *REFUSED)
    logged = look(counted.office, counted.letters.expected).logged - before

    assert counted.whole_reads(calls) <= logged
    assert counted.bodies(calls) <= logged
    # headers of 23 messages and 13 whole ones, ten at a time
    assert calls.get("gmail.batch", 0) <= 5
