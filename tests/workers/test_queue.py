"""The bell: rings coalesce, none is lost, and each is one round trip."""

import threading
from typing import Any

import pytest
from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

from workers.queue import (
    AWAKE,
    CLAIM_SECONDS,
    DRAIN,
    MAX_QUEUED_DRAINS,
    QUEUE_NAME,
    Ask,
    Queue,
    QueueDown,
    Subscription,
)

RQ_QUEUE = f"rq:queue:{QUEUE_NAME}"


@pytest.fixture
def queue(redis: Any) -> Queue:
    return Queue(redis)


def test_a_wake_queues_one_drain_job_that_rq_understands(queue: Queue, redis: Any) -> None:
    assert queue.wake(7) == 1
    (job_id,) = redis.lrange(RQ_QUEUE, 0, -1)
    job = Job.fetch(job_id.decode(), connection=redis, serializer=JSONSerializer)
    assert (job.func_name, list(job.args), job.kwargs) == (DRAIN, [], {})
    assert job.retries_left == 3
    assert job.get_status() == "queued"
    assert "7" not in str(job.description)


def test_rings_of_an_awake_mailbox_coalesce(queue: Queue, redis: Any) -> None:
    assert [queue.wake(7) for _ in range(50)] == [1] + [0] * 49
    assert redis.llen(RQ_QUEUE) == 1
    assert queue.claim() == 7
    assert queue.claim() is None


def test_a_ring_after_the_mark_is_cleared_makes_exactly_one_more_run(queue: Queue) -> None:
    queue.wake(7)
    queue.claim()
    queue.done(7)
    queue.wake(7)
    queue.wake(7)
    assert queue.claim() == 7
    assert queue.claim() is None


def test_a_ring_while_a_worker_has_claimed_is_the_same_run(queue: Queue, redis: Any) -> None:
    queue.wake(7)
    queue.claim()
    assert queue.wake(7) == 0, "the claimer clears the mark before it lists, so it sees this too"


def test_what_a_dead_worker_had_claimed_comes_back(queue: Queue, redis: Any) -> None:
    queue.wake(7)
    queue.claim()
    redis.zincrby(AWAKE, -CLAIM_SECONDS - 1, 7)
    assert queue.claim() == 7


def test_the_mailbox_awake_longest_comes_first(queue: Queue, redis: Any) -> None:
    for score, mailbox in ((30, 1), (10, 2), (20, 3)):
        redis.zadd(AWAKE, {mailbox: score})
    assert [queue.claim() for _ in range(4)] == [2, 3, 1, None]


def test_many_mailboxes_need_few_jobs(queue: Queue, redis: Any) -> None:
    for mailbox in range(500):
        queue.wake(mailbox)
    assert redis.llen(RQ_QUEUE) == MAX_QUEUED_DRAINS
    assert queue.awake() == 500


def test_several_mailboxes_are_rung_at_once(queue: Queue, redis: Any) -> None:
    assert queue.wake(1, 2, 3) == 3
    assert queue.wake(3, 4) == 1
    assert redis.llen(RQ_QUEUE) == 2


def test_a_lost_drain_job_is_queued_again(queue: Queue, redis: Any) -> None:
    queue.wake(7)
    redis.delete(RQ_QUEUE)
    assert queue.nudge()
    assert not queue.nudge(), "one is enough"
    assert redis.llen(RQ_QUEUE) == 1


def test_a_nudge_does_nothing_while_everything_is_claimed(queue: Queue, redis: Any) -> None:
    queue.wake(7)
    queue.claim()
    redis.delete(RQ_QUEUE)
    assert not queue.nudge()


@pytest.mark.parametrize("call", ["new", "coalesced"])
def test_a_wake_is_one_round_trip(call: str, redis_server: Any, redis: Any) -> None:
    trips = 0

    class Counting(Redis):
        def execute_command(self, *args: Any, **options: Any) -> Any:
            nonlocal trips
            trips += 1
            return super().execute_command(*args, **options)

    client = Counting.from_url(redis_server.url)
    queue = Queue(client)
    queue.wake(1)  # loads the script
    trips = 0
    queue.wake(2 if call == "new" else 1)
    assert trips == 1
    queue.announce([(3 if call == "new" else 1, "inbox"), (1, "sent")])
    assert trips == 2, "the pushes' times go along"
    client.close()


def test_of_many_workers_each_mailbox_goes_to_one(queue: Queue) -> None:
    queue.wake(*range(200))
    taken: list[int] = []

    def take() -> None:
        while (mailbox := queue.claim()) is not None:
            taken.append(mailbox)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(200))


def test_pushes_ring_each_mailbox_once_and_leave_the_time_of_each_resource(redis: Any) -> None:
    clock = [1_000.0]
    queue = Queue(redis, lambda: clock[0])
    assert queue.announce([(7, "inbox"), (7, "sent"), (8, "inbox")]) == 2
    assert redis.llen(RQ_QUEUE) == 1
    clock[0] = 1_060.5
    assert queue.announce([(7, "inbox")]) == 0
    pushed = queue.pushed(7, ["inbox", "sent", "other"])
    assert {name: when.timestamp() for name, when in pushed.items()} == {
        "inbox": 1_060.5,
        "sent": 1_000.0,
    }


def test_what_is_expected_anew_counts_from_now_and_what_is_kept_from_before(redis: Any) -> None:
    clock = [1_000.0]
    queue = Queue(redis, lambda: clock[0])
    queue.expect(7, ["a", "b"])
    clock[0] = 2_000.0
    queue.expect(7, ["a"], ["b", "c"])
    times = {name: when.timestamp() for name, when in queue.pushed(7, ["a", "b", "c"]).items()}
    assert times == {"a": 2_000.0, "b": 1_000.0, "c": 2_000.0}


def test_why_a_look_was_asked_for_is_told_with_its_time(redis: Any) -> None:
    clock = [1_000.0]
    queue = Queue(redis, lambda: clock[0])
    queue.rewatch(7, Ask.REMOVED)
    queue.rewatch(8)
    clock[0] = 1_100.0
    queue.rewatch(7, Ask.REMOVED)
    queue.rewatch(7, Ask.STRANGER)
    taken = queue.take_rewatch(7)
    assert {why: when.timestamp() for why, when in taken.items()} == {
        Ask.REMOVED: 1_000.0,
        Ask.STRANGER: 1_100.0,
    }
    assert not queue.take_rewatch(7)
    queue.keep_rewatch(7, taken)
    queue.rewatch(7, Ask.REMOVED)
    assert queue.take_rewatch(7) == taken
    assert list(queue.take_rewatch(8)) == [Ask.PERSON]


def test_a_look_at_the_watches_is_asked_for_once(queue: Queue) -> None:
    queue.rewatch(7)
    assert queue.claim() == 7
    assert queue.take_rewatch(7)
    assert not queue.take_rewatch(7)


def test_the_directory_knows_none_from_unknown(queue: Queue) -> None:
    assert queue.gmail_mailboxes("ana@acme.test") is None
    queue.remember_gmail("ana@acme.test", [])
    assert queue.gmail_mailboxes("ana@acme.test") == ()
    queue.remember_gmail("ana@acme.test", [3, 4])
    assert queue.gmail_mailboxes("ana@acme.test") == (3, 4)

    queue.remember_subscription("a", Subscription(1, "digest"))
    queue.remember_subscription("b", None)
    assert queue.subscriptions(["a", "b", "c"]) == {"a": Subscription(1, "digest"), "b": None}


def test_an_unknown_name_is_forgotten_soon_and_a_known_one_late(queue: Queue, redis: Any) -> None:
    queue.remember_gmail("x@acme.test", [])
    queue.remember_gmail("ana@acme.test", [1])
    assert redis.ttl("replylog:gmail:x@acme.test") <= 10
    assert redis.ttl("replylog:gmail:ana@acme.test") > 3600


def test_a_redis_that_is_away_is_one_clear_error() -> None:
    client = Redis.from_url("unix:///nowhere/redis.sock")
    queue = Queue(client)
    for call in (queue.ping, queue.awake, lambda: queue.wake(1), queue.claim):
        with pytest.raises(QueueDown):
            call()
