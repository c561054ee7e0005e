"""A watch that is alive and announces nothing: when it is only suspected, and when it is made anew."""

from datetime import datetime, timedelta

import pytest
from redis import Redis

from crm.model import WHOLE_MAILBOX, Place
from crm.store import history, mailboxes
from tests.workers.conftest import Office
from workers.queue import Queue

MARIA = "maria@globex.test"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def quiet(sqlite_office: Office, redis: Redis) -> tuple[Office, int]:
    """A mailbox whose watch is a day old, and that nobody rang since."""
    office = sqlite_office
    office.queue = Queue(redis, lambda: office.clock.timestamp())
    box = office.mailbox("ana@acme.test")
    office.sync(box)
    later(office, box, timedelta(hours=5))
    return office, box


def later(office: Office, box: int, by: timedelta) -> None:
    """Let the timetable look at the mailbox every ten minutes for that long."""
    for _ in range(int(by / (10 * MINUTE))):
        office.clock += 10 * MINUTE
        office.sync(box)


def news(office: Office, box: int, pushed: timedelta | None = None) -> None:
    """A mail arrives, and its push after that time (None: never); then comes the timetable."""
    office.clock += 5 * MINUTE
    office.deliver(box, MARIA, "Hello", f"{office.clock.timestamp()}@globex.test")
    if pushed is not None and pushed <= 5 * MINUTE:
        push(office, box, office.clock + pushed)
    office.clock += 5 * MINUTE
    office.sync(box)
    if pushed is not None and pushed > 5 * MINUTE:
        push(office, box, office.clock - 5 * MINUTE + pushed)


def push(office: Office, box: int, when: datetime) -> None:
    Queue(office.queue._redis, when.timestamp).announce([(box, WHOLE_MAILBOX)])


def suspected(office: Office, box: int) -> datetime | None:
    with office.database.read() as conn:
        (state,) = mailboxes.watches(conn, office.account_id, box)
    return state.silent_since


def told(office: Office, box: int) -> list[tuple[str, object, object]]:
    with office.database.read() as conn:
        found = history.listing(conn, office.account_id, box, 50).items
    return [
        (each.what, each.facts.get("why"), each.facts.get("seconds"))
        for each in reversed(found)
        if each.what.startswith("watch-")
    ]


def test_a_watch_that_announces_nothing_is_ended_and_made_anew_and_its_lapse_told(quiet) -> None:
    office, box = quiet
    news(office, box)
    assert suspected(office, box) == office.clock
    for _ in range(2):
        news(office, box)
        assert office.boxes[box].calls["unwatch"] == 0, "the first push could still be on its way"
    news(office, box)
    assert office.row(box).renew_at == office.clock
    office.sync(box)
    calls = office.boxes[box].calls
    assert (calls["unwatch"], calls["watch"]) == (1, 2)
    assert suspected(office, box) is None
    assert told(office, box) == [("watch-remade", "silent", 30 * 60)]


def test_pushes_that_are_merely_late_never_have_a_watch_made_anew(quiet) -> None:
    office, box = quiet
    for _ in range(6):
        news(office, box, pushed=14 * MINUTE)
    assert office.boxes[box].calls["unwatch"] == 0
    assert told(office, box) == []


def test_a_push_now_and_then_clears_the_suspicion(quiet) -> None:
    office, box = quiet
    for _ in range(3):
        news(office, box)
        news(office, box, pushed=MINUTE)
    assert office.boxes[box].calls["unwatch"] == 0


def test_a_single_push_that_was_lost_is_no_silence_however_long_the_mailbox_then_rests(
    quiet,
) -> None:
    office, box = quiet
    news(office, box)
    later(office, box, timedelta(hours=3))
    news(office, box, pushed=MINUTE)
    assert office.boxes[box].calls["unwatch"] == 0
    news(office, box)
    assert suspected(office, box) == office.clock, "the count begins anew"


def test_losing_redis_makes_no_watch_silent(quiet, redis: Redis) -> None:
    office, box = quiet
    for _ in range(6):
        news(office, box)
        redis.flushall()
    assert suspected(office, box) is None
    assert office.boxes[box].calls["unwatch"] == 0


def test_redis_away_makes_no_watch_silent(quiet) -> None:
    office, box = quiet
    known, gone = office.queue, Queue(Redis.from_url("unix:///nowhere/redis.sock"))
    for _ in range(6):
        office.queue = gone
        news(office, box)
        office.queue = known
    assert suspected(office, box) is None


def test_after_redis_was_lost_silence_is_noticed_from_then_on(quiet, redis: Redis) -> None:
    office, box = quiet
    redis.flushall()
    for _ in range(6):
        news(office, box)
    office.sync(box)
    assert [why for _, why, _ in told(office, box)] == ["silent"]


def test_a_watch_that_is_silent_again_is_not_made_anew_every_few_minutes(quiet) -> None:
    office, box = quiet
    for _ in range(12):
        news(office, box)
    assert office.boxes[box].calls["unwatch"] == 1
    news(office, box)
    assert office.boxes[box].calls["unwatch"] == 2, "but after an hour"


def test_mail_that_was_found_late_but_came_before_the_last_look_needs_no_push(quiet) -> None:
    office, box = quiet
    for n in range(5):
        office.clock += 10 * MINUTE
        raw = office.mail(MARIA, "ana@acme.test", "Old", f"old-{n}@globex.test")
        office.boxes[box].deliver(raw, Place.FOLLOWED, office.clock - timedelta(hours=2))
        office.sync(box)
    assert suspected(office, box) is None
