"""The daily sweep of kept files: what goes, what stays, and when."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from crm.store import contacts, mailboxes
from crm.store.removal import remove_contact
from crm.tables import EmailAttachment, Sighting
from infra.blobs import Blobs
from infra.settings import Settings
from providers.client import Retry
from tests.workers.conftest import Office
from tests.workers.desk import MARIA, Desk
from workers.sweep import OLD, sweep
from workers.timetable import SWEEP_EVERY, Timetable

MINUTE = timedelta(minutes=1)


def age(office: Office, by: timedelta) -> None:
    """Make every kept file on disk older."""
    folder = office.blobs._folder
    for path in folder.rglob("*"):
        then = path.stat().st_mtime - by.total_seconds()
        os.utime(path, (then, then))


@pytest.fixture
def real_time(sqlite_office: Office) -> Desk:
    sqlite_office.clock = datetime.now(UTC)
    return Desk(sqlite_office)


def swept(office: Office) -> int:
    return sum(sweep(office.runtime))


def test_a_sweep_takes_what_is_old_and_nobody_s(real_time):
    desk, office = real_time, real_time.office
    desk.answer(b"named")
    desk.sync()
    office.blobs.put(office.account_id, [b"left by a killed worker"])
    office.blobs.put(999, [b"of an account that is gone"])
    age(office, OLD - MINUTE)
    assert swept(office) == 0
    age(office, 2 * MINUTE)
    office.blobs.put(office.account_id, [b"just put"])
    assert swept(office) == 2
    assert desk.kept() == [b"named"]
    assert desk.blobs() == 2


def test_files_go_with_the_last_e_mail_that_has_them(real_time):
    desk, office = real_time, real_time.office
    desk.answer(b"same", "one.pdf")
    desk.sync()
    with office.database.begin() as conn:
        maria = contacts.find(conn, office.account_id, MARIA)
        assert maria is not None
        mailboxes.disconnect(conn, office.account_id, desk.ana, office.clock)
    age(office, 2 * OLD)
    assert swept(office) == 0  # a mailbox that is disconnected keeps what is logged
    with office.database.begin() as conn:
        remove_contact(conn, office.account_id, maria.id)
    assert swept(office) == 1
    assert desk.blobs() == 0


def test_a_file_of_two_e_mails_stays_with_the_other_one(real_time):
    desk, office = real_time, real_time.office
    desk.answer(b"same", "one.pdf")
    desk.answer(b"same", "two.pdf")
    desk.sync()
    table = EmailAttachment
    with office.database.begin() as conn:
        conn.execute(
            table.__table__.delete().where(
                table.account_id == office.account_id, table.filename == "one.pdf"
            )
        )
    age(office, 2 * OLD)
    assert swept(office) == 0
    assert desk.kept() == [b"same"]


def test_a_file_of_which_no_mailbox_has_a_copy_any_more_is_given_up(office: Office):
    desk = Desk(office)
    office.boxes[desk.ana].refuse(Retry(), 1, "attachment")
    desk.answer(b"x")
    desk.sync()
    swept(office)
    assert desk.states() == ["waiting"]
    with office.database.begin() as conn:
        conn.execute(delete(Sighting).where(Sighting.account_id == office.account_id))
    swept(office)
    assert desk.states() == ["attachment-unavailable"]


def test_the_timetable_sweeps_once_a_day_whoever_leads(real_time):
    office = real_time.office
    first = Timetable(office.runtime)
    first.tick()
    office.blobs.put(office.account_id, [b"nobody's"])
    age(office, 2 * OLD)
    for _ in range(3):
        office.clock += timedelta(hours=2)
        Timetable(office.runtime).tick()
        first.tick()
    assert real_time.blobs() == 1
    office.clock += SWEEP_EVERY
    second = Timetable(office.runtime)
    second.tick()
    second.tick()
    assert real_time.blobs() == 0


def test_a_place_that_is_away_does_not_end_the_timetable(sqlite_office: Office, tmp_path: Path):
    (tmp_path / "file").touch()
    sqlite_office.blobs = Blobs(Settings(var=tmp_path / "file"))
    timetable = Timetable(sqlite_office.runtime)
    assert [timetable.tick() for _ in range(3)] == [True, True, True]
