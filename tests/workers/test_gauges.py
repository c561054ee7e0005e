"""The gauges that the timetable sets: the numbers of the operator's page."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from crm.store import mailboxes
from workers.gauges import EVERY, Gauges
from workers.worker import _worker


@pytest.fixture
def database_url(sqlite_url):
    """The numbers themselves are tested on both databases."""
    return sqlite_url


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


def test_the_gauges_say_what_the_operators_page_does(office, redis):
    ana, ben = office.mailbox("ana@acme.test"), office.mailbox("ben@acme.test")
    with office.database.begin() as conn:
        mailboxes.need_reconnect(conn, office.account_id, ben, "mfa", office.clock)
    redis.sadd("rq:workers", "rq:worker:a", "rq:worker:killed")
    redis.hset("rq:worker:a", "birth", "now")
    office.queue.wake(ana)
    office.clock += timedelta(minutes=2)

    Gauges(office.runtime).set_due(office.clock)

    assert value("replylog_mailboxes", status="connected") == 1
    assert value("replylog_mailboxes_stopped", cause="mfa") == 1
    assert value("replylog_lag_seconds", which="worst") == 120
    assert value("replylog_oldest_due_seconds") == 120
    assert value("replylog_mailboxes_awake") == 1
    assert value("replylog_queue_jobs") == 1
    assert value("replylog_workers") == 1
    assert value("replylog_outbox_oldest_seconds") == 120
    assert value("replylog_timetable_ticked_seconds") == office.clock.timestamp()


def test_they_are_set_now_and_then_and_a_cause_that_is_gone_is_none(office):
    ben = office.mailbox("ben@acme.test")
    with office.database.begin() as conn:
        mailboxes.need_reconnect(conn, office.account_id, ben, "mfa", office.clock)
    gauges = Gauges(office.runtime)
    assert gauges.set_due(office.clock)
    assert not gauges.set_due(office.clock + EVERY / 2)
    with office.database.begin() as conn:
        mailboxes.disconnect(conn, office.account_id, ben, office.clock)

    assert gauges.set_due(office.clock + EVERY)
    assert value("replylog_mailboxes_stopped", cause="mfa") == 0


def test_workers_are_counted_by_the_keys_that_rq_gives_them(office, redis):
    rq = _worker(redis)
    rq.register_birth()
    try:
        assert office.queue.workers() == 1
        redis.flushdb()
        rq.heartbeat()
        assert office.queue.workers() == 1, "it is counted by a Redis that was emptied, too"
    finally:
        rq.register_death()
    assert office.queue.workers() == 0
