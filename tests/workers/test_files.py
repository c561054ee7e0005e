"""Files of logged e-mails: read after the e-mail is logged, kept once, given up in the end."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from crm.model import FileState
from crm.store import mailboxes
from infra.blobs import Blobs
from providers.client import Retry
from tests.workers.conftest import NOWHERE, Office
from tests.workers.desk import Desk
from workers.files import FILES, MOST_ATTEMPTS
from workers.sync import LEASE

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def desk(sqlite_office: Office) -> Desk:
    return Desk(sqlite_office)


def test_the_files_of_a_reply_are_kept_in_the_run_that_logs_it(office: Office):
    desk = Desk(office)
    desk.answer(b"%PDF-1.7 " * 1000)
    desk.sync()
    assert desk.kept() == [b"%PDF-1.7 " * 1000]
    assert [(name, state, size) for name, state, _, size in desk.rows()] == [
        ("a.pdf", "stored", 9000)
    ]
    desk.sync()
    assert desk.calls() == 1


def test_no_file_is_read_where_attachments_are_off(desk):
    desk.setting("log_attachments", False)
    desk.answer(b"x")
    desk.sync()
    assert desk.states() == ["attachments-off"]
    assert (desk.calls(), desk.blobs()) == (0, 0)


def test_files_that_wait_when_attachments_are_switched_off_are_not_read(desk):
    desk.refuse(Retry())
    desk.answer(b"x")
    desk.sync()
    desk.setting("log_attachments", False)
    desk.sync(after=MINUTE)
    assert desk.states() == ["attachments-off"]


def test_a_message_over_the_limit_is_logged_without_its_files(desk):
    desk.setting("attachment_limit", 1)
    ref = desk.answer(bytes(1024 * 1024))
    desk.sync()
    assert desk.office.journal(desk.ana)[ref] == ("logged", "reply")
    assert desk.states() == ["too-large"]
    assert desk.calls() == 0


def test_a_file_that_turns_out_larger_than_the_limit_is_not_kept(desk):
    desk.refuse(Retry())
    desk.answer(bytes(1024 * 1024 + 1))
    desk.sync()
    desk.setting("attachment_limit", 1)
    desk.sync(after=MINUTE)
    assert desk.states() == ["too-large"]
    assert desk.blobs() == 0


def test_a_file_that_cannot_be_read_now_waits_and_holds_nothing_up(desk):
    desk.refuse(Retry())
    ref = desk.answer(b"x")
    desk.sync()
    assert desk.office.journal(desk.ana)[ref] == ("logged", "reply")
    assert desk.states() == ["waiting"]
    assert desk.office.row(desk.ana).blocked_until is None
    desk.office.settle(steps=3, step=MINUTE)
    assert desk.kept() == [b"x"]


def test_a_limit_met_at_a_file_is_the_mailbox_s(desk):
    desk.refuse(Retry(300))
    desk.answer(b"x")
    desk.sync()
    row = desk.office.row(desk.ana)
    assert row.blocked_until == row.wake_at == desk.office.clock + 300 * SECOND
    desk.sync(after=301 * SECOND)
    assert desk.kept() == [b"x"]


def test_a_file_of_a_deleted_message_is_unavailable(desk):
    desk.refuse(Retry())
    ref = desk.answer(b"x")
    desk.sync()
    desk.office.boxes[desk.ana].delete(ref)
    desk.sync(after=MINUTE)
    assert desk.states() == ["attachment-unavailable"]


def test_a_file_that_can_never_be_read_is_given_up_within_a_day(desk):
    desk.refuse(Retry(), times=1000)
    desk.answer(b"x")
    began = desk.office.clock
    desk.sync()
    while desk.states() == ["waiting"]:
        desk.sync(after=timedelta(minutes=20))
    assert desk.states() == ["attachment-unavailable"]
    assert desk.calls() == MOST_ATTEMPTS
    assert timedelta(hours=1) < desk.office.clock - began < timedelta(days=1)


def test_one_file_that_fails_does_not_keep_the_next_waiting(desk):
    desk.refuse(ValueError("a bug"))
    desk.answer(b"first", "first.pdf")
    desk.answer(b"second", "second.pdf")
    desk.sync()
    assert sorted(desk.states()) == ["stored", "waiting"]


def test_the_same_file_in_two_e_mails_is_kept_once(desk):
    desk.answer(b"logo", "one.png")
    desk.answer(b"logo", "two.png")
    desk.sync()
    assert desk.kept() == [b"logo", b"logo"]
    assert desk.blobs() == 1


def test_an_e_mail_in_two_mailboxes_is_read_in_one(desk):
    second = desk.mailbox("ana@acme.example")
    desk.refuse(Retry())
    for box in (desk.ana, second):
        desk.answer(b"x", mailbox=box)
    desk.office.sync(desk.ana, second)
    desk.office.clock += MINUTE
    desk.office.sync(second)
    assert desk.states() == ["waiting"]
    desk.office.sync(desk.ana)
    assert (desk.states(), desk.calls(second)) == (["stored"], 0)


def test_where_its_mailbox_is_gone_another_copy_is_read_though_its_parts_have_other_names(desk):
    second = desk.mailbox("ana@acme.example")
    desk.refuse(Retry())
    ref = desk.answer(b"x")
    other = desk.answer(b"x", mailbox=second)
    raw = desk.office.boxes[second].messages[other].raw
    twice = raw.replace(
        b"--b5\r\n", b"--b5\r\nContent-Type: text/plain\r\n\r\nMore.\r\n--b5\r\n", 1
    )
    box = desk.office.boxes[second]
    box.messages[other] = replace(box.messages[other], raw=twice)
    desk.office.sync(desk.ana, second)
    assert desk.office.journal(desk.ana)[ref] == ("logged", "reply")
    assert desk.office.journal(second)[other] == ("logged", "duplicate")
    with desk.office.database.begin() as conn:
        mailboxes.disconnect(conn, desk.office.account_id, desk.ana, desk.office.clock)
    desk.office.clock += MINUTE
    desk.office.sync(second)
    assert desk.kept() == [b"x"]


def test_a_file_that_one_mailbox_has_no_more_is_read_in_another_that_is_rung_for_it(desk):
    second = desk.mailbox("ana@acme.example")
    desk.refuse(Retry())
    ref = desk.answer(b"x")
    desk.answer(b"x", mailbox=second)
    desk.office.sync(desk.ana, second)
    desk.office.boxes[desk.ana].delete(ref)
    desk.sync(after=MINUTE)
    assert desk.states() == ["waiting"]
    assert desk.office.row(second).wake_at == desk.office.clock
    desk.office.sync(second)
    assert desk.kept() == [b"x"]


def test_a_file_that_no_mailbox_has_any_more_is_read_in_a_copy_that_comes_later(desk):
    second, third = desk.mailbox("ana@acme.example"), desk.mailbox("a@acme.test")
    desk.refuse(Retry())
    refs = {desk.ana: desk.answer(b"x"), second: desk.answer(b"x", mailbox=second)}
    desk.office.sync(*refs)
    for box, ref in refs.items():
        desk.office.boxes[box].delete(ref)
    desk.office.clock += MINUTE
    desk.office.sync(*refs)
    assert desk.states() == ["attachment-unavailable"]
    desk.answer(b"x", mailbox=third)
    desk.office.sync(third)
    assert desk.kept() == [b"x"]


def counted() -> dict[str, float]:
    return {each: FILES.labels(each)._value.get() for each in FileState}


def test_what_becomes_of_files_is_counted(desk):
    before = counted()
    desk.answer(b"kept")
    desk.sync()
    desk.setting("attachment_limit", 1)
    desk.answer(bytes(1024 * 1024), "b.pdf")
    desk.sync()
    desk.setting("log_attachments", False)
    desk.answer(b"off", "c.pdf")
    desk.sync()
    more = {each: number - before[each] for each, number in counted().items()}
    assert {each: number for each, number in more.items() if number} == {
        FileState.STORED: 1,
        FileState.TOO_LARGE: 1,
        FileState.OFF: 1,
    }


# -- placeholders


def test_files_that_were_being_scanned_take_the_place_of_the_placeholder(desk):
    ref = desk.answer(b"%PDF", "plan.pdf")
    box = desk.office.boxes[desk.ana]
    box.scanning.add(ref)
    desk.sync()
    assert desk.office.journal(desk.ana)[ref] == ("logged", "reply")
    assert desk.states() == ["attachment-pending"]
    wake = desk.office.row(desk.ana).wake_at
    assert wake is not None
    assert wake <= desk.office.clock + 2 * MINUTE
    desk.sync(after=2 * MINUTE)
    assert desk.states() == ["attachment-pending"]
    box.scanning.clear()
    desk.sync(after=3 * MINUTE - SECOND)
    assert desk.states() == ["attachment-pending"]
    desk.sync(after=SECOND)
    assert [(name, state) for name, state, _, _ in desk.rows()] == [("plan.pdf", "stored")]
    assert desk.kept() == [b"%PDF"]


def test_a_scan_without_end_is_given_up_after_ten_minutes(desk):
    box = desk.office.boxes[desk.ana]
    box.scanning.add(desk.answer(b"%PDF"))
    desk.sync()
    began, looks = desk.office.clock, []
    box.calls.clear()
    while desk.states() == ["attachment-pending"]:
        before = box.calls["message"]
        desk.sync(after=30 * SECOND)
        if box.calls["message"] > before:
            looks.append((desk.office.clock - began) / MINUTE)
    assert looks == [2, 5, 10]
    assert desk.states() == ["attachment-unavailable"]
    assert desk.calls() == 0


def test_files_that_are_scanned_in_a_message_deleted_since_are_read_in_another_copy(desk):
    second = desk.mailbox("ana@acme.example")
    boxes = desk.office.boxes
    ref, other = desk.answer(b"x"), desk.answer(b"x", mailbox=second)
    boxes[desk.ana].scanning.add(ref)
    boxes[second].scanning.add(other)
    desk.office.sync(desk.ana, second)
    boxes[desk.ana].delete(ref)
    desk.sync(after=2 * MINUTE)
    boxes[second].scanning.clear()
    desk.office.sync(second)
    assert desk.kept() == [b"x"]


def test_a_provider_that_is_away_while_a_scan_runs_costs_no_look(desk):
    box = desk.office.boxes[desk.ana]
    box.scanning.add(desk.answer(b"%PDF"))
    desk.sync()
    box.scanning.clear()
    box.refuse(Retry(), 3, "message")
    for _ in range(5):
        desk.sync(after=2 * MINUTE)
    assert desk.kept() == [b"%PDF"]


# -- when something dies


class Killed(BaseException):
    """The worker is killed."""


class DiesAfterPutting(Blobs):
    def has(self, account_id: int, digest: str) -> bool:
        raise Killed


def test_a_worker_killed_between_file_and_row_leaves_nothing_wrong(office: Office):
    desk = Desk(office)
    desk.answer(b"x")
    whole, office.blobs = office.blobs, DiesAfterPutting(office.blobs._settings)
    with pytest.raises(Killed):
        desk.sync()
    assert (desk.states(), desk.blobs()) == (["waiting"], 1)
    office.blobs = whole
    desk.sync(after=LEASE + SECOND)
    assert (desk.states(), desk.blobs()) == (["stored"], 1)
    assert desk.kept() == [b"x"]


def test_a_file_that_a_sweep_took_between_put_and_row_is_read_again(desk):
    class Swept(Blobs):
        def has(self, account_id: int, digest: str) -> bool:
            self.delete(account_id, digest)
            return super().has(account_id, digest)

    desk.answer(b"x")
    whole, desk.office.blobs = desk.office.blobs, Swept(desk.office.blobs._settings)
    desk.sync()
    assert desk.states() == ["waiting"]
    desk.office.blobs = whole
    desk.sync(after=MINUTE)
    assert desk.kept() == [b"x"]


def test_where_files_cannot_be_kept_they_wait_without_haste_and_are_never_given_up(desk):
    desk.answer(b"one", "one.pdf")
    desk.answer(b"two", "two.pdf")
    whole, desk.office.blobs = desk.office.blobs, NOWHERE
    for _ in range(MOST_ATTEMPTS + 5):
        desk.sync(after=timedelta(hours=2))
        wake = desk.office.row(desk.ana).wake_at
        assert desk.states() == ["waiting", "waiting"]
    desk.office.sync(desk.ana)
    wake = desk.office.row(desk.ana).wake_at
    assert wake is not None
    desk.office.blobs = whole
    desk.sync(after=timedelta(hours=2))
    assert desk.kept() == [b"one", b"two"]


def test_a_process_that_is_to_end_stops_reading_at_once(desk):
    desk.answer(os.urandom(600_000))
    seen: list[bytes] = []

    class Watched(Blobs):
        def put(self, account_id, pieces, most=None):  # type: ignore[no-untyped-def]
            def stopped() -> Iterator[bytes]:
                for piece in pieces:
                    seen.append(piece)
                    desk.office.stopping.set()
                    yield piece

            return super().put(account_id, stopped(), most)

    whole, desk.office.blobs = desk.office.blobs, Watched(desk.office.blobs._settings)
    desk.sync()
    assert (len(seen), desk.states(), desk.blobs()) == (1, ["waiting"], 0)
    desk.office.stopping.clear()
    desk.office.blobs = whole
    desk.sync()
    assert desk.states() == ["stored"]
