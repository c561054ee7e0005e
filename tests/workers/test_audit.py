"""The audit: what the mailbox has and the journal has not is found, judged, counted, and told."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from crm.history import What
from crm.model import Place
from crm.store import audits, history
from providers.client import Retry
from tests.workers.audit_desk import (
    DAY,
    HOUR,
    MARIA,
    ROOT,
    begun,
    compare,
    last,
    lose,
    metric,
    numbers,
    reply,
    told,
)
from tests.workers.conftest import Office
from workers.audit import Nightly


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, connected for a day, with a thread of yesterday's."""
    return begun(office)


def test_a_message_that_the_cursor_passed_is_found_logged_once_and_explained(
    office: Office, ana: int
) -> None:
    lost = reply(office, ana, "lost")
    lose(office, ana, lost)
    office.clock += HOUR
    before = metric("replylog_repaired_messages_total", provider="memory", reason="listing-gap")

    found = compare(office, ana)

    assert numbers(found) == (2, 1, 1, 1)
    assert found.reasons == {"listing-gap": 1}
    assert office.journal(ana)[lost] == ("logged", "reply")
    assert ("lost@globex.test", 1, 1) in office.timeline()
    after = metric("replylog_repaired_messages_total", provider="memory", reason="listing-gap")
    assert after == before + 1
    assert told(office, ana)[0] == What.AUDITED


def test_a_process_that_dies_over_the_count_has_judged_nothing_either(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    lost = reply(office, ana, "lost")
    lose(office, ana, lost)
    office.clock += HOUR

    def dies(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as context:
        context.setattr(audits, "repaired", dies)
        with pytest.raises(SystemExit):
            compare(office, ana)
    assert lost not in office.journal(ana)
    office.clock += HOUR
    assert numbers(compare(office, ana)) == (2, 1, 1, 1)


def test_the_second_audit_finds_nothing(office: Office, ana: int) -> None:
    lose(office, ana, reply(office, ana, "lost"))
    office.clock += HOUR
    compare(office, ana)
    entries = office.timeline()
    assert numbers(compare(office, ana)) == (2, 2, 0, 0)
    assert office.timeline() == entries


def test_what_is_missing_is_judged_by_the_rules_and_its_body_asked_for_only_to_be_logged(
    office: Office, ana: int
) -> None:
    stranger = office.deliver(ana, "zoe@stranger.test", "Re: Offer", "z@x", answers=ROOT)
    lose(office, ana, stranger)
    office.clock += HOUR
    office.boxes[ana].calls.clear()
    assert numbers(compare(office, ana)) == (2, 1, 1, 0)
    assert office.journal(ana)[stranger] == ("refused", "unknown-sender")
    assert office.boxes[ana].calls["message"] == 0


@pytest.mark.parametrize("place", [Place.ELSEWHERE, Place.JUNK, Place.TRASH, Place.DRAFT])
def test_what_lies_in_a_folder_that_is_not_followed_is_no_miss(
    sqlite_office: Office, place: Place
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    lose(office, ana, reply(office, ana, "elsewhere", place=place))
    office.clock += HOUR
    found = compare(office, ana)
    assert (found.missed, found.logged, found.reasons) == (0, 0, {})
    assert "elsewhere@globex.test" not in {name for name, _, _ in office.timeline()}


def test_mail_that_has_just_come_is_on_its_way_and_no_miss(sqlite_office: Office) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    lost = reply(office, ana, "young")
    lose(office, ana, lost)
    office.clock += timedelta(minutes=5)
    assert numbers(compare(office, ana))[2] == 0
    assert lost not in office.journal(ana)


def test_mail_from_before_the_mailbox_was_connected_is_not_looked_at(sqlite_office: Office) -> None:
    office = sqlite_office
    ana = begun(office)
    old = office.boxes[ana].deliver(
        office.mail(MARIA, "ana@acme.test", "Re: Offer", "old@x", answers=ROOT),
        received_at=office.clock - 2 * DAY,
    )
    lose(office, ana, old)
    office.clock += HOUR
    assert numbers(compare(office, ana))[2] == 0


def test_a_rescue_from_junk_that_nobody_was_told_of_is_found(sqlite_office: Office) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    ref = reply(office, ana, "rescued", place=Place.JUNK)
    office.sync(ana)
    assert office.journal(ana)[ref] == ("refused", "junk")
    office.boxes[ana].move(ref, Place.FOLLOWED)
    lose(office, ana)
    office.clock += HOUR
    found = compare(office, ana)
    assert (found.logged, found.reasons) == (1, {"moved-in": 1})
    assert office.journal(ana)[ref] == ("logged", "reply")


@pytest.mark.parametrize(
    ("what", "facts", "reason"),
    [
        (What.WATCH_REMADE, {"why": "silent", "seconds": 7200, "watches": 1}, "push-missed"),
        (What.WATCH_REMADE, {"why": "silent", "seconds": 60, "watches": 1}, "listing-gap"),
        (What.CURSOR_EXPIRED, {"since": "2026-03-03T08:00:00+00:00"}, "cursor-repair"),
    ],
)
def test_why_it_was_missing_is_guessed_from_the_history(
    sqlite_office: Office, what: What, facts: dict[str, Any], reason: str
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    lose(office, ana, reply(office, ana, "lost"))
    office.clock += HOUR
    with office.database.begin() as conn:
        history.note(conn, office.account_id, ana, what, office.clock, **facts)
    assert compare(office, ana).reasons == {reason: 1}


def test_an_audit_that_dies_in_the_middle_goes_on_and_counts_each_message_once(
    office: Office, ana: int
) -> None:
    office.page_size = 5
    lost = [reply(office, ana, f"lost{n}") for n in range(12)]
    lose(office, ana, *lost)
    office.clock += HOUR
    calls = iter([None, None])

    def dies(method: str, ordinary: Any = office.boxes[ana].enter) -> None:
        if method == "between" and next(calls, "") == "":
            raise KeyboardInterrupt
        ordinary(method)

    with office.database.begin() as conn:
        audits.begin(conn, office.account_id, ana, 3, office.clock)
    office.boxes[ana].enter = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        office.sync(ana)
    assert 0 < last(office, ana).missed < 12
    del office.boxes[ana].enter  # type: ignore[method-assign]
    office.clock += timedelta(minutes=1)
    for _ in range(5):
        office.sync(ana)
        office.clock += timedelta(seconds=1)
    assert numbers(last(office, ana)) == (13, 1, 12, 12)
    assert len(office.timeline()) == 13


def test_it_gives_way_to_who_rings_and_comes_to_its_end_all_the_same(
    office: Office, ana: int
) -> None:
    office.page_size = 2
    lost = [reply(office, ana, f"lost{n}") for n in range(8)]
    lose(office, ana, *lost)
    office.clock += HOUR
    box, entered = office.boxes[ana], office.boxes[ana].enter
    pages: list[int] = []

    def ringing(method: str) -> None:
        """Somebody rings during every single page."""
        entered(method)
        if method == "between":
            pages[-1:] = [pages[-1] + 1] if pages else [1]
            threading.Thread(target=office.sync, args=(ana,)).run()
        if method == "changes":
            pages.append(0)

    box.enter = ringing  # type: ignore[method-assign]
    found = compare(office, ana, runs=12)
    assert numbers(found) == (9, 1, 8, 8)
    assert pages[0] == 1, "the first time it ends after one page"
    assert len([each for each in pages if each]) > 2
    assert len(office.timeline()) == 9


def test_a_big_mailbox_is_compared_in_slices(sqlite_office: Office) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    office.page_size = 10
    raw = office.mail("zoe@stranger.test", "ana@acme.test", "Hi", "same@x")
    box = office.boxes[ana]
    for number in range(300):
        box.deliver(raw, received_at=office.clock - DAY + number * timedelta(seconds=200))
    office.sync(ana)
    box.calls.clear()
    office.clock += HOUR
    with office.database.begin() as conn:
        audits.begin(conn, office.account_id, ana, 3, office.clock)
    office.sync(ana)
    part = last(office, ana)
    assert part.ended_at is None
    assert 0 < part.share < 1
    assert numbers(compare(office, ana)) == (301, 301, 0, 0)
    assert box.calls["headers"] == box.calls["message"] == 0


def test_a_providers_limit_is_kept(sqlite_office: Office) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    office.clock += HOUR
    office.boxes[ana].refuse(Retry(900.0), 1, "between")
    with office.database.begin() as conn:
        audits.begin(conn, office.account_id, ana, 3, office.clock)
    office.sync(ana)
    assert office.row(ana).blocked_until == office.clock + timedelta(minutes=15)
    opened = office.opened
    assert Nightly(office.runtime).tick() == 0
    office.sync(ana)
    assert office.opened == opened
    office.clock += timedelta(minutes=16)
    office.sync(ana)
    assert last(office, ana).ended_at is not None


def test_a_listing_that_fails_does_not_stop_ordinary_runs_and_is_given_up_in_the_end(
    sqlite_office: Office,
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    office.clock += HOUR
    office.boxes[ana].refuse(Retry(None), 99, "between")
    with office.database.begin() as conn:
        audits.begin(conn, office.account_id, ana, 3, office.clock)
    for number in range(8):
        seen = reply(office, ana, f"new{number}")
        office.sync(ana)
        assert office.journal(ana)[seen] == ("logged", "reply")
        assert office.row(ana).blocked_until is None
        office.clock += HOUR
    assert (last(office, ana).given_up, last(office, ana).failures) == (True, 5)


def test_copies_of_known_mail_are_no_miss_where_ids_changed_with_the_provider(
    sqlite_office: Office,
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    reply(office, ana, "known")
    office.deliver(ana, "zoe@stranger.test", "Re: Offer", "z@x", answers=ROOT)
    office.sync(ana)
    box = office.boxes[ana]
    copies = [
        box.deliver(each.raw, each.place, each.received_at)
        for each in list(box.messages.values())[1:]
    ]
    lose(office, ana, *copies)
    office.clock += HOUR
    found = compare(office, ana)
    assert (found.missed, found.left_out) == (0, 2)
    assert ("known@globex.test", 1, 2) in office.timeline()


def test_somebody_who_wants_it_from_further_back_meanwhile_gets_all_of_it(
    sqlite_office: Office,
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    reply(office, ana, "old")
    office.sync(ana)
    office.clock += 6 * DAY
    box, entered = office.boxes[ana], office.boxes[ana].enter

    def asking(method: str) -> None:
        entered(method)
        if method == "between" and box.calls["between"] == 1:
            with office.database.begin() as conn:
                audits.begin(conn, office.account_id, ana, 14, office.clock)

    office.sync(ana)
    box.calls.clear()
    box.enter = asking  # type: ignore[method-assign]
    found = compare(office, ana, days=1)
    assert found.looked == 2
    assert found.days == 7
