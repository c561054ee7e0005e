"""Ways in which a reply could be lost, each played once: poison, threads, slowness, retention."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.model import Headers, Message, Place, Ref
from crm.store import again, mailboxes
from crm.tables import Email
from providers.client import Cursor, Item, Page, Retry
from providers.memory import MemoryClient
from tests.waiting import within
from tests.workers.conftest import Office
from tests.workers.losses.play import MARIA, ROOT, before, reply, use
from workers import sync as runs
from workers import timetable
from workers.times import QUIET
from workers.timetable import Timetable

# ---- poison


class PoisonClient(MemoryClient):
    """Cannot read the messages in `poison`: neither alone nor with others."""

    poison: dict[str, Exception]

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        for ref in refs:
            if ref.id in self.poison:
                self.mailbox.enter("headers")
                raise self.poison[ref.id]
        return super().headers(refs)


@pytest.fixture
def poison(office: Office) -> dict[str, Exception]:
    found: dict[str, Exception] = {}

    def make(box: Any) -> MemoryClient:
        client = PoisonClient(box)
        client.poison = found
        return client

    use(office, make)
    return found


@pytest.mark.parametrize("error", [Retry(None), KeyError("internalDate")])
@pytest.mark.parametrize("which", [(0,), (2, 3), (0, 1, 2, 3, 4)])
def test_headers_that_cannot_be_read_hold_up_nobody_else(
    office: Office, ana: int, poison: dict[str, Exception], error: Exception, which: Sequence[int]
) -> None:
    refs = [reply(office, ana, f"r{n}@x") for n in range(5)]
    poison |= {refs[n]: error for n in which}
    office.settle(steps=60)
    good = reply(office, ana, "good@x")
    office.settle(steps=60)
    assert office.journal(ana)[good] == ("logged", "reply")
    assert {office.journal(ana)[refs[n]] for n in which} == {("pending", "error")}
    assert len(office.timeline()) == 1 + 1 + 5 - len(which)
    poison.clear()
    office.settle(steps=60, step=timedelta(minutes=2))
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}


def test_a_message_that_the_database_refuses_holds_up_nobody_else(office: Office, ana: int) -> None:
    with office.database.begin() as conn:
        conn.exec_driver_sql(
            "CREATE TRIGGER poison BEFORE INSERT ON email WHEN NEW.message_id LIKE 'bad%'"
            " BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
    names = ["r1@x", "bad1@x", "bad2@x", "r2@x"]
    refs = {name: reply(office, ana, name) for name in names}
    office.settle(steps=5)
    good = reply(office, ana, "good@x")
    office.settle(steps=5)
    verdicts = {name: office.journal(ana)[ref][0] for name, ref in refs.items()}
    assert verdicts == {
        "r1@x": "logged",
        "bad1@x": "pending",
        "bad2@x": "pending",
        "r2@x": "logged",
    }
    assert office.journal(ana)[good] == ("logged", "reply")
    with office.database.begin() as conn:
        conn.exec_driver_sql("DROP TRIGGER poison")
    office.settle(steps=60, step=timedelta(minutes=2))
    assert {office.journal(ana)[ref] for ref in refs.values()} == {("logged", "reply")}


def test_a_message_is_not_given_up_for_an_outage_of_hours(office: Office, ana: int) -> None:
    ref = reply(office, ana, "r@x")
    office.boxes[ana].refuse(Retry(None), method="message", times=10_000)
    office.settle(steps=300, step=timedelta(minutes=2))
    office.boxes[ana].faults.clear()
    office.settle(steps=60, step=timedelta(minutes=2))
    assert office.journal(ana)[ref] == ("logged", "reply")


class StrangeClient(MemoryClient):
    def changes(self, cursor: Cursor) -> Iterator[Page]:
        self.mailbox.enter("changes")
        raise KeyError("historyId")


def test_a_mailbox_whose_runs_fail_in_an_unknown_way_is_tried_ever_more_rarely(
    office: Office, ana: int
) -> None:
    box = office.boxes[ana]
    use(office, StrangeClient)
    reply(office, ana, "r@x")
    box.calls.clear()
    office.settle(steps=3 * 360, step=timedelta(seconds=10))
    assert 6 <= box.calls["changes"] <= 60, "three hours"
    wake_at = office.row(ana).wake_at
    assert wake_at is not None
    assert wake_at <= office.clock + QUIET
    use(office, MemoryClient)
    office.settle(steps=70, step=timedelta(seconds=10))
    assert ("r@x", 1, 1) in office.timeline()


def test_an_unreachable_provider_is_asked_ever_more_rarely(office: Office, ana: int) -> None:
    box = office.boxes[ana]
    box.refuse(Retry(None), method="changes", times=10_000)
    box.calls.clear()
    office.settle(steps=6 * 60, step=timedelta(seconds=10))
    assert 6 <= box.calls["changes"] <= 60, "an hour"


# ---- threads


class BareSentClient(MemoryClient):
    """As Graph lists: headers come with the listing, but sent mail without what it answers."""

    def _items(self, refs: Sequence[str]) -> tuple[Item, ...]:
        items = super()._items(refs)
        found = super().headers([item.ref for item in items])
        return tuple(
            Item(item.ref, item.place, self._bare(headers))
            for item, headers in zip(items, found, strict=True)
        )

    @staticmethod
    def _bare(headers: Headers | None) -> Headers | None:
        if headers is None or headers.place is not Place.SENT:
            return headers
        return replace(headers, in_reply_to=(), references=())


@pytest.mark.parametrize("at_once", [True, False])
def test_a_ticked_answer_joins_its_thread_though_the_listing_hides_what_it_answers(
    office: Office, ana: int, at_once: bool
) -> None:
    use(office, BareSentClient)
    first = office.deliver(ana, MARIA, "Re: Offer 12", "r1@x", answers=ROOT)
    office.clock += timedelta(minutes=1)
    if not at_once:
        office.sync(ana)
    office.send(ana, MARIA, "Re: Offer 12", "a1@acme.test", answers="r1@x")
    office.clock += timedelta(minutes=1)
    last = office.deliver(ana, MARIA, "Re: Offer 12", "r2@x", answers="a1@acme.test")
    office.sync(ana)
    assert {office.journal(ana)[ref] for ref in (first, last)} == {("logged", "reply")}
    query = select(Email.thread_id).where(Email.account_id == office.account_id)
    assert len(office.rows(query)) == 4
    assert len(set(office.rows(query))) == 1


# ---- judging again


def test_a_root_that_is_logged_while_its_reply_is_judged_once_more_is_not_missed(
    office: Office, ana: int
) -> None:
    second = office.mailbox("ana@acme.example", user="ana@acme.test")
    orphan = office.deliver(ana, MARIA, "Re: Offer 14", "o@x", answers="late@acme.test")
    office.sync(ana)
    assert office.rules(ana)[orphan] == "unknown-thread"
    office.send(second, MARIA, "Offer 14", "late@acme.test")
    office.boxes[ana].label(orphan, "Important")  # so it is judged again
    office.clock += timedelta(minutes=1)
    reply(office, ana, "r@x")
    before(office, ana, "message", lambda: office.sync(second))
    office.sync(ana)
    office.settle(steps=5)
    assert office.journal(ana)[orphan] == ("logged", "reply")


def test_a_mailbox_to_be_judged_again_is_not_rung_over_and_over_while_a_run_holds_it(
    office: Office, ana: int
) -> None:
    office.settle(steps=10)
    with office.database.begin() as conn:
        held = mailboxes.take_lease(conn, ana, "a run", office.clock, timedelta(seconds=45))
        again.wake(conn, office.account_id, [ana], office.clock)
        assert mailboxes.due(conn, office.clock, 10) == []
        assert held is not None
        mailboxes.release(conn, held, "a run", office.clock, office.clock + timedelta(hours=1))
        assert mailboxes.due(conn, office.clock, 10) == [(office.account_id, ana)]


# ---- leases


def test_a_slow_provider_does_not_cost_a_run_its_lease(
    office: Office, ana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "LEASE", timedelta(seconds=0.6))  # it is renewed every 0.2
    rung: list[object] = []

    class SlowClient(MemoryClient):
        """Most of a lease passes with each message; it takes as long as a renewal does."""

        def message(self, ref: Ref) -> Message:
            office.clock += 0.8 * runs.LEASE
            assert within(1, lambda: office.row(ana).wake_at == office.clock + runs.LEASE)
            with office.database.read() as conn:
                rung.extend(mailboxes.due(conn, office.clock, 10))
            return super().message(ref)

    use(office, SlowClient)
    refs = [reply(office, ana, f"r{n}@x") for n in range(6)]
    runs.sync(replace(office.runtime, clock=lambda: office.clock), ana, threading.Event())
    assert all(ref in office.journal(ana) for ref in refs)
    assert rung == []


# ---- what is kept


def test_a_busy_installation_forgets_refused_mail_in_time(
    office: Office, ana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timetable, "FORGOTTEN_AT_ONCE", 2)
    for n in range(7):
        office.deliver(ana, "zoe@stranger.test", "New", f"n{n}@x")
    office.sync(ana)
    office.clock += timedelta(days=31)
    leader = Timetable(office.runtime)
    for _ in range(8):
        leader.tick()
        office.clock += timedelta(seconds=1)
    assert office.journal(ana) == {}


def test_an_expired_cursor_is_repaired_from_a_day_before_the_last_good_time(
    office: Office, ana: int
) -> None:
    asked: list[datetime] = []

    class Recording(MemoryClient):
        def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:
            asked.append(when)
            return super().since(when, places)

    use(office, Recording)
    settled = office.row(ana).settled_at
    office.boxes[ana].expire()
    office.sync(ana)
    assert settled is not None
    assert asked == [settled - timedelta(days=1)]
