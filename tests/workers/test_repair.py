"""Expired cursors: what came since is listed once, over as many runs as it takes, and nothing of it
is skipped or read twice."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from crm.history import What, sentence
from crm.model import Headers, Ref
from crm.store import history
from providers.client import Cursor, CursorExpired, Page
from providers.memory import MemoryClient
from tests.workers.conftest import Office
from tests.workers.losses.play import MARIA, ROOT, reply, use
from workers import sync as runs
from workers.repair import EXPIRED, REPAIRS, SEARCH_LAG
from workers.times import OVERLAP

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def office(sqlite_office: Office) -> Office:
    sqlite_office.page_size = 10
    return sqlite_office


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    office.clock += SECOND
    return mailbox


class Ticking(MemoryClient):
    """Each call takes a second; `read` counts how often each message's headers were read."""

    office: Office
    read: Counter[str]

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        self.office.clock += SECOND
        self.read.update(ref.id for ref in refs)
        return super().headers(refs)


@pytest.fixture
def read(office: Office) -> Counter[str]:
    found: Counter[str] = Counter()

    def make(box: Any) -> MemoryClient:
        client = Ticking(box, office.page_size)
        client.office, client.read = office, found
        return client

    use(office, make)
    return found


def stop_after(office: Office, steps: int) -> None:
    """The process of the next run is asked to end after so many steps."""
    answers = iter([False] * steps)
    office.stopping.is_set = lambda: next(answers, True)  # type: ignore[method-assign]


def go_on(office: Office) -> None:
    office.stopping.is_set = lambda: False  # type: ignore[method-assign]


def happened(office: Office, mailbox: int) -> list[tuple[str, dict[str, Any]]]:
    with office.database.read() as conn:
        listed = history.listing(conn, office.account_id, mailbox, 50).items
    return [(each.what, each.facts) for each in listed]


def counted(counter: Any) -> float:
    return float(counter.labels("memory")._value.get())


def test_a_listing_that_is_interrupted_goes_on_and_reads_nothing_twice(
    office: Office, ana: int, read: Counter[str]
) -> None:
    strangers = [office.deliver(ana, "zoe@x.test", "New", f"n{n}@x") for n in range(60)]
    replies = [reply(office, ana, f"r{n}@x") for n in range(5)]
    office.boxes[ana].expire()
    for _ in range(12 + int(SEARCH_LAG / SECOND)):
        stop_after(office, 2)  # each run settles one batch at least
        office.sync(ana)
        office.clock += SECOND
        if office.row(ana).owed_since is None:
            break
    else:
        pytest.fail("the listing never ends")
    assert {read[ref] for ref in strangers + replies} == {1}
    assert {office.journal(ana)[ref] for ref in replies} == {("logged", "reply")}
    assert {office.journal(ana)[ref] for ref in strangers} == {("refused", "not-a-reply")}
    assert len(office.timeline()) == 6


def test_new_mail_does_not_wait_for_the_listing_of_old(
    office: Office, ana: int, read: Counter[str]
) -> None:
    for n in range(60):
        office.deliver(ana, "zoe@x.test", "New", f"n{n}@x")
    office.boxes[ana].expire()
    stop_after(office, 2)
    office.sync(ana)
    new = reply(office, ana, "new@x")
    stop_after(office, 2)
    office.sync(ana)
    assert office.row(ana).owed_since is not None
    assert office.journal(ana)[new] == ("logged", "reply")


def test_what_changes_while_a_listing_is_interrupted_is_not_missed(
    office: Office, ana: int, read: Counter[str]
) -> None:
    sent = office.send(ana, MARIA, "Offer 13", "root-2@acme.test", bcc="")
    for n in range(30):
        office.deliver(ana, "zoe@x.test", "New", f"n{n}@x")
    office.boxes[ana].expire()
    stop_after(office, 2)
    office.sync(ana)
    assert office.journal(ana)[sent] == ("refused", "not-ticked")
    office.boxes[ana].label(sent, "Log to CRM")
    go_on(office)
    office.settle(steps=5)
    assert office.journal(ana)[sent] == ("logged", "sent-label")


def test_the_repair_is_written_down_and_counted_once_however_many_runs_it_takes(
    office: Office, ana: int, read: Counter[str]
) -> None:
    settled = office.row(ana).settled_at
    assert settled is not None
    for n in range(30):
        office.deliver(ana, "zoe@x.test", "New", f"n{n}@x")
    reply(office, ana, "r@x")
    office.boxes[ana].expire()
    before = counted(EXPIRED), counted(REPAIRS)
    stop_after(office, 2)
    office.sync(ana)
    go_on(office)
    office.sync(ana)
    assert (counted(EXPIRED), counted(REPAIRS)) == (before[0] + 1, before[1] + 1)
    repaired, expired, *_ = happened(office, ana)
    since = (settled - OVERLAP).isoformat()
    assert expired == (What.CURSOR_EXPIRED, {"since": since, "folders": 0})
    assert repaired == (What.CURSOR_REPAIRED, {"since": since, "found": 32, "logged": 1})
    assert "32 messages. Newly logged: 1. Nothing is missing." in sentence(*repaired)


def test_a_cursor_that_expires_again_before_the_listing_ended_begins_it_again(
    office: Office, ana: int, read: Counter[str]
) -> None:
    settled = office.row(ana).settled_at
    assert settled is not None
    refs = [reply(office, ana, f"r{n}@x") for n in range(30)]
    office.boxes[ana].expire()
    stop_after(office, 2)
    office.sync(ana)
    between = reply(office, ana, "between@x")
    office.boxes[ana].expire()
    stop_after(office, 2)
    office.sync(ana)
    assert office.row(ana).owed_since == settled - OVERLAP
    go_on(office)
    office.settle(steps=20)
    assert {office.journal(ana)[ref] for ref in [*refs, between]} == {("logged", "reply")}
    assert len(office.timeline()) == 32
    kinds = [what for what, _ in happened(office, ana)]
    assert kinds.count(What.CURSOR_EXPIRED) == kinds.count(What.CURSOR_REPAIRED) == 1
    assert office.row(ana).repairs == 0


def test_an_expiry_after_an_outage_of_days_skips_nothing(
    office: Office, ana: int, read: Counter[str]
) -> None:
    refs = []
    for n in range(40):
        refs.append(reply(office, ana, f"r{n}@x"))
        office.clock += timedelta(hours=3)
    office.boxes[ana].expire()
    office.settle(steps=3)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}
    assert len(office.timeline()) == 41


class Forgetful(MemoryClient):
    """Knows no cursor, not even the one it has just given."""

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        self.mailbox.enter("changes")
        raise CursorExpired


def test_a_provider_that_knows_no_cursor_is_listed_ever_more_rarely_and_nothing_is_lost(
    office: Office, ana: int
) -> None:
    use(office, Forgetful)
    box = office.boxes[ana]
    box.calls.clear()
    first = reply(office, ana, "first@x")
    office.settle(steps=6 * 60, step=timedelta(seconds=10))
    assert office.journal(ana)[first] == ("logged", "reply")
    assert 3 <= box.calls["since"] <= 20, "an hour"
    last = reply(office, ana, "last@x")
    office.settle(steps=61, step=timedelta(minutes=1))
    assert office.journal(ana)[last] == ("logged", "reply")


class Folders(MemoryClient):
    """One folder's place in the cursor is lost; the rest of it is good."""

    lost = ("A",)
    asked: list[tuple[str, ...]]

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        yield from super().changes(cursor)
        if self.lost:
            raise CursorExpired("links", self.lost)

    def start_over(
        self, cursor: Cursor, when: datetime, places: Sequence[str]
    ) -> tuple[Cursor, tuple[str, ...]]:
        assert cursor == str(self.mailbox.last), "the other folders' pages moved it"
        type(self).lost = ()
        return cursor, tuple(places)

    def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:
        self.asked.append(tuple(places))
        return super().since(when)


def test_one_folder_whose_link_expired_is_listed_and_no_other(office: Office, ana: int) -> None:
    asked: list[tuple[str, ...]] = []

    class Asking(Folders):
        pass

    Asking.asked = asked
    use(office, Asking)
    ref = reply(office, ana, "r@x")
    office.sync(ana)
    office.settle(steps=3)
    assert asked == [("A",)]
    assert office.journal(ana)[ref] == ("logged", "reply")
    expired = [facts for what, facts in happened(office, ana) if what == What.CURSOR_EXPIRED]
    assert [facts["folders"] for facts in expired] == [1]


@pytest.mark.parametrize("expired", [False, True])
def test_a_mailbox_with_much_to_read_gives_way_to_one_that_waits(
    office: Office, ana: int, read: Counter[str], expired: bool
) -> None:
    refs = [office.deliver(ana, "zoe@x.test", "New", f"n{n}@x") for n in range(400)]
    if expired:
        office.boxes[ana].expire()
    bob = office.mailbox("bob@acme.test")
    turns = 0
    while not all(ref in office.journal(ana) for ref in refs):
        office.queue.wake(bob)  # it waits for a thread
        began = office.clock
        office.sync(ana)
        assert office.clock - began <= runs.TURN + 3 * SECOND
        turns += 1
        assert turns < 20
        if turns == 1:
            assert office.row(ana).wake_at == office.clock, "it goes on when others had theirs"
    assert turns >= 2
    assert {read[ref] for ref in refs} == {1}


def test_a_mailbox_with_much_to_read_goes_on_where_nobody_waits(
    office: Office, ana: int, read: Counter[str]
) -> None:
    refs = [office.deliver(ana, "zoe@x.test", "New", f"n{n}@x") for n in range(300)]
    office.sync(ana)
    assert all(ref in office.journal(ana) for ref in refs)


class Behind(MemoryClient):
    """Its search does not know yet what arrived in the last ten seconds."""

    office: Office

    def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:
        known = self.office.clock - 10 * SECOND
        held = self.mailbox.messages
        for page in super().since(when, places):
            items = [each for each in page.items if held[each.ref.id].received_at <= known]
            yield Page(tuple(items), page.cursor)


def test_what_the_search_did_not_know_yet_is_found_a_little_later(office: Office, ana: int) -> None:
    def make(box: Any) -> MemoryClient:
        client = Behind(box, office.page_size)
        client.office = office
        return client

    use(office, make)
    old = reply(office, ana, "old@x")
    office.clock += 20 * SECOND
    new = reply(office, ana, "new@x")  # before the cursor is taken, and after what the search knows
    office.boxes[ana].expire()
    office.sync(ana)
    assert (old in office.journal(ana), new in office.journal(ana)) == (True, False)
    assert office.row(ana).wake_at <= office.clock + SEARCH_LAG

    office.settle(steps=12, step=3 * SECOND)
    assert office.journal(ana)[new] == ("logged", "reply")
    assert office.row(ana).owed_since is None
    with office.database.read() as conn:
        told = [each.what for each in history.listing(conn, office.account_id, ana, 20).items]
    assert told.count(What.CURSOR_EXPIRED) == 1
