"""The daily look at who hosts the mail, asked of the sandbox's DNS, and what comes of it."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from crm.history import What, sentence
from crm.model import MailboxStatus, Period, Tokens
from crm.store import again, contacts, enrolments, history, mailboxes, moving, never_log
from crm.store.mailboxes import NewMailbox
from crm.tables import Enrolment, OutboxEvent
from infra.settings import Settings
from providers.client import Gone, Reconnect
from providers.hosts import host_of
from providers.memory import MemoryClient, MemoryMailbox
from tests.sandbox_process import Sandbox
from tests.workers.conftest import Office
from workers.moved import Moved
from workers.timetable import Timetable

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"
HOUR = timedelta(hours=1)


class Domain:
    """Ana's mailbox at Google, whose domain is looked up in the sandbox's DNS."""

    def __init__(self, office: Office, sandbox: Sandbox) -> None:
        self.office, self.sandbox = office, sandbox
        office.contact(MARIA)
        self.ana = self.connect("gmail")
        settings = Settings(dns_server=sandbox.dns)
        asks = replace(office.runtime, host_of=partial(host_of, settings=settings))
        self.moved = Moved(replace(asks, clock=lambda: office.clock))

    def connect(self, provider: str, address: str = "ana@acme.test") -> int:
        """Connect the mailbox, a new one where the provider is new."""
        box = MemoryMailbox(lambda: self.office.clock)
        box.last = 0 if provider == "gmail" else 100  # no two providers give the same ids
        tokens = Tokens("access", "refresh", self.office.clock + HOUR)
        new = NewMailbox(
            user_id=self.office.user("ana@acme.test"), address=address, provider=provider,
            tokens=tokens, cursor=MemoryClient(box).baseline(),
        )  # fmt: skip
        office = self.office
        with office.database.begin() as conn:
            found = mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)
        office.boxes[found] = box
        return found

    def mx(self, **where: str) -> None:
        self.sandbox.post("/control/mx", domain="acme.test", **where)

    def pass_(self, hours: int) -> None:
        """Time goes by, and the timetable asks every hour."""
        for _ in range(hours):
            self.moved.check_due()
            self.office.clock += HOUR

    def queries(self) -> int:
        return int(self.sandbox.get("/control/counts").get("dns.query", 0))

    @property
    def row(self) -> mailboxes.Mailbox:
        return self.office.row(self.ana)

    def history(self) -> list[str]:
        with self.office.database.read() as conn:
            found = history.listing(conn, self.office.account_id, self.ana, 50)
        return [each.what for each in found.items if each.what.startswith("move")][::-1]

    def told(self, what: What) -> str:
        """The newest sentence of this kind."""
        with self.office.database.read() as conn:
            facts = history.facts_of(conn, self.office.account_id, self.ana, what)
        return sentence(what, facts[-1])

    def events(self) -> list[dict[str, Any]]:
        account = self.office.account_id
        query = select(OutboxEvent.payload).where(
            OutboxEvent.account_id == account, OutboxEvent.topic == "mailbox.reconnect"
        )
        return [payload for (payload,) in self.office.rows(query)]

    def enrolled(self) -> list[Any]:
        """When each enrolment ended."""
        of_ours = Enrolment.account_id == self.office.account_id
        return [ended for (ended,) in self.office.rows(select(Enrolment.ended_at).where(of_ours))]

    def periods(self) -> tuple[Period, ...]:
        with self.office.database.read() as conn:
            return mailboxes.periods(conn, self.office.account_id, self.ana)


@pytest.fixture
def domain(sqlite_office: Office, sandbox: Sandbox) -> Domain:
    return Domain(sqlite_office, sandbox)


def test_a_domain_is_looked_up_once_a_day(domain: Domain):
    domain.pass_(24 * 5)
    assert 5 <= domain.queries() <= 8
    assert domain.history() == []


def test_one_look_up_serves_all_mailboxes_of_a_domain(domain: Domain):
    for name in ("ben", "cleo", "dora"):
        domain.connect("gmail", f"{name}@acme.test")
        domain.office.clock += HOUR
    domain.pass_(1)
    first = domain.queries()
    domain.pass_(24 * 4)
    assert first <= 4
    assert 4 <= domain.queries() - first <= 6


def test_a_domain_that_moves_is_told_the_same_day_and_once(domain: Domain):
    domain.pass_(24)
    domain.mx(provider="microsoft")
    domain.pass_(48)
    assert domain.row.moved_to == "graph"
    assert domain.history() == [What.MOVE_SUSPECTED, What.MOVED]
    assert domain.events() == [
        {"mailbox_id": domain.ana, "cause": "provider-moved", "provider": "graph"}
    ]
    domain.pass_(48)
    assert len(domain.events()) == 1


def test_it_stays_connected_and_is_read_on(domain: Domain):
    office = domain.office
    domain.mx(provider="microsoft")
    domain.pass_(24)
    assert (domain.row.status, domain.row.reason) == (MailboxStatus.CONNECTED, "provider-moved")
    office.send(domain.ana, MARIA, "Offer", ROOT)
    office.deliver(domain.ana, MARIA, "Re: Offer", "1@globex.test", answers=ROOT)
    office.settle(steps=3)
    assert ("1@globex.test", 1, 1) in office.timeline()


@pytest.mark.parametrize(
    "odd",
    [
        {"switch": "servfail"},
        {"switch": "empty"},
        {"host": "mx1.filter.test"},
        {},
        {"provider": "plain"},
    ],
)
def test_odd_answers_for_days_are_no_move(domain: Domain, odd: dict[str, str]):
    domain.pass_(24)
    if "switch" in odd:
        domain.sandbox.post("/control/switches", **{"dns.mode": odd["switch"]})
    else:
        domain.mx(**odd)
    domain.pass_(48)
    assert domain.row.reason == ""
    assert domain.history() == []
    assert domain.events() == []


def test_one_odd_answer_is_asked_about_again_and_forgotten(domain: Domain):
    domain.pass_(1)
    domain.office.clock += timedelta(days=1)
    domain.mx(provider="microsoft")
    assert domain.moved.check_due() == 1
    domain.mx(provider="google")
    domain.pass_(48)
    assert domain.history() == []


def test_going_back_takes_the_prompt_away(domain: Domain):
    domain.mx(provider="microsoft")
    domain.pass_(24)
    domain.mx(provider="google")
    domain.pass_(48)
    assert domain.row.reason == ""
    assert domain.history() == [What.MOVE_SUSPECTED, What.MOVED, What.MOVED_BACK]


def test_its_owner_may_say_that_it_stays(domain: Domain):
    domain.mx(provider="microsoft")
    domain.pass_(24)
    office = domain.office
    with office.database.begin() as conn:
        assert moving.stays(conn, office.account_id, domain.ana, office.clock)
        assert not moving.stays(conn, office.account_id, domain.ana, office.clock)
    domain.pass_(72)
    assert (domain.row.reason, domain.history()[-1]) == ("", What.MOVE_DENIED)
    domain.connect("gmail")
    domain.pass_(72)
    assert domain.row.reason == "", "also where it was connected again"
    domain.mx(provider="google")
    domain.pass_(30)
    domain.mx(provider="microsoft")
    domain.pass_(48)
    assert domain.row.reason == "provider-moved", "DNS had agreed meanwhile"


def test_a_mailbox_that_stops_is_looked_up_at_once_for_it_may_have_moved(domain: Domain):
    domain.pass_(2)
    domain.mx(provider="microsoft")
    domain.office.boxes[domain.ana].refuse(Reconnect("mailbox-unavailable"), 9)
    domain.office.sync(domain.ana)
    domain.pass_(12)
    assert (domain.row.status, domain.row.reason) == (MailboxStatus.RECONNECT, "provider-moved")


def test_a_disconnected_mailbox_is_not_looked_up(domain: Domain):
    with domain.office.database.begin() as conn:
        mailboxes.disconnect(conn, domain.office.account_id, domain.ana, domain.office.clock)
    domain.pass_(48)
    assert domain.queries() == 0


def test_a_name_server_that_is_down_does_not_hold_up_the_timetable(domain: Domain):
    for number in range(20):
        domain.connect("gmail", f"ana@domain{number}.test")
    domain.sandbox.post("/control/switches", **{"dns.mode": "servfail"})
    asked = [domain.moved.check_due() for _ in range(10)]
    assert sum(asked) == 1
    domain.office.clock += timedelta(seconds=31)
    assert domain.moved.check_due() == 1


def test_the_timetable_does_it(domain: Domain):
    domain.mx(provider="microsoft")
    timetable = Timetable(domain.moved._running)
    for _ in range(20):
        timetable.tick()
        domain.office.clock += HOUR
    assert domain.row.moved_to == "graph"


# ---- after reconnecting with the new provider


class Moving:
    """Ana's mailbox with a thread, whose domain has moved to Microsoft."""

    def __init__(self, domain: Domain) -> None:
        self.domain, self.office, self.ana = domain, domain.office, domain.ana
        self.office.send(self.ana, MARIA, "Offer", ROOT)
        self.reply = self.office.deliver(
            self.ana, MARIA, "Re: Offer", "1@globex.test", answers=ROOT
        )
        self.stranger = self.office.deliver(
            self.ana, "zoe@stranger.test", "Re: Offer", "2@stranger.test", answers=ROOT
        )
        self.office.settle(steps=3)
        domain.pass_(2)
        self.left = self.office.clock
        domain.mx(provider="microsoft")
        domain.pass_(40)
        self.old = self.office.boxes[self.ana]

    def reconnect(self) -> None:
        assert self.domain.connect("graph") == self.ana
        self.office.settle(steps=3)

    def migrate(self) -> None:
        """The old provider's mail is copied to the new one: the same messages under other ids."""
        new = self.office.boxes[self.ana]
        for stored in self.old.messages.values():
            new.deliver(stored.raw, stored.place, stored.received_at)


@pytest.fixture
def move(domain: Domain) -> Moving:
    return Moving(domain)


def test_threads_of_the_old_provider_go_on_at_the_new_one(move: Moving):
    move.reconnect()
    move.office.deliver(move.ana, MARIA, "Re: Offer", "3@globex.test", answers=ROOT)
    move.office.sync(move.ana)
    assert move.office.timeline() >= {("1@globex.test", 1, 1), ("3@globex.test", 1, 1)}
    assert (move.domain.row.provider, move.domain.row.reason) == ("graph", "")


def test_sequences_and_lists_stay_and_a_reply_at_the_new_provider_ends_them(domain: Domain):
    office = domain.office
    with office.database.begin() as conn:
        maria = contacts.find(conn, office.account_id, MARIA)
        assert maria is not None
        enrolments.enrol(conn, office.account_id, maria.id, "Welcome", office.clock)
        never_log.add(
            conn, office.account_id, office.user("ana@acme.test"), ["x.test"], office.clock
        )
    office.send(domain.ana, MARIA, "Offer", ROOT)
    office.settle(steps=3)
    domain.mx(provider="microsoft")
    domain.pass_(24)
    domain.connect("graph")
    assert domain.enrolled() == [None]
    with office.database.read() as conn:
        listed = never_log.rows(conn, office.account_id, office.user("ana@acme.test"))
    assert [each.entry for each in listed] == ["x.test"]
    office.deliver(domain.ana, MARIA, "Re: Offer", "3@globex.test", answers=ROOT)
    office.settle(steps=3)
    assert domain.enrolled() != [None]


def test_copied_mail_makes_no_second_entry_and_is_judged_once(move: Moving):
    before = {name for name, _, _ in move.office.timeline()}
    move.reconnect()
    move.migrate()
    move.office.sync(move.ana)
    assert {name for name, _, _ in move.office.timeline()} == before
    verdicts = list(move.office.journal(move.ana).values())
    assert verdicts.count(("logged", "duplicate")) >= 1
    assert verdicts.count(("refused", "unknown-sender")) == 2
    calls = dict(move.office.boxes[move.ana].calls)
    move.office.settle(steps=30)
    assert move.office.boxes[move.ana].calls["message"] == calls.get("message", 0)


def test_what_waited_at_the_old_provider_is_not_asked_of_the_new_one(move: Moving):
    office = move.office
    office.deliver(move.ana, MARIA, "Re: Offer", "4@globex.test", answers=ROOT)
    office.boxes[move.ana].refuse(Gone(), 9, "message")
    office.sync(move.ana)
    assert office.pending() != []
    read_to = f"{move.domain.row.settled_at:%Y-%m-%d %H:%M} UTC"
    move.reconnect()
    assert office.pending() == []
    assert move.domain.told(What.RECONNECTED) == (
        "The mailbox was connected with Microsoft 365. Mail may have gone there for 1 day before. "
        f"At Google it was read up to {read_to}; what arrives there later is not seen. "
        "1 message that waited there was never read."
    )
    office.boxes[move.ana].calls.clear()
    office.contact("zoe@stranger.test")
    with office.database.begin() as conn:
        again.after_new_addresses(conn, office.account_id, ["zoe@stranger.test"], office.clock)
    office.settle(steps=30)
    assert office.boxes[move.ana].calls["headers"] == 0
    assert office.journal(move.ana)[move.stranger] == ("refused", "unknown-sender")


def test_the_time_since_dns_named_the_old_provider_last_is_a_gap(move: Moving):
    move.reconnect()
    first, second = move.domain.periods()
    assert first.until is not None
    assert move.left - timedelta(days=1) < first.until <= move.left
    assert second.since > move.left
    assert second.until is None


@pytest.mark.parametrize("mail", [True, False], ids=["its last mail", "its connection"])
def test_where_dns_never_named_the_old_provider_the_gap_begins_with(domain: Domain, mail: bool):
    office, began = domain.office, domain.office.clock
    domain.mx(host="mx1.filter.test")
    domain.pass_(30)
    if mail:
        began = office.clock
        office.deliver(domain.ana, MARIA, "Offer", "1@globex.test")
        office.settle(steps=3)
        domain.pass_(20)
        sent = office.send(domain.ana, MARIA, "Re: Offer", "2@acme.test")
        office.settle(steps=3)
        assert office.journal(domain.ana)[sent]
    domain.connect("graph")
    first, second = domain.periods()
    assert first.until == began.replace(microsecond=0)
    assert second.since > began


def test_a_mailbox_that_had_stopped_since_was_gone_since_dns_named_it_last(move: Moving):
    office = move.office
    office.boxes[move.ana].refuse(Reconnect("mailbox-unavailable"), 9)
    office.sync(move.ana)
    stopped = move.domain.periods()[0].until
    office.clock += HOUR
    move.domain.connect("graph")
    first, second = move.domain.periods()
    assert first.until is not None
    assert stopped is not None
    assert first.until <= move.left < stopped < second.since


def test_the_old_folders_watches_and_cursor_are_gone(move: Moving):
    office = move.office
    assert move.domain.row.cursor == "3"
    move.domain.connect("graph")
    with office.database.read() as conn:
        assert mailboxes.watches(conn, office.account_id, move.ana) == []
        assert mailboxes.folders(conn, office.account_id, move.ana) == []
    assert move.domain.row.cursor == "100"
