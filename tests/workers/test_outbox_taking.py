"""Who takes which delivery, on both databases: no event is lost, none is held by two."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from crm.store import deliveries, endpoints, outbox
from crm.store.deliveries import WEBHOOK
from crm.tables import Delivery
from crm.topics import SCHEDULE, TOPICS, State
from tests.waiting import LEAST
from tests.workers.outbox_desk import deliver, delivered, endpoint, of, pass_time, tell
from tests.workers.receivers import URL, Receiver
from workers import outbox as work
from workers import webhooks

ZOE = "zoe@client.test"
ALL = tuple(TOPICS)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def running(office, receiver):
    return replace(office.runtime, post=receiver.post)


def test_an_event_reaches_each_endpoint_that_asked_for_its_topic_once(office, receiver, running):
    endpoint(office, "sequence.ended")
    endpoint(office, "sequence.ended", "email.logged", url="https://other.test/")
    endpoint(office, "email.logged", url="https://third.test/")
    tell(office, n=1)

    for _ in range(3):
        deliver(office, running)

    assert Counter(each.url for each in receiver.got) == {URL: 1, "https://other.test/": 1}
    (body, other) = (each.json for each in receiver.got)
    assert body == other == {
        "type": "sequence.ended", "timestamp": office.clock.isoformat(), "data": {"n": 1},
    }  # fmt: skip


def test_what_fails_is_sent_again_with_the_same_id_until_it_is_there(office, receiver, running):
    added = endpoint(office)
    receiver.answers = [500, "Timeout", 302, 200]
    tell(office)
    deliver(office, running)
    pass_time(office, running, timedelta(minutes=15), 5)

    assert len(receiver.got) == 4
    assert len({each.id for each in receiver.got}) == 1
    assert len({each.headers["webhook-timestamp"] for each in receiver.got}) == 4
    (row,) = delivered(office, added.id)
    assert (row.state, row.attempts, row.status, row.error) == ("delivered", 4, 200, "")


def test_when_every_try_was_used_it_is_dead_and_can_be_replayed(office, receiver, running):
    added = endpoint(office)
    receiver.answers = [500] * (len(SCHEDULE) + 1)
    tell(office)
    with_pauses_off = partial(pass_time, office, running, timedelta(days=2))
    deliver(office, running)
    for _ in SCHEDULE:
        with office.database.begin() as conn:  # as if it had answered others in between
            endpoints.well(conn, of(office, added.id))
            endpoints.resume(conn, office.account_id, added.id, office.clock)
        with_pauses_off(1)
    (row,) = delivered(office, added.id, dead_only=True)
    assert (row.dead, row.attempts) == (True, len(SCHEDULE) + 1)

    with office.database.begin() as conn:
        assert deliveries.replay(conn, office.account_id, added.id, office.clock, None) == 1
        endpoints.resume(conn, office.account_id, added.id, office.clock)
    deliver(office, running)

    assert [each.state for each in delivered(office, added.id)] == ["delivered"]
    assert len({each.id for each in receiver.got}) == 1


def test_one_that_fails_for_days_is_paused_with_an_event_and_loses_nothing(
    office, receiver, running
):
    added = endpoint(office, "sequence.ended")
    watching = endpoint(office, "webhook.paused", url="https://watching.test/")
    receiver.otherwise = 503
    tell(office)
    deliver(office, running)
    pass_time(office, running, timedelta(hours=12), 7)
    assert of(office, added.id).state is State.FAILING
    tried = len(receiver.got)
    tell(office, "t:2")
    pass_time(office, running, timedelta(days=1), 3)
    assert {each.url for each in receiver.got[tried:]} == {"https://watching.test/"}
    (told,) = {each.body for each in receiver.got[tried:]}
    assert b'"endpoint_id":%d' % added.id in told
    assert delivered(office, watching.id)

    receiver.otherwise = 200
    with office.database.begin() as conn:
        endpoints.resume(conn, office.account_id, added.id, office.clock)
    deliver(office, running)

    assert {each.state for each in delivered(office, added.id)} == {"delivered"}


def test_two_workers_do_not_send_at_once(office, receiver, running):
    endpoint(office)
    tell(office)
    work.spread(running)

    first = webhooks.claim(running, office.stopping)
    second = webhooks.claim(running, office.stopping)

    assert first is not None
    assert second is None


def test_an_endpoint_that_is_told_more_meanwhile_still_has_one_worker(office, receiver, running):
    added = endpoint(office)
    tell(office)
    work.spread(running)
    first = webhooks.claim(running, office.stopping)
    tell(office, "t:2")
    work.spread(running)
    assert of(office, added.id).due_at == office.clock

    assert webhooks.claim(running, office.stopping) is None
    first.make()
    assert len(receiver.got) == 2


def test_a_new_event_does_not_end_the_pause_of_an_endpoint_that_failed(office, receiver, running):
    added = endpoint(office)
    receiver.answers = [500]
    tell(office)
    deliver(office, running)
    tell(office, "t:2")
    deliver(office, running)
    assert len(receiver.got) == 1
    assert of(office, added.id).due_at > office.clock

    pass_time(office, running, timedelta(seconds=10), 1)
    assert len(receiver.got) == 3


def test_a_late_worker_does_not_end_the_try_of_another(office, receiver, running):
    added = endpoint(office)
    tell(office)
    work.spread(running)
    late = webhooks.claim(running, office.stopping)
    due = late._settle(None, False)
    office.clock += webhooks.HELD
    webhooks.claim(running, office.stopping)._settle(None, False)  # another has it in hand
    (before,) = delivered(office, added.id)

    late._settle(webhooks.Result(due, 500, "Status"), True)

    assert delivered(office, added.id) == (before,)


def test_what_a_killed_worker_had_in_hand_is_sent_again(office, receiver, running):
    endpoint(office)
    tell(office)
    work.spread(running)
    visit = webhooks.claim(running, office.stopping)
    assert visit._settle(None, False)  # taken, and then the worker dies
    deliver(office, running)
    assert receiver.got == []

    office.clock += webhooks.HELD
    deliver(office, running)

    assert receiver.types == ["sequence.ended"]


def test_a_late_worker_does_not_overwrite_what_the_next_one_found(office, receiver, running):
    added = endpoint(office)
    tell(office)
    work.spread(running)
    late = webhooks.claim(running, office.stopping)
    due = late._settle(None, False)
    office.clock += webhooks.HELD
    deliver(office, running)

    late._settle(webhooks.Result(due, 500, "Status"), True)

    (row,) = delivered(office, added.id)
    assert (row.state, row.status) == ("delivered", 200)


def test_events_told_while_a_worker_leaves_are_not_forgotten(office, receiver, running):
    added = endpoint(office)
    tell(office)
    work.spread(running)
    visit = webhooks.claim(running, office.stopping)
    visit.make()
    assert of(office, added.id).due_at is None
    tell(office, "t:2")
    deliver(office, running)

    assert len(receiver.got) == 2


def test_everything_since_a_time_can_be_sent_again_even_what_it_never_had(
    office, receiver, running
):
    tell(office, "t:1")
    deliver(office, running)
    office.clock += timedelta(hours=1)
    since = office.clock
    tell(office, "t:2")
    deliver(office, running)
    added = endpoint(office, "sequence.ended")
    with office.database.begin() as conn:
        kept = outbox.since(conn, office.account_id, ["sequence.ended"], since, 100)
        deliveries.anew(conn, office.account_id, added.id, kept, office.clock)
        endpoints.ring(conn, office.account_id, [added.id], office.clock)
    deliver(office, running)

    assert len(kept) == len(receiver.got) == 1


def test_events_are_forgotten_after_a_month_with_their_deliveries_asked_for_or_not(
    office, receiver, running
):
    tell(office, "t:1")
    deliver(office, running)
    endpoint(office)
    tell(office, "t:2")
    deliver(office, running)
    assert len(receiver.got) == 1

    with office.database.begin() as conn:
        assert outbox.forget(conn, office.clock, 10) == 0
        assert outbox.forget(conn, office.clock + timedelta(seconds=1), 10) == 2
    mine = Delivery.account_id == office.account_id
    assert office.rows(select(Delivery.id).where(mine)) == []


def test_removing_an_endpoint_forgets_its_deliveries(office, receiver, running):
    added = endpoint(office)
    tell(office)
    deliver(office, running)
    with office.database.begin() as conn:
        endpoints.remove(conn, office.account_id, added.id)

    mine = (Delivery.account_id == office.account_id, Delivery.destination == WEBHOOK)
    assert office.rows(select(Delivery.id).where(*mine)) == []


def test_many_workers_at_once_send_each_event_once_to_each_endpoint(office, receiver, running):
    urls = [f"https://crm{number}.test/" for number in range(3)]
    for url in urls:
        endpoint(office, "sequence.ended", url=url)
    keys = [f"t:{number}" for number in range(10)]
    at_once = threading.Barrier(4)

    def work_through(number):
        at_once.wait(LEAST)
        for key in keys[number::4]:
            tell(office, key)
            deliver(office, running)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work_through, range(4)))
    office.clock += webhooks.HELD
    deliver(office, running)  # what one was told of while another worker was leaving

    assert Counter(each.url for each in receiver.got) == dict.fromkeys(urls, len(keys))
    assert len({(each.url, each.id) for each in receiver.got}) == len(urls) * len(keys)


def test_of_workers_that_come_at_once_one_takes_all_that_goes_together(office):
    """The others wait for it, and find nothing left: two would be two mails."""
    for n in range(40):
        tell(office, f"r:{n}", "mailbox.reconnect", mailbox_id=n)
    tell(office, "p:1", "webhook.paused")
    now, until = office.clock, office.clock + timedelta(minutes=1)
    with office.database.begin() as conn:
        events = outbox.take_news(conn, now, 100)
        later = [(each.id, 7) for each in events]
        deliveries.add(conn, office.account_id, "mail", later[:1], now)
        deliveries.add(conn, office.account_id, "mail", later[1:], now, until)
        deliveries.add(conn, office.account_id, "mail", [(events[0].id, 8)], now, until)

    def take(_):
        with office.database.begin() as conn:
            some = deliveries.claim_together(conn, "mail", {"mailbox.reconnect"}, now, until)
            return [each.payload["mailbox_id"] for each in some if each.target == 7]

    with ThreadPoolExecutor(4) as pool:
        taken = sorted(pool.map(take, range(4)), key=len)
    assert taken == [[], [], [], list(range(40))]
