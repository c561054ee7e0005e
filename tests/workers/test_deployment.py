"""Old code and new code side by side: processes of both work on one database and one Redis.

The other version is made here: tables that a later revision has widened, and rows of kinds that this
code has never heard of. What a later version may do to them is in docs/faults.md.
"""

import json
from datetime import timedelta

import pytest
from rq import Queue as RqQueue
from rq.serializers import JSONSerializer
from sqlalchemy import insert, inspect

from crm import history
from crm.database import Database
from crm.store import settings as account_settings
from crm.store.deliveries import Due
from crm.tables import PendingMessage
from tests.workers.conftest import Office
from workers import event_bodies
from workers.queue import DRAIN, QUEUE_NAME, Subscription
from workers.timetable import Timetable

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"
WIDENED = ("mailbox", "journal", "email", "thread", "pending", "outbox", "contact", "sighting")


@pytest.fixture
def newer(office: Office) -> Office:
    """An office whose database a later revision has widened."""
    widen(office.database)
    return office


def widen(database: Database) -> None:
    """What a later revision may do: columns with defaults, tables, and a revision of its own."""
    with database.begin() as conn:
        for table in WIDENED:
            conn.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN later INTEGER NOT NULL DEFAULT 0")
        conn.exec_driver_sql("CREATE TABLE later_things (id INTEGER PRIMARY KEY)")
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


def test_code_that_starts_on_newer_tables_leaves_them_as_they_are(database: Database):
    widen(database)
    database.upgrade()
    with database.read() as conn:
        assert conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"
        assert "later_things" in inspect(conn).get_table_names()


def test_mail_is_read_and_logged_on_newer_tables(newer: Office):
    newer.contact(MARIA)
    ana = newer.mailbox("ana@acme.test")
    newer.send(ana, MARIA, "Offer 12", ROOT)
    newer.deliver(ana, MARIA, "Re: Offer 12", "reply-1@globex.test", answers=ROOT)
    newer.deliver(ana, "zoe@stranger.test", "Re: Offer 12", "other@x", answers=ROOT)
    assert Timetable(newer.runtime).tick()
    newer.settle(steps=3)
    assert newer.timeline() == {(ROOT, 1, 1), ("reply-1@globex.test", 1, 1)}


def test_settings_that_only_newer_code_knows_are_passed_over(office: Office):
    with office.database.begin() as conn:
        before = account_settings.settings_of(conn, office.account_id)
        row = {"account_id": office.account_id, "name": "of_tomorrow", "value": {"deep": [1]}}
        conn.execute(insert(account_settings.Setting).values(row))
        assert account_settings.settings_of(conn, office.account_id) == before


def test_a_happening_of_an_unknown_kind_still_has_a_sentence():
    assert history.sentence("seen-by-newer-code", {"more": 1}) == "Seen by newer code."


def test_a_message_that_waits_for_a_reason_of_newer_code_is_judged_as_any(office: Office):
    office.contact(MARIA)
    ana = office.mailbox("ana@acme.test")
    office.send(ana, MARIA, "Offer 12", ROOT)
    office.sync(ana)
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "reply-1@globex.test", answers=ROOT)
    row = {"mailbox_id": ana, "provider_id": ref, "provider_thread": "", "reason": "of-tomorrow"}
    more = {"account_id": office.account_id, "next_at": office.clock, "created_at": office.clock}
    with office.database.begin() as conn:
        conn.execute(insert(PendingMessage).values(row | more))
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")
    assert office.pending() == []


def test_an_event_of_an_unknown_topic_is_told_with_what_it_carries(office: Office):
    """Newer code may tell of more; a worker of either version delivers."""
    due = Due(1, office.account_id, 1, 1, 1, "of.tomorrow", {"id": 1}, office.clock)
    with office.database.read() as conn:
        assert event_bodies.body(conn, due)["data"] == {"id": 1}


def test_what_newer_code_remembers_of_a_subscription_is_understood(office: Office, redis):
    redis.set("replylog:subscription:S", json.dumps([7, "digest", "folder", "more", {"of": 1}]))
    found = office.queue.subscriptions(["S"])
    assert found == {"S": Subscription(7, "digest", "folder")}


def test_what_older_code_remembers_of_a_subscription_is_understood(office: Office, redis):
    redis.set("replylog:subscription:S", json.dumps([7, "digest"]))
    assert office.queue.subscriptions(["S"]) == {"S": Subscription(7, "digest")}


def test_a_reason_to_look_at_watches_of_newer_code_is_left_to_it(office: Office, redis):
    ana = office.mailbox("ana@acme.test")
    redis.zadd("replylog:asked", {f"{ana}:of-tomorrow": 1.0})
    assert office.queue.take_rewatch(ana) == {}
    assert redis.zscore("replylog:asked", f"{ana}:of-tomorrow") == 1.0


def test_the_job_that_both_versions_queue_has_one_name(office: Office, redis):
    """A worker takes whatever is queued: another name, and the older one would fail it."""
    office.queue.wake(1)
    queued = RqQueue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    assert [job.func_name for job in queued.jobs] == ["workers.drain.drain"]
    assert (QUEUE_NAME, DRAIN) == ("replylog", "workers.drain.drain")


def test_a_mailbox_of_a_kind_or_state_of_newer_code_does_not_stop_the_others(office: Office):
    office.contact(MARIA)
    ana, strange = office.mailbox("ana@acme.test"), office.mailbox("ben@acme.test")
    office.send(ana, MARIA, "Offer 12", ROOT)
    with office.database.begin() as conn:
        conn.exec_driver_sql(f"UPDATE mailbox SET status = 'resting' WHERE id = {strange}")
    assert Timetable(office.runtime).tick()
    office.clock += timedelta(seconds=1)
    office.settle(steps=2)
    assert office.timeline() == {(ROOT, 1, 1)}
