"""Limits: kept with the mailbox, looked at before any call, told once, and over when they are over."""

import ast
import inspect
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm.history import What, sentence
from crm.store import history, limits, operations, runs
from crm.tables import Mailbox as Table
from providers import causes
from providers.client import Limited, Operator, Retry
from providers.waiting import LIMITS
from tests.workers.conftest import Office
from tests.workers.losses.play import before, reply
from workers.limits import SPREAD
from workers.times import OUTAGE, QUIET

HERE = Path(__file__).resolve().parents[3]
SECOND = timedelta(seconds=1)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def happened(office: Office, mailbox: int) -> list[tuple[str, dict[str, Any]]]:
    with office.database.read() as conn:
        listed = history.listing(conn, office.account_id, mailbox, 50).items
    return [(each.what, each.facts) for each in reversed(listed)]


def told(office: Office, mailbox: int) -> list[str]:
    ours = {What.LIMITED, What.LIMIT_OVER, What.SETUP_FAULT, What.SETUP_MENDED}
    return [what for what, _ in happened(office, mailbox) if what in ours]


CALLS = ["changes", "headers", "message", "watch", "folders", "ensure_label"]


@pytest.mark.parametrize("method", CALLS)
def test_a_limit_met_by_any_call_ends_the_run_at_once_and_is_nobodys_fault(
    office: Office, ana: int, method: str
) -> None:
    office.clock += timedelta(days=2)  # watch, folders and label are due
    reply(office, ana, "r@x")
    box = office.boxes[ana]
    box.refuse(Limited("user"), method=method, times=99)
    box.calls.clear()
    office.sync(ana)
    assert box.calls[method] == 1
    assert office.pending() == []
    row = office.row(ana)
    assert row.rests(office.clock)
    assert (row.blocked_by, row.wake_at) == ("limit:user", row.blocked_until)
    made = box.calls.total()
    office.sync(ana, ana)
    assert box.calls.total() == made, "nothing is asked while it rests"
    box.faults.clear()
    office.settle(steps=20)
    assert ("r@x", 1, 1) in office.timeline()
    assert office.row(ana).blocked_by == ""


def test_a_stated_time_is_kept_to_the_second(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Limited("user", 900.0), method="changes")
    office.sync(ana)
    assert office.row(ana).blocked_until == office.clock + timedelta(seconds=900)


def test_a_limit_without_a_time_or_with_one_that_is_too_short_is_asked_ever_more_rarely(
    office: Office, ana: int
) -> None:
    for after in (None, 1.0):
        box = office.boxes[ana]
        box.refuse(Limited("user", after), method="changes", times=10_000)
        box.calls.clear()
        office.settle(steps=6 * 60, step=timedelta(seconds=10))
        assert 6 <= box.calls["changes"] <= 20, "an hour"
        wake_at = office.row(ana).wake_at
        assert wake_at is not None
        assert wake_at <= office.clock + QUIET
        box.faults.clear()
        office.settle(steps=70, step=timedelta(seconds=10))


def test_a_limit_is_told_when_it_begins_and_when_it_is_over_not_on_every_try(
    office: Office, ana: int
) -> None:
    metric = LIMITS.labels("memory", "minute")
    counted = metric._value.get()
    office.boxes[ana].refuse(Limited("minute", 60.0), method="changes", times=5)
    office.sync(ana)
    since = office.clock
    office.settle(steps=4, step=timedelta(seconds=61))
    assert office.row(ana).blocked_since == since
    assert told(office, ana) == [What.LIMITED]
    office.settle(steps=30, step=timedelta(seconds=61))
    assert told(office, ana) == [What.LIMITED, What.LIMIT_OVER]
    _, over = happened(office, ana)[-1]
    assert over["seconds"] >= 4 * 61
    assert metric._value.get() == counted + 5
    for what, facts in happened(office, ana):
        assert sentence(what, facts).endswith(".")


def test_a_fault_of_the_set_up_is_told_once_with_its_cause_and_its_end(
    office: Office, ana: int
) -> None:
    office.boxes[ana].refuse(Operator(causes.API_NOT_ENABLED), method="changes", times=3)
    since = office.clock
    office.sync(ana)
    office.settle(steps=3, step=timedelta(minutes=16))
    row = office.row(ana)
    assert (limits.setup_cause(row), row.blocked_since) == (causes.API_NOT_ENABLED, since)
    office.settle(steps=3, step=timedelta(minutes=16))
    assert told(office, ana) == [What.SETUP_FAULT, What.SETUP_MENDED]
    assert ("setup-fault", {"cause": causes.API_NOT_ENABLED}) in happened(office, ana)


def test_an_outage_in_the_middle_of_a_fault_is_no_end_of_it(office: Office, ana: int) -> None:
    for error in (Operator(causes.API_NOT_ENABLED), Retry(None), Operator(causes.API_NOT_ENABLED)):
        office.boxes[ana].refuse(error, method="changes")
        office.settle(steps=1, step=timedelta(minutes=16))
    assert told(office, ana) == [What.SETUP_FAULT]
    assert limits.setup_cause(office.row(ana)) == causes.API_NOT_ENABLED


def test_an_outage_of_the_provider_is_not_told_as_a_limit(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Retry(None), method="changes", times=3)
    office.settle(steps=60)
    assert told(office, ana) == []


def test_after_a_long_outage_a_mailbox_is_soon_read(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Retry(None), method="changes", times=10_000)
    office.settle(steps=6 * 60, step=timedelta(seconds=10))
    wake_at = office.row(ana).wake_at
    assert wake_at is not None
    assert wake_at <= office.clock + OUTAGE


@pytest.mark.parametrize(
    "error", [Limited("project", 60.0, everyone=True), Operator(causes.PROJECT_QUOTA)]
)
def test_a_limit_of_the_project_holds_for_all_mailboxes_of_the_provider(
    office: Office, ana: int, error: Limited | Operator
) -> None:
    bob, cleo = office.mailbox("bob@acme.test"), office.mailbox("cleo@acme.test")
    office.sync(bob, cleo)
    office.boxes[ana].refuse(error, method="changes")
    office.sync(ana)
    opened = office.opened
    office.sync(bob, cleo)
    assert office.opened == opened
    until = office.row(ana).blocked_until
    assert until is not None
    for box in (bob, cleo):
        row = office.row(box)
        assert (row.blocked_until, row.blocked_by) == (until, office.row(ana).blocked_by)
        assert row.wake_at is not None
        assert until <= row.wake_at <= until + SPREAD, "not all at the same second"
        assert len(told(office, box)) == 1
    assert office.row(bob).wake_at != office.row(cleo).wake_at
    with office.database.read() as conn:
        assert operations.state(conn, office.clock).blocked == 3
    office.clock = until
    office.settle(steps=65)
    assert told(office, bob)[-1] in {What.LIMIT_OVER, What.SETUP_MENDED}


def test_a_run_that_is_under_way_stops_where_another_mailbox_met_a_limit_of_the_project(
    office: Office, ana: int
) -> None:
    office.page_size = 5
    refs = [office.deliver(ana, "zoe@x.test", "New", f"n{n}@x") for n in range(30)]
    box = office.boxes[ana]
    box.calls.clear()

    def meanwhile() -> None:
        with office.database.begin() as conn:
            until = office.clock + HOUR
            limits.block_all(conn, "memory", until, "limit:project", office.clock)

    before(office, ana, "headers", meanwhile)
    office.sync(ana)
    assert box.calls["headers"] == 1, "what was asked for is stored, and nothing more is asked"
    assert len([ref for ref in refs if ref in office.journal(ana)]) == 5
    assert office.row(ana).wake_at == office.row(ana).blocked_until == office.clock + HOUR
    office.clock += HOUR
    office.settle(steps=65)
    assert all(ref in office.journal(ana) for ref in refs)


def test_a_limit_of_one_mailbox_holds_for_no_other(office: Office, ana: int) -> None:
    bob = office.mailbox("bob@acme.test")
    office.boxes[ana].refuse(Limited("user", 900.0), method="changes")
    office.sync(ana, bob)
    assert not office.row(bob).rests(office.clock)


def test_how_many_rest_is_asked_of_an_index(office: Office) -> None:
    with office.database.read() as conn:
        query = "EXPLAIN QUERY PLAN SELECT count(*) FROM mailbox WHERE blocked_until > '2026'"
        plan = " ".join(str(row) for row in conn.exec_driver_sql(query))
    assert "ix_mailbox_blocked_until" in plan


def test_where_several_at_once_were_too_much_one_is_asked_for_at_a_time(
    office: Office, ana: int
) -> None:
    asked: list[int] = []
    for n in range(4):
        reply(office, ana, f"r{n}@x")
    office.boxes[ana].refuse(Limited("concurrency", 5.0), method="headers")
    office.sync(ana)
    office.clock += 6 * SECOND
    opened = office._open

    def watching(mailbox: Any) -> Any:
        client = opened(mailbox)
        read = client.headers
        client.headers = lambda refs: asked.append(len(refs)) or read(refs)  # type: ignore[func-returns-value]
        return client

    office._open = watching  # type: ignore[method-assign]
    office.sync(ana)
    assert asked == [1, 1, 1, 1]


# ---- web pages beside runs


def test_a_page_and_a_run_never_ask_at_the_same_time(office: Office, ana: int) -> None:
    reply(office, ana, "r@x")
    with office.database.begin() as conn:
        token = runs.borrow(conn, office.row(ana), office.clock, MINUTE)
        assert token
        assert not runs.borrow(conn, office.row(ana), office.clock, MINUTE), "nor two pages"
    box = office.boxes[ana]
    made = box.calls.total()
    office.queue.wake(ana)
    office.sync(ana)
    assert box.calls.total() == made
    assert office.queue.awake() == 0, "a run that must wait does not spin"
    with office.database.begin() as conn:
        assert runs.give_back(conn, office.row(ana), token, office.clock), "it is rung then"
    office.sync(ana)
    assert ("r@x", 1, 1) in office.timeline()


def test_a_page_does_not_ask_during_a_run(office: Office, ana: int) -> None:
    tokens = []

    def look() -> None:
        with office.database.begin() as conn:
            tokens.append(runs.borrow(conn, office.row(ana), office.clock, MINUTE))

    before(office, ana, "changes", look)
    office.sync(ana)
    assert tokens == [""]


def test_a_page_whose_process_died_is_no_death_of_a_run(office: Office, ana: int) -> None:
    with office.database.begin() as conn:
        runs.borrow(conn, office.row(ana), office.clock, 45 * SECOND)
    reply(office, ana, "r@x")
    office.settle(steps=60)
    assert ("r@x", 1, 1) in office.timeline()
    query = select(Table.deaths).where(Table.account_id == office.account_id)
    assert office.rows(query) == [(0,)]


# ---- nobody sleeps, and nobody asks unasked

FOLDERS = ("workers", "providers", "web", "crm", "webhooks")
SLEEPERS = {
    "workers/worker.py": "the parent of the workers, which asks no provider",
    "providers/tokens.py": "waits for a token that another process is storing, 1.5 s at most",
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            yield (node.func.id if isinstance(node.func, ast.Name) else name), node


def sources() -> Iterator[tuple[str, ast.AST]]:
    for folder in FOLDERS:
        for file in sorted((HERE / folder).rglob("*.py")):
            yield str(file.relative_to(HERE)), ast.parse(file.read_text())


def test_nobody_sleeps_and_no_library_repeats_a_request_by_itself() -> None:
    for name, tree in sources():
        slept = any(
            isinstance(node, ast.Attribute) and node.attr == "sleep" for node in ast.walk(tree)
        )
        assert not slept or name in SLEEPERS, name
        for called, node in calls(tree):
            repeats = {word.arg for word in node.keywords} & {
                "num_retries",
                "max_retries",
                "retries",
            }
            assert not repeats, (name, called)


ASKERS = {
    "workers/sync.py": "_attempt",  # after `guarded` has looked
    "web/journal_values.py": "_asked",  # after `_looked` has
    "web/mailboxes.py": "_unwatch",  # left out while it rests
    "web/connecting.py": "new_mailbox",  # with a consent of this minute; `web.connect` looks
    "web/parts.py": "client_of",  # hands on
    "workers/runtime.py": "client_opener",  # hands on
}


def test_a_mailbox_is_opened_only_where_its_limits_were_looked_at() -> None:
    found = {
        name
        for name, tree in sources()
        for called, _ in calls(tree)
        if called in {"open_client", "client_of"}
    }
    assert found == set(ASKERS)


def test_the_graph_client_has_no_layer_that_waits_or_repeats() -> None:
    from providers.graph import loop

    client = loop.http_client("http://127.0.0.1:9")
    layers, layer = [], client._transport.pipeline._first_middleware  # type: ignore[attr-defined]
    while layer is not None:
        layers.append(type(layer).__name__)
        layer = layer.next
    assert not any("Retry" in name for name in layers), layers


def test_gmails_requests_are_sent_once() -> None:
    from providers.gmail import client

    assert "num_retries" not in inspect.getsource(client)
