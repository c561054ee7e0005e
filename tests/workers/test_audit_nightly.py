"""When audits are made, what their operator sees, and mail that nobody announced."""

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from crm.history import What
from crm.model import Place, Ref
from crm.store import audits, nights
from crm.tables import Mailbox
from providers.client import Item
from providers.memory import MemoryClient
from tests.workers.audit_desk import (
    DAY,
    HOUR,
    begun,
    compare,
    last,
    metric,
    reply,
    told,
)
from tests.workers.conftest import Office
from workers import audit as work
from workers.audit import Nightly
from workers.timetable import Timetable


def test_the_timetable_has_each_mailbox_audited_once_a_night(sqlite_office: Office) -> None:
    office = sqlite_office
    boxes = [office.mailbox(f"user{n}@acme.test") for n in range(6)]
    office.sync(*boxes)
    due = [office.row(box).audit_due_at for box in boxes]
    midnight = (office.clock + DAY).replace(hour=0, minute=0)
    assert all(when and midnight <= when < midnight + nights.NIGHT for when in due)
    assert len(set(due)) == len(due)
    nightly = Nightly(office.runtime)
    assert nightly.tick() == 0
    office.clock = midnight + nights.NIGHT
    for box in boxes:
        wake(office, box, office.clock + HOUR)
    assert nightly.tick() == len(boxes)
    assert nightly.tick() == 0, "they are rung already"
    office.sync(*boxes)
    assert [last(office, box).asked for box in boxes] == [audits.NIGHTLY] * len(boxes)
    assert all(
        row.audit_due_at > office.clock for row in map(office.row, boxes) if row.audit_due_at
    )
    assert nightly.tick() == 0
    assert What.AUDITED not in told(office, boxes[0]), "a clean night is nothing to tell"


def wake(office: Office, box: int, when: datetime) -> None:
    with office.database.begin() as conn:
        of_ours = Mailbox.account_id == office.account_id, Mailbox.id == box
        conn.execute(update(Mailbox).where(*of_ours).values(wake_at=when))


def test_an_audit_that_is_due_disturbs_nobody_who_works_on_the_mailbox(
    sqlite_office: Office,
) -> None:
    from crm.store import mailboxes

    office, ana = sqlite_office, begun(sqlite_office)
    office.clock += 2 * DAY
    with office.database.begin() as conn:
        mailboxes.take_lease(conn, ana, "somebody", office.clock, timedelta(seconds=45))
    assert Nightly(office.runtime).tick() == 0


def test_not_all_threads_of_a_process_are_given_to_audits(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    office.clock += HOUR
    monkeypatch.setattr(work, "_SLOTS", threading.BoundedSemaphore(1))
    work._SLOTS.acquire()
    with office.database.begin() as conn:
        audits.begin(conn, office.account_id, ana, 3, office.clock)
    office.sync(ana)
    assert last(office, ana).until is None
    work._SLOTS.release()
    office.clock += timedelta(minutes=1)
    office.sync(ana)
    assert last(office, ana).ended_at is not None


def test_the_operator_sees_how_old_the_last_audit_is(sqlite_office: Office) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    compare(office, ana)
    office.clock += 3 * DAY
    Timetable(office.runtime).tick()
    assert metric("replylog_last_audit_age_seconds") == pytest.approx(3 * 86400, abs=60)
    assert metric("replylog_audits_overdue_seconds") > 86400


def test_however_big_the_mailbox_is_one_page_of_it_is_held_in_memory(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    office.clock += HOUR
    monkeypatch.setattr(work._Slice, "_judge", lambda *_: None)

    def peak(pages: int) -> int:
        """Bytes that an audit of so many pages takes at most; the ids of a page are 60,000."""

        def listing(*_: object) -> Iterator[tuple[Item, ...]]:
            for page in range(pages):
                gc.collect()  # statements hold their values in circles
                ids = [f"{page}-{each}" * 150 for each in range(100)]
                yield tuple(Item(Ref(each), Place.ELSEWHERE) for each in ids)

        monkeypatch.setattr(MemoryClient, "between", listing)
        tracemalloc.start()
        assert compare(office, ana).looked >= pages * 100
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # the statements are compiled
    gc.freeze()  # a collection then looks at what is new alone
    try:
        assert peak(30) - peak(3) < 3 * 60_000
    finally:
        gc.unfreeze()


def test_old_audits_are_forgotten(sqlite_office: Office) -> None:
    office, ana = sqlite_office, begun(sqlite_office)
    compare(office, ana)
    office.clock += 91 * DAY
    Nightly(office.runtime).tick()
    with office.database.read() as conn:
        assert audits.listing(conn, office.account_id, ana, 5) == []


# ---- mail that nobody announced


@pytest.fixture
def quiet(sqlite_office: Office) -> int:
    ana = begun(sqlite_office)
    sqlite_office.settle(steps=15)
    return ana


def test_mail_that_only_the_quiet_look_finds_is_a_missed_push(
    sqlite_office: Office, quiet: int
) -> None:
    office, before = sqlite_office, metric("replylog_missed_pushes_total", provider="memory")
    reply(office, quiet, "unannounced")
    office.clock += timedelta(minutes=11)
    office.sync(quiet)
    assert metric("replylog_missed_pushes_total", provider="memory") == before + 1


def test_mail_that_somebody_rang_for_or_that_has_just_come_is_none(
    sqlite_office: Office, quiet: int
) -> None:
    office, before = sqlite_office, metric("replylog_missed_pushes_total", provider="memory")
    reply(office, quiet, "rung")
    office.clock += timedelta(minutes=5)
    office.sync(quiet)
    office.settle(steps=15)
    office.clock += timedelta(minutes=11)
    reply(office, quiet, "young")
    office.sync(quiet)
    assert metric("replylog_missed_pushes_total", provider="memory") == before


def test_a_quiet_look_at_an_unchanged_mailbox_is_one_cheap_call(
    sqlite_office: Office, quiet: int
) -> None:
    office, box = sqlite_office, sqlite_office.boxes[quiet]
    with office.database.begin() as conn:  # folders and label are looked at in runs of their own
        of_ours = Mailbox.account_id == office.account_id, Mailbox.id == quiet
        later = office.clock + DAY
        conn.execute(update(Mailbox).where(*of_ours).values(renew_at=later, label_due_at=later))
    box.calls.clear()
    office.clock += timedelta(minutes=11)
    office.sync(quiet)
    assert dict(box.calls) == {"changes": 1}
