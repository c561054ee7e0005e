"""A mailbox's limit is not met: runs stop short of it, remember what they asked, and come back."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from crm.model import Headers, Message, Ref
from crm.spending import NOTHING, Spent
from crm.store import audits, runs
from crm.tables import Mailbox as Table
from providers.budget import Budget, allowance
from providers.client import Cursor, Item, Page
from providers.memory import MemoryClient, MemoryMailbox
from tests.workers.audit_desk import metric
from tests.workers.conftest import Office
from tests.workers.losses.play import reply
from workers.limits import LOOK_EVERY, Project
from workers.timetable import Timetable

LIMIT = 2500  # units a minute, of which 2,250 are used
SLOT = allowance(LIMIT, 60.0)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Metered(MemoryClient):
    """As Gmail counts: a listing costs 2 units, each message 20 each time. Its pages are small."""

    calls: list[tuple[datetime, int]]

    def __init__(self, mailbox: MemoryMailbox, spent: Spent) -> None:
        super().__init__(mailbox, page_size=25)
        self.budget = Budget(allowance(LIMIT, 60.0), spent, mailbox.now)

    def pay(self, units: int) -> None:
        self.budget.spend(units)
        self.calls.append((self.mailbox.now(), units))

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        self.pay(2)
        yield from super().changes(cursor)

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        found: list[Headers | None] = []
        for start in range(0, len(refs), 10):
            some = refs[start : start + 10]
            self.pay(20 * len(some))
            found += super().headers(some)
        return found

    def message(self, ref: Ref) -> Message:
        self.pay(20)
        return super().message(ref)

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Item, ...]]:
        self.pay(2)
        yield from super().between(since, until)

    def sparingly(self) -> None:
        self.budget.sparingly()

    def spent(self) -> Spent:
        return self.budget.spent


@pytest.fixture
def calls(office: Office, ana: int) -> list[tuple[datetime, int]]:
    """When what was asked of Ana's mailbox, from now on."""
    made: list[tuple[datetime, int]] = []

    def opened(mailbox: Any) -> MemoryClient:
        client = Metered(office.boxes[mailbox.id], mailbox.spent)
        client.calls = made
        return client

    office._open = opened  # type: ignore[method-assign]
    return made


def test_a_backlog_is_read_short_of_the_limit_and_to_its_end(
    office: Office, ana: int, calls: list[tuple[datetime, int]]
) -> None:
    refs = [office.deliver(ana, "zoe@x.test", "New", f"n{n}@x") for n in range(150)]
    refs += [reply(office, ana, f"r{n}@x") for n in range(20)]
    began, stops = office.clock, stopped_short()
    office.sync(ana)
    row = office.row(ana)
    assert row.wake_at is not None
    assert timedelta() < row.wake_at - office.clock <= 70 * SECOND
    assert row.blocked_until is None, "no failure, and nothing that anybody need know of"
    assert 0 < len(office.journal(ana)) < 150, "what was asked for is stored"
    assert stopped_short() == stops + 1
    asked = len(calls)
    office.sync(ana, ana)
    assert len(calls) == asked, "a push in the meantime brings no call"
    office.settle(steps=60 * 5)
    assert all(ref in office.journal(ana) for ref in refs)
    assert len(office.timeline()) == 21
    for begins, _ in calls:
        assert sum(units for at, units in calls if begins <= at < begins + MINUTE) <= 2250
    done = next(at for at, _ in reversed(calls) if at < began + 5 * MINUTE)
    assert done - began < 5 * MINUTE, "most of what is allowed is used"


def stopped_short() -> float:
    return metric("replylog_provider_limits_total", provider="memory", shape="budget")


def test_what_can_wait_leaves_room_for_new_mail(
    office: Office, ana: int, calls: list[tuple[datetime, int]]
) -> None:
    office.clock += timedelta(days=2)
    with office.database.begin() as conn:
        audits.begin(conn, office.account_id, ana, 3, office.clock)
        run = runs.take_lease(conn, ana, "run", office.clock, MINUTE)
        assert run is not None
        runs.note_spent(conn, run, "run", Spent(((SLOT.slot(office.clock), 1700),)), office.clock)
        runs.release(conn, run, "run", office.clock, office.clock)
    reply(office, ana, "r@x")
    office.sync(ana)
    assert ("r@x", 1, 1) in office.timeline()
    assert [units for _, units in calls] == [2, 20, 20], "the audit asks nothing"
    office.settle(steps=75)
    with office.database.read() as conn:
        assert audits.listing(conn, office.account_id, ana, 1)[0].ended_at is not None


def test_what_a_process_spent_is_known_to_the_next(
    office: Office, ana: int, calls: list[tuple[datetime, int]]
) -> None:
    reply(office, ana, "r@x")
    office.sync(ana)
    units = sum(each for _, each in calls)
    assert office.row(ana).spent.units == units == 42
    office.sync(ana)
    assert office.row(ana).spent.units == units + 2


def test_what_was_spent_is_stored_with_each_batch_not_at_the_end_alone(
    office: Office, ana: int, calls: list[tuple[datetime, int]]
) -> None:
    class Killed(BaseException):
        pass

    for n in range(30):
        office.deliver(ana, "zoe@x.test", "New", f"n{n}@x")
    opened = office._open

    def dying(mailbox: Any) -> Any:
        client = opened(mailbox)
        read = client.headers

        def headers(refs: Sequence[Ref]) -> Any:
            if len(calls) > 3:
                raise Killed
            return read(refs)

        client.headers = headers  # type: ignore[method-assign]
        return client

    office._open = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        office.sync(ana)
    assert office.row(ana).spent.units == 2 + 25 * 20


# ---- all mailboxes together


def spend(office: Office, mailbox: int, units: int, provider: str = "gmail") -> None:
    with office.database.begin() as conn:
        runs.take_lease(conn, mailbox, "run", office.clock, MINUTE)
        spent = Spent(((1, units),))
        runs.note_spent(conn, office.row(mailbox), "run", spent, office.clock)
        runs.release(conn, office.row(mailbox), "run", office.clock, office.clock + MINUTE)
        mine = (Table.account_id == office.account_id, Table.id == mailbox)
        conn.execute(update(Table).where(*mine).values(provider=provider))


def test_short_of_the_projects_limit_all_mailboxes_wait_a_minute(office: Office, ana: int) -> None:
    bob, cleo = office.mailbox("bob@acme.test"), office.mailbox("cleo@acme.test")
    spend(office, ana, 600_000)
    spend(office, bob, 300_000)
    spend(office, cleo, 900_000, provider="graph")
    timetable = Timetable(office.runtime)
    timetable.tick()
    assert not office.row(ana).rests(office.clock)
    assert metric("replylog_quota_units", provider="gmail") == 900_000
    spend(office, bob, 400_000)
    office.clock += LOOK_EVERY
    timetable.tick()
    assert [office.row(each).rests(office.clock) for each in (ana, bob, cleo)] == [1, 1, 0]
    assert office.row(ana).blocked_by == "limit:project"
    assert office.row(ana).blocked_until == office.clock + MINUTE
    office.clock += MINUTE
    timetable.tick()
    assert not office.row(ana).rests(office.clock), "what was spent is a minute ago"


def test_the_projects_count_is_taken_every_few_seconds_and_after_a_clock_was_put_back(
    office: Office, ana: int
) -> None:
    project = Project(office.runtime)
    project.look_due(office.clock)
    spend(office, ana, 500)
    project.look_due(office.clock + SECOND)
    assert metric("replylog_quota_units", provider="gmail") == 0
    project.look_due(office.clock - timedelta(hours=3))
    assert metric("replylog_quota_units", provider="gmail") == 500


def test_what_all_have_spent_is_asked_of_an_index(office: Office, ana: int) -> None:
    with office.database.read() as conn:
        query = "EXPLAIN QUERY PLAN SELECT sum(spent_units) FROM mailbox WHERE spent_at > '2026'"
        plan = " ".join(str(row) for row in conn.exec_driver_sql(query))
    assert "ix_mailbox_spent_at" in plan
    assert office.row(ana).spent == NOTHING
