"""One run over a mailbox: what is settled, what is asked for, and what a fault leaves behind."""

import threading
from datetime import timedelta

import pytest

from crm.model import MailboxStatus, Place
from crm.store import mailboxes
from providers.client import Gone, Operator, Reconnect, Retry
from tests.workers.conftest import Office
from workers.times import QUIET

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    return mailbox


def test_a_reply_stands_on_the_timeline_after_one_run(office: Office, ana: int) -> None:
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "reply-1@globex.test", answers=ROOT)
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")
    assert office.timeline() == {(ROOT, 1, 1), ("reply-1@globex.test", 1, 1)}


def test_running_again_changes_nothing_and_asks_for_no_message(office: Office, ana: int) -> None:
    office.deliver(ana, MARIA, "Re: Offer 12", "reply-1@globex.test", answers=ROOT)
    office.sync(ana)
    before, calls = office.timeline(), office.boxes[ana].calls["message"]
    office.sync(ana, ana, ana)
    assert office.timeline() == before
    assert office.boxes[ana].calls["message"] == calls


def test_the_body_of_refused_mail_is_never_asked_for(office: Office, ana: int) -> None:
    office.boxes[ana].calls.clear()
    refused = {
        office.deliver(ana, MARIA, "New subject", "a@globex.test"): "not-a-reply",
        office.deliver(ana, MARIA, "Re: x", "b@globex.test", answers="x@x"): "unknown-thread",
        office.deliver(ana, MARIA, "Invoice", "c@globex.test", answers=ROOT): "subject-changed",
        office.deliver(
            ana, "zoe@stranger.test", "Re: Offer 12", "d@x", answers=ROOT
        ): "unknown-sender",
        office.deliver(ana, MARIA, "Re: Offer 12", "e@x", answers=ROOT, place=Place.JUNK): "junk",
    }
    office.sync(ana)
    assert {ref: office.rules(ana)[ref] for ref in refused} == refused
    assert office.boxes[ana].calls["message"] == 0


def test_of_drafts_and_folders_not_followed_no_headers_are_read(office: Office, ana: int) -> None:
    office.boxes[ana].calls.clear()
    for place in (Place.DRAFT, Place.ELSEWHERE):
        office.deliver(ana, MARIA, "Re: Offer 12", f"{place}@x", answers=ROOT, place=place)
    office.sync(ana)
    assert office.boxes[ana].calls["headers"] == 0
    assert set(office.rules(ana).values()) >= {"draft", "folder"}


def test_a_message_rescued_from_junk_is_logged(office: Office, ana: int) -> None:
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT, place=Place.JUNK)
    office.sync(ana)
    office.boxes[ana].move(ref, Place.FOLLOWED)
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_a_logged_message_that_is_thrown_away_stays_logged(office: Office, ana: int) -> None:
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.sync(ana)
    office.boxes[ana].move(ref, Place.TRASH)
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_labelling_a_sent_mail_later_logs_it(office: Office, ana: int) -> None:
    ref = office.send(ana, MARIA, "Offer 13", "root-2@acme.test", bcc="")
    office.sync(ana)
    assert office.journal(ana)[ref] == ("refused", "not-ticked")
    office.boxes[ana].label(ref, "Log to CRM")
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "sent-label")


def test_a_reply_that_was_seen_before_its_root_is_judged_again(office: Office, ana: int) -> None:
    reply = office.deliver(ana, MARIA, "Re: Offer 14", "r@x", answers="root-3@acme.test")
    office.sync(ana)
    assert office.journal(ana)[reply] == ("refused", "unknown-thread")
    office.send(ana, MARIA, "Offer 14", "root-3@acme.test")
    office.sync(ana)
    office.settle(steps=3)
    assert office.journal(ana)[reply] == ("logged", "reply")
    assert office.pending() == []


def test_a_root_and_its_reply_in_one_page_are_settled_in_one_run(office: Office, ana: int) -> None:
    office.boxes[ana].calls.clear()
    later = office.clock + timedelta(minutes=1)
    reply = office.deliver(
        ana, MARIA, "Re: Offer 15", "r@x", answers="root-4@acme.test", when=later
    )
    office.send(ana, MARIA, "Offer 15", "root-4@acme.test")
    office.sync(ana)
    assert office.journal(ana)[reply][0] == "logged"


def test_the_same_message_in_two_mailboxes_is_one_entry(office: Office, ana: int) -> None:
    second = office.mailbox("ana@acme.example", user="ana@acme.test")
    raw = office.mail(MARIA, "ana@acme.test", "Re: Offer 12", "r@x", answers=ROOT)
    refs = {box: office.boxes[box].deliver(raw) for box in (ana, second)}
    office.sync(ana, second)
    assert office.journal(ana)[refs[ana]] == ("logged", "reply")
    assert office.journal(second)[refs[second]] == ("logged", "duplicate")
    assert ("r@x", 1, 2) in office.timeline()
    assert office.boxes[second].calls["message"] == 0


def test_a_colleagues_mailbox_does_not_take_the_thread(office: Office, ana: int) -> None:
    cleo = office.mailbox("cleo@acme.test")
    ref = office.deliver(cleo, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.sync(cleo)
    assert office.journal(cleo)[ref] == ("refused", "not-owner")


def test_a_run_killed_between_pages_goes_on_where_it_was(office: Office, ana: int) -> None:
    office.page_size = 2
    refs = [office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT) for n in range(7)]
    calls = iter([False, False, True])
    office.stopping.is_set = lambda: next(calls, True)  # type: ignore[method-assign]
    office.sync(ana)
    some = [ref for ref in refs if ref in office.journal(ana)]
    assert 0 < len(some) < len(refs)
    office.stopping = threading.Event()
    office.settle(steps=3)
    assert all(office.journal(ana)[ref] == ("logged", "reply") for ref in refs)
    assert len(office.timeline()) == 8


def test_a_message_that_is_not_readable_yet_is_tried_again(office: Office, ana: int) -> None:
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.boxes[ana].refuse(Gone(), method="message")
    office.sync(ana)
    assert office.journal(ana)[ref] == ("pending", "gone")
    assert office.pending() == [(ref, "gone", 1)]
    office.settle(steps=10)
    assert office.journal(ana)[ref] == ("logged", "reply")
    assert office.pending() == []


def test_a_message_deleted_before_it_could_be_read_ends_as_trash(office: Office, ana: int) -> None:
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.boxes[ana].refuse(Gone(), method="message", times=99)
    office.sync(ana)
    office.settle(steps=60)
    assert office.journal(ana)[ref] == ("refused", "trash")
    assert office.pending() == []


def test_one_unreadable_message_does_not_hold_up_its_neighbours(office: Office, ana: int) -> None:
    refs = [office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT) for n in range(3)]
    office.boxes[ana].refuse(Retry(60.0), method="message")
    office.sync(ana)
    verdicts = [office.journal(ana)[ref][0] for ref in refs]
    assert sorted(verdicts) == ["logged", "logged", "pending"]
    office.clock += timedelta(seconds=61)
    office.settle(steps=5)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}


def test_a_provider_that_refuses_everything_holds_the_cursor(office: Office, ana: int) -> None:
    cursor = office.row(ana).cursor
    refs = [office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT) for n in range(4)]
    office.boxes[ana].refuse(Retry(120.0), method="message", times=2)
    office.sync(ana)
    assert office.row(ana).cursor == cursor
    assert office.row(ana).blocked_until == office.clock + timedelta(seconds=120)
    office.clock += timedelta(seconds=121)
    office.settle(steps=5)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}


def test_a_limit_met_while_reading_headers_is_not_tried_message_by_message(
    office: Office, ana: int
) -> None:
    for n in range(4):
        office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT)
    office.boxes[ana].calls.clear()
    office.boxes[ana].refuse(Retry(900.0), method="headers", times=9)
    office.sync(ana)
    assert office.boxes[ana].calls["headers"] == 1
    assert office.row(ana).blocked_until == office.clock + timedelta(seconds=900)
    assert office.pending() == []


def test_no_call_is_made_while_the_provider_asked_us_to_wait(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Retry(900.0), method="changes")
    office.sync(ana)
    opened = office.opened
    office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.sync(ana, ana)
    assert office.opened == opened
    office.clock += timedelta(seconds=901)
    office.settle(steps=3)
    assert ("r@x", 1, 1) in office.timeline()


def test_an_expired_cursor_is_repaired_by_listing_since(office: Office, ana: int) -> None:
    refs = [office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT) for n in range(5)]
    office.boxes[ana].expire()
    office.page_size = 2
    office.sync(ana)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}
    after = office.deliver(ana, MARIA, "Re: Offer 12", "after@x", answers=ROOT)
    office.sync(ana)
    assert office.journal(ana)[after] == ("logged", "reply")
    assert len(office.timeline()) == 7


def test_a_lost_consent_stops_the_mailbox_and_says_why(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Reconnect("revoked"), method="changes")
    office.sync(ana)
    row = office.row(ana)
    assert (row.status, row.cause) == (MailboxStatus.RECONNECT, "revoked")
    opened = office.opened
    office.sync(ana)
    assert office.opened == opened, "nothing is asked until somebody reconnects"


def test_a_fault_of_ours_pauses_the_mailbox_and_keeps_it_connected(
    office: Office, ana: int
) -> None:
    office.boxes[ana].refuse(Operator("client-secret"), method="changes")
    office.sync(ana)
    row = office.row(ana)
    assert row.status is MailboxStatus.CONNECTED
    assert row.blocked_until == office.clock + timedelta(minutes=15)


def test_a_watch_that_cannot_be_had_does_not_stop_the_reading(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Operator("topic"), method="watch", times=99)
    office.clock += timedelta(days=2)
    office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.sync(ana)
    assert ("r@x", 1, 1) in office.timeline()


def test_watches_are_renewed_when_due_and_not_in_every_run(office: Office, ana: int) -> None:
    assert office.boxes[ana].calls["watch"] == 1
    office.sync(ana, ana)
    assert office.boxes[ana].calls["watch"] == 1
    office.clock += timedelta(days=1)
    office.settle(steps=2)
    assert office.boxes[ana].calls["watch"] == 2


def test_a_person_or_a_lifecycle_event_has_the_watch_made_again(office: Office, ana: int) -> None:
    office.queue.rewatch(ana)
    office.sync(ana)
    assert office.boxes[ana].calls["watch"] == 2


def test_two_runs_at_once_are_one_run_and_one_more(office: Office, ana: int) -> None:
    with office.database.begin() as conn:
        held = mailboxes.take_lease(conn, ana, "other", office.clock, timedelta(seconds=45))
    assert held is not None
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.sync(ana)
    assert ref not in office.journal(ana)
    with office.database.begin() as conn:
        assert mailboxes.release(conn, held, "other", office.clock, None)
    office.settle(steps=1)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_a_run_that_lost_its_lease_ends_without_harm(office: Office, ana: int) -> None:
    refs = [office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT) for n in range(3)]
    thief = office.clock + timedelta(seconds=46)
    box = office.boxes[ana]
    original = box.enter

    def steal(method: str) -> None:
        if method == "message":
            with office.database.begin() as conn:
                mailboxes.take_lease(conn, ana, "thief", thief, timedelta(seconds=45))
        original(method)

    box.enter = steal  # type: ignore[method-assign]
    office.sync(ana)
    assert not any(ref in office.journal(ana) for ref in refs)
    box.enter = original  # type: ignore[method-assign]
    office.clock += timedelta(seconds=92)
    office.settle(steps=2)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}


def test_a_run_that_died_is_rung_again_by_the_timetable(office: Office, ana: int) -> None:
    with office.database.begin() as conn:
        mailboxes.take_lease(conn, ana, "dead", office.clock, timedelta(seconds=45))
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.settle(steps=44)
    assert ref not in office.journal(ana)
    office.settle(steps=3)
    assert office.journal(ana)[ref] == ("logged", "reply")


def wakes_in(office: Office, mailbox: int) -> timedelta:
    wake_at = office.row(mailbox).wake_at
    assert wake_at is not None
    return wake_at - office.clock


def test_an_empty_listing_after_a_push_is_looked_at_again_soon(office: Office, ana: int) -> None:
    office.settle(steps=20)
    office.queue.wake(ana)
    office.sync(ana)
    assert wakes_in(office, ana) <= timedelta(seconds=3)
    office.settle(steps=20)
    assert wakes_in(office, ana) > timedelta(minutes=5), "then the mailbox is left in peace"


def test_a_push_that_comes_during_a_run_has_its_listing_looked_at_again(
    office: Office, ana: int
) -> None:
    office.settle(steps=20)
    with office.database.begin() as conn:
        held = mailboxes.take_lease(conn, ana, "first", office.clock, timedelta(seconds=45))
    assert held is not None
    office.sync(ana)  # a push: the run that holds the mailbox will go round once more
    with office.database.begin() as conn:
        assert mailboxes.release(conn, held, "first", office.clock, office.clock + QUIET)
    office.sync(ana)  # its listing does not show yet what the push was about
    assert wakes_in(office, ana) <= timedelta(seconds=3)


def test_a_push_that_comes_when_the_mailbox_is_due_is_looked_at_again(
    office: Office, ana: int
) -> None:
    office.settle(steps=20)
    office.queue.wake(ana)
    office.sync(ana)
    office.clock += timedelta(seconds=3)  # due; and a push comes, and is not in the listing yet
    office.sync(ana)
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "late@x", answers=ROOT)
    office.settle(steps=12)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_a_quiet_mailbox_is_asked_without_any_push(office: Office, ana: int) -> None:
    office.settle(steps=10)
    office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.settle(steps=12, step=timedelta(minutes=1))
    assert ("r@x", 1, 1) in office.timeline()


def test_redis_down_in_the_middle_does_not_stop_a_run(office: Office, ana: int) -> None:
    from redis import Redis

    from workers.queue import Queue

    office.queue = Queue(Redis.from_url("unix:///nowhere/redis.sock"))
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT)
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")
