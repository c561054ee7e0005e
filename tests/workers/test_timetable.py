"""The timetable: who leads, what it rings, what it mends, and that outages do not end it."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from crm.database import Database
from crm.history import What
from crm.store import history, journal, mailboxes, outbox
from crm.tables import Mailbox, OutboxEvent
from infra import redis_server as servers
from replylog.pretend import Pretend
from tests import postgres
from tests.faults.office import Office, utc_now, within
from tests.faults.office import office as company
from tests.sandbox_process import Sandbox
from tests.workers.conftest import Office as SmallOffice
from workers.queue import QUEUE_NAME, Queue
from workers.timetable import (
    HISTORY_KEPT,
    LEADER,
    LEADS,
    RETENTION,
    RETENTION_EVERY,
    TICKS,
    Timetable,
)

SECOND = timedelta(seconds=1)


def test_of_two_timetables_one_leads(office: SmallOffice):
    first, second = Timetable(office.runtime), Timetable(office.runtime)
    counts = (LEADS, TICKS.labels("led"), TICKS.labels("waited"))
    before = [count._value.get() for count in counts]

    assert [first.tick(), second.tick(), first.tick(), second.tick()] == [True, False, True, False]
    assert [count._value.get() - was for count, was in zip(counts, before, strict=True)] == [
        1,
        2,
        2,
    ]


def test_the_second_takes_over_when_the_first_stops(office: SmallOffice):
    first, second = Timetable(office.runtime), Timetable(office.runtime)
    first.tick()
    office.clock += LEADER - SECOND
    assert not second.tick()
    office.clock += SECOND

    assert second.tick()
    assert not first.tick()


def test_it_rings_what_is_due_and_nothing_else(office: SmallOffice):
    due, resting, gone = (office.mailbox(f"{name}@acme.test") for name in ("ana", "cleo", "eva"))
    office.sync(resting)
    with office.database.begin() as conn:
        mailboxes.disconnect(conn, office.account_id, gone, office.clock)

    Timetable(office.runtime).tick()

    assert office.queue.claim() == due
    assert office.queue.claim() is None


def test_a_mailbox_that_nobody_rings_is_asked_within_ten_minutes(office: SmallOffice):
    box = office.mailbox("ana@acme.test")
    office.sync(box)
    timetable = Timetable(office.runtime)
    timetable.tick()
    assert office.queue.awake() == 0

    office.clock += timedelta(minutes=10)
    timetable.tick()

    assert office.queue.claim() == box


def test_a_run_that_died_is_rung_again_when_its_lease_ends(office: SmallOffice):
    box = office.mailbox("ana@acme.test")
    lease = timedelta(seconds=45)
    with office.database.begin() as conn:
        mailboxes.take_lease(conn, box, "of a worker that was killed", office.clock, lease)
    timetable = Timetable(office.runtime)
    timetable.tick()
    assert office.queue.awake() == 0

    office.clock += lease
    timetable.tick()

    assert office.queue.claim() == box


def test_a_drain_job_that_was_lost_is_queued_again(office: SmallOffice, redis):
    office.queue.wake(office.mailbox("ana@acme.test"))
    queue = f"rq:queue:{QUEUE_NAME}"
    redis.delete(queue)

    timetable = Timetable(office.runtime)
    timetable.tick()
    timetable.tick()

    assert redis.llen(queue) == 1


def test_redis_may_be_lost_whole(office: SmallOffice, redis):
    box = office.mailbox("ana@acme.test")
    office.queue.wake(box)
    redis.flushall()

    Timetable(office.runtime).tick()

    assert office.queue.claim() == box
    assert redis.llen(f"rq:queue:{QUEUE_NAME}") == 1


def test_verdicts_on_refused_mail_are_forgotten_after_their_time(office: SmallOffice):
    box = office.mailbox("ana@acme.test")
    old = office.deliver(box, "zoe@stranger.test", "Old", "1@stranger.test")
    office.sync(box)
    timetable = Timetable(office.runtime)
    office.clock += RETENTION - timedelta(days=1)
    timetable.tick()
    assert old in office.rules(box)
    new = office.deliver(box, "zoe@stranger.test", "New", "2@stranger.test")
    office.sync(box)

    office.clock += timedelta(days=1) + RETENTION_EVERY
    timetable.tick()

    assert set(office.rules(box)) == {new}


def test_what_is_logged_stays_when_its_verdict_is_forgotten(office: SmallOffice):
    box = office.mailbox("ana@acme.test")
    office.contact("maria@globex.test")
    office.send(box, "maria@globex.test", "Offer", "1@acme.test")
    office.sync(box)
    office.clock += RETENTION + RETENTION_EVERY

    Timetable(office.runtime).tick()

    assert office.rules(box) == {}
    assert office.timeline() == {("1@acme.test", 1, 1)}


def test_forgetting_goes_in_steps_that_do_not_block_others(office: SmallOffice):
    box = office.mailbox("ana@acme.test")
    for n in range(3):
        office.deliver(box, "zoe@stranger.test", "Old", f"{n}@stranger.test")
    office.sync(box)
    with office.database.begin() as conn:
        assert journal.forget(conn, office.clock + SECOND, limit=2) == 2

    assert len(office.rules(box)) == 1


# ---- as a process


def make_due(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(
            update(Mailbox)
            .values(wake_at=utc_now())
            .execution_options(all_accounts="a test with one mailbox")
        )


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[servers.Server]:
    """A Redis that the test may kill."""
    server = servers.start(tmp_path / "redis-of-the-test")
    yield server
    server.stop()


def connected(made: Office, redis_url: str) -> None:
    made.environment["REPLYLOG_REDIS_URL"] = redis_url
    made.connect("owner@acme.test", "gmail")


def test_an_outage_of_redis_does_not_end_it(
    sandbox: Sandbox, own_redis: servers.Server, tmp_path: Path
):
    from redis import Redis

    world = Pretend(sandbox.url, sandbox.dns)
    with company(tmp_path / "var", world=world) as made:
        connected(made, own_redis.url)
        with made.role("timetable") as process:
            with Redis.from_url(own_redis.url) as client:
                assert within(20, lambda: Queue(client).awake())
            assert own_redis.process is not None
            os.kill(own_redis.process.pid, signal.SIGKILL)
            own_redis.process.wait()
            again = servers.start(tmp_path / "redis-of-the-test")
            try:
                with Redis.from_url(again.url) as client:
                    client.flushall()
                    make_due(made.database)
                    assert within(30, lambda: Queue(client).awake())
                assert process.poll() is None
            finally:
                again.stop()


def test_an_outage_of_the_database_does_not_end_it(
    sandbox: Sandbox, redis: Any, redis_server: Any, tmp_path: Path,
    postgres_server: postgres.Server, postgres_url: str,
):  # fmt: skip
    world = Pretend(sandbox.url, sandbox.dns)
    name = postgres_url.partition("@/")[2].partition("?")[0]
    with company(tmp_path / "var", postgres_url, world) as made:
        connected(made, redis_server.url)
        with made.role("timetable") as process:
            assert within(20, lambda: Queue(redis).awake())
            postgres_server.run(
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )
            log = made.settings.var / "timetable.log"
            assert within(20, lambda: "tick failed" in log.read_text())
            postgres_server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            redis.flushall()
            make_due(made.database)

            assert within(20, lambda: Queue(redis).awake())
            assert process.poll() is None


def test_events_are_forgotten_after_a_month_where_nobody_wants_them_too(office: SmallOffice):
    with office.database.begin() as conn:
        outbox.tell(conn, office.account_id, "email.logged", "email.logged:1", {}, office.clock)
    timetable = Timetable(office.runtime)
    for passed, left in ((RETENTION, 1), (RETENTION_EVERY, 0)):
        office.clock += passed
        timetable.tick()
        mine = OutboxEvent.account_id == office.account_id
        assert len(office.rows(select(OutboxEvent.id).where(mine))) == left


def test_the_history_of_a_mailbox_is_kept_for_more_than_a_year(office: SmallOffice):
    box = office.mailbox("ana@acme.test")
    begun = office.clock
    with office.database.begin() as conn:
        history.note(conn, office.account_id, box, What.CURSOR_EXPIRED, begun, since="2026")
    timetable = Timetable(office.runtime)
    for passed, left in ((timedelta(days=366), 1), (HISTORY_KEPT, 0)):
        office.clock = begun + passed + RETENTION_EVERY
        timetable.tick()
        with office.database.read() as conn:
            found = history.listing(conn, office.account_id, box, 9).items
        assert [each.what for each in found].count(What.CURSOR_EXPIRED) == left
