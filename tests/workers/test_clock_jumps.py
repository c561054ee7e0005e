"""Our clock jumps by hours: what was stored before ends by itself, and mail is read on."""

from datetime import timedelta

import pytest

from providers.client import Retry
from tests.workers.conftest import Office
from workers.queue import Queue
from workers.timetable import LEADER, Timetable

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"
HOURS = timedelta(hours=3)
LEASE = timedelta(seconds=45)


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a thread and an answer that nobody has read yet."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    office.deliver(mailbox, MARIA, "Re: Offer 12", "reply-1@globex.test", answers=ROOT)
    return mailbox


def rung(office: Office, timetable: Timetable) -> list[int]:
    """The mailboxes that a tick rings."""
    assert timetable.tick()
    found = []
    while (mailbox := office.queue.claim()) is not None:
        found.append(mailbox)
        office.queue.done(mailbox)
    return found


@pytest.fixture
def timetable(office: Office, redis) -> Timetable:
    """One whose queue lives by the office's clock, as the rest does."""
    office.queue = Queue(redis, lambda: office.clock.timestamp())
    return Timetable(office.runtime)


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["forward", "back"])
def test_a_quiet_mailbox_is_asked_within_ten_minutes_of_the_jump(
    office: Office, ana: int, timetable: Timetable, jump: timedelta
):
    rung(office, timetable)
    office.clock += jump
    found = [rung(office, timetable)]
    office.clock += timedelta(minutes=10)
    assert ana in [*found[0], *rung(office, timetable)]


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["forward", "back"])
def test_a_push_after_the_jump_is_heard(office: Office, ana: int, timetable, jump: timedelta):
    """Also where the mailbox was awake already when it came."""
    office.queue.wake(ana)
    office.clock += jump
    office.queue.wake(ana)
    assert office.queue.claim() == ana


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["forward", "back"])
def test_a_run_that_died_before_the_jump_does_not_hold_its_mailbox(
    office: Office, ana: int, jump: timedelta
):
    from crm.store import mailboxes

    with office.database.begin() as conn:
        mailboxes.take_lease(conn, ana, "of a worker that was killed", office.clock, LEASE)
    office.clock += jump
    office.sync(ana)
    assert ("reply-1@globex.test", 1, 1) in office.timeline()


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["forward", "back"])
def test_another_timetable_leads_after_the_jump(office: Office, timetable, jump: timedelta):
    assert timetable.tick()
    office.clock += jump
    other = Timetable(office.runtime)
    other.tick()  # the first has not noticed yet
    office.clock += LEADER
    assert other.tick() or timetable.tick()


def test_a_limit_of_a_clock_that_was_put_back_is_asked_for_again(office: Office, ana: int):
    office.clock += HOURS
    office.boxes[ana].refuse(Retry(600.0), method="changes")
    office.sync(ana)
    assert office.row(ana).rests(office.clock)
    office.clock -= HOURS
    opened = office.opened
    office.sync(ana)
    assert office.opened == opened + 1
    assert ("reply-1@globex.test", 1, 1) in office.timeline()


def test_a_limit_after_the_clock_was_put_back_holds(office: Office, ana: int):
    office.clock += HOURS
    office.boxes[ana].refuse(Retry(600.0), method="changes", times=2)
    office.sync(ana)
    office.clock -= HOURS
    office.sync(ana)
    opened = office.opened
    office.sync(ana)
    assert office.opened == opened
