"""Messages that end the process which reads them: found, set aside, named; and nobody else is."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.history import What
from crm.store import history, journal, waiting
from crm.tables import Mailbox as Table
from providers.client import Retry
from tests.providers.mail import with_file
from tests.workers.conftest import Office
from workers import caution
from workers.timetable import Timetable

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"
LEASE = timedelta(seconds=46)


class Died(BaseException):
    """Stands for SIGKILL: nothing of the run is cleared up."""


class Killer:
    """Ends the process with each call of `method` about a message that contains `mark`."""

    def __init__(self, office: Office, mailbox: int, method: str, mark: bytes) -> None:
        self.office, self.mailbox = office, mailbox
        self.method, self.mark = method, mark
        self.deaths = 0
        self.live = True
        self._open = office._open
        office._open = self._poisoned  # type: ignore[method-assign]

    def _poisoned(self, mailbox):
        client = self._open(mailbox)
        original = getattr(client, self.method)

        def call(what, *rest):
            refs = [what] if hasattr(what, "id") else what
            held = [client.mailbox.messages.get(ref.id) for ref in refs]
            if self.live and any(each and self.mark in each.raw for each in held):
                self.deaths += 1
                raise Died
            return original(what, *rest)

        setattr(client, self.method, call)
        return client

    def run(self, times: int = 12) -> None:
        """Runs until one ends well, each after the lease of the one before."""
        for _ in range(times):
            try:
                self.office.sync(self.mailbox)
            except Died:
                self.office.clock += LEASE
            else:
                return
        pytest.fail("no run ended well")


def reply(office: Office, mailbox: int, name: str, **more: str) -> str:
    return office.deliver(mailbox, MARIA, "Re: Offer 12", name, answers=ROOT, **more)


def counted(office: Office, mailbox: int) -> tuple[int, str, str, int]:
    columns = (Table.deaths, Table.in_hand, Table.suspect, Table.suspect_deaths)
    (row,) = office.rows(
        select(*columns).where(Table.account_id == office.account_id, Table.id == mailbox)
    )
    return row


def happened(office: Office, mailbox: int) -> list[str]:
    with office.database.read() as conn:
        return [each.what for each in history.listing(conn, office.account_id, mailbox, 50).items]


@pytest.mark.parametrize("method", ["message", "headers"])
def test_a_message_that_kills_its_reader_is_set_aside_and_its_neighbours_are_logged(
    office: Office, ana: int, method: str
) -> None:
    killer = Killer(office, ana, method, b"POISON")
    before = [reply(office, ana, f"b{n}@x") for n in range(3)]
    bad = reply(office, ana, "bad@x", body="POISON")
    after = [reply(office, ana, f"a{n}@x") for n in range(3)]
    killer.run()
    assert killer.deaths == 3, "the first found nobody prepared, and counts"
    assert office.journal(ana)[bad] == ("pending", "fatal")
    assert {office.journal(ana)[ref] for ref in before + after} == {("logged", "reply")}
    assert happened(office, ana).count(What.SET_ASIDE) == 1
    assert counted(office, ana) == (0, "", "", 0), "the next run need not be cautious"
    office.boxes[ana].label(bad, "Important")  # listed once more
    office.sync(ana)
    assert killer.deaths == 3, "it has its own time"


@pytest.mark.parametrize("harmless", [True, False])
def test_what_was_set_aside_has_a_second_chance_and_no_third(
    office: Office, ana: int, harmless: bool
) -> None:
    killer = Killer(office, ana, "message", b"POISON")
    bad = reply(office, ana, "bad@x", body="POISON")
    killer.run()
    assert killer.deaths == 3
    killer.live = not harmless  # other deaths than its own
    office.clock += caution.SECOND_CHANCE
    killer.run()
    assert office.journal(ana)[bad] == (("logged", "reply") if harmless else ("pending", "fatal"))
    assert killer.deaths == (3 if harmless else 4)
    with office.database.read() as conn:
        assert journal.given_up(conn, office.account_id) == ({} if harmless else {ana: 1})
    office.clock += timedelta(days=1)
    killer.run(1)


def test_a_message_that_kills_when_it_is_judged_again_is_set_aside(
    office: Office, ana: int
) -> None:
    bad = office.deliver(ana, MARIA, "Re: x", "bad@x", answers="late@acme.test", body="POISON")
    office.sync(ana)
    assert office.rules(ana)[bad] == "unknown-thread"
    killer = Killer(office, ana, "message", b"POISON")
    office.send(ana, MARIA, "x", "late@acme.test")
    good = reply(office, ana, "good@x")
    killer.run()
    assert office.journal(ana)[good] == ("logged", "reply")
    assert office.pending() == [(bad, "fatal", 1)]
    killer.run(1)


def test_a_file_that_kills_its_reader_is_given_up_and_its_message_stays_logged(
    office: Office, ana: int
) -> None:
    raw = with_file("a.pdf", b"POISON").replace(
        b"gina@globex.test\r\n", MARIA.encode() + b"\r\n", 1
    )
    raw = raw.replace(b"Subject: A file", b"Subject: Re: Offer 12", 1)
    raw = raw.replace(b"MIME-Version", f"In-Reply-To: <{ROOT}>\r\nMIME-Version".encode(), 1)
    killer = Killer(office, ana, "attachment", b"a.pdf")
    ref = office.boxes[ana].deliver(raw)
    killer.run()
    assert killer.deaths == 4, "the first, which found nobody prepared, does not count"
    assert office.journal(ana)[ref] == ("logged", "reply")
    assert happened(office, ana).count(What.SET_ASIDE) == 1
    office.clock += timedelta(days=1)
    killer.run(1)


def test_kills_at_random_moments_set_no_message_aside(office: Office, ana: int) -> None:
    refs = [reply(office, ana, f"r{n}@x") for n in range(12)]
    killer = Killer(office, ana, "message", b"no such mark")
    for n in range(12):  # each death over another message
        killer.mark = f"r{n}@x".encode()
        with pytest.raises(Died):
            office.sync(ana)
        office.clock += LEASE
    killer.live = False
    killer.run(2)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}
    assert What.SET_ASIDE not in happened(office, ana)


def test_the_death_that_found_nobody_prepared_counts_for_one_message_only(
    office: Office, ana: int
) -> None:
    refs = [reply(office, ana, f"r{n}@x") for n in range(2)]
    killer = Killer(office, ana, "message", b"")
    for mark in (b"r0@x", b"r0@x", b"r1@x", b"r1@x"):  # four deaths, two over each
        killer.mark = mark
        with pytest.raises(Died):
            office.sync(ana)
        office.clock += LEASE
    killer.live = False
    killer.run(2)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}


def test_a_process_that_is_asked_to_end_is_no_death(office: Office, ana: int) -> None:
    reply(office, ana, "r@x")
    office.stopping.set()
    office.sync(ana)
    office.stopping.clear()
    office.sync(ana)
    assert counted(office, ana) == (0, "", "", 0)


def test_a_suspect_that_is_read_at_last_is_none_any_more(office: Office, ana: int) -> None:
    ref = reply(office, ana, "r@x", body="POISON")
    killer = Killer(office, ana, "message", b"POISON")
    for _ in range(2):
        with pytest.raises(Died):
            office.sync(ana)
        office.clock += LEASE
    assert counted(office, ana)[1] == f"message {ref}"
    killer.live = False
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")
    assert counted(office, ana) == (0, "", "", 0)


def test_a_provider_that_does_not_answer_makes_no_suspect(office: Office, ana: int) -> None:
    reply(office, ana, "r@x", body="POISON")
    killer = Killer(office, ana, "message", b"POISON")
    for _ in range(2):
        with pytest.raises(Died):
            office.sync(ana)
        office.clock += LEASE
    killer.live = False
    office.boxes[ana].refuse(Retry(None), times=1, method="message")
    office.sync(ana)
    assert counted(office, ana)[1] == ""
    office.settle(steps=10)
    assert ("r@x", 1, 1) in office.timeline()


def test_two_cautious_runs_of_one_process_come_one_after_the_other(
    office: Office, ana: int
) -> None:
    ref = reply(office, ana, "r@x", body="POISON")
    killer = Killer(office, ana, "message", b"POISON")
    with pytest.raises(Died):
        office.sync(ana)
    killer.live = False
    office.clock += LEASE
    with caution.ALONE:  # another mailbox's
        office.sync(ana)
        assert ref not in office.journal(ana)
    office.settle(steps=3)
    assert office.journal(ana)[ref] == ("logged", "reply")


@pytest.mark.parametrize("harmless", [True, False])
def test_a_person_may_have_it_tried_again(office: Office, ana: int, harmless: bool) -> None:
    killer = Killer(office, ana, "message", b"POISON")
    bad = reply(office, ana, "bad@x", body="POISON")
    killer.run()
    killer.live = not harmless
    with office.database.begin() as conn:
        (row,) = journal.rows(conn, office.account_id, ana, journal.Filter(verdict="pending")).items
        assert waiting.try_again(conn, office.account_id, row.id, office.clock) == {ana}
    killer.run()
    assert office.journal(ana)[bad][0] == ("logged" if harmless else "pending")
    assert killer.deaths == (3 if harmless else 4), "one more is enough"


def test_a_fatal_message_that_was_given_up_is_read_when_a_person_says_so(
    office: Office, ana: int
) -> None:
    killer = Killer(office, ana, "message", b"POISON")
    bad = reply(office, ana, "bad@x", body="POISON")
    killer.run()
    with office.database.begin() as conn:
        (row,) = journal.rows(conn, office.account_id, ana, journal.Filter(verdict="pending")).items
        waiting.give_up(conn, office.account_id, row.id, office.clock)
    assert office.journal(ana)[bad] == ("refused", "fatal")
    office.boxes[ana].label(bad, "Important")
    killer.run(1)
    killer.live = False
    with office.database.begin() as conn:
        assert waiting.judge_again(conn, office.account_id, row.id, office.clock) == {ana}
    office.sync(ana)
    assert office.journal(ana)[bad] == ("logged", "reply")


def test_what_waits_for_a_person_is_not_forgotten_with_the_journal(
    office: Office, ana: int
) -> None:
    killer = Killer(office, ana, "message", b"POISON")
    bad = reply(office, ana, "bad@x", body="POISON")
    old = office.deliver(ana, "zoe@x.test", "New", "n@x")
    killer.run()
    office.clock += timedelta(days=31)
    Timetable(office.runtime).tick()
    assert old not in office.journal(ana)
    assert office.journal(ana)[bad] == ("pending", "fatal")
