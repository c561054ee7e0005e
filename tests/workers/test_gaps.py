"""What arrived while a mailbox was not connected: refused, counted, told, and read where its owner chooses."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from crm.history import What
from crm.model import GapState, Place, Tokens
from crm.store import gaps, history, mailboxes
from crm.store.mailboxes import NewMailbox
from crm.tables import ConnectedPeriod, JournalRow
from providers.client import Reconnect, Retry
from workers import gaps as gap_work

DAY = timedelta(days=1)
ANA, MARIA = "ana@acme.test", "maria@globex.test"


class Away:
    """Ana's mailbox: it has a logged thread, stops for some days and is connected again."""

    def __init__(self, office):
        self.office = office
        office.contact(MARIA)
        self.id = office.mailbox(ANA)
        office.clock += timedelta(hours=1)
        office.send(self.id, MARIA, "Offer", "root@acme.test")
        office.sync(self.id)
        office.clock += timedelta(hours=1)

    @property
    def box(self):
        return self.office.boxes[self.id]

    def stop(self, cause="revoked"):
        office = self.office
        with office.database.begin() as conn:
            mailboxes.need_reconnect(conn, office.account_id, self.id, cause, office.clock)

    def connect(self, subject=""):
        office = self.office
        tokens = Tokens("access", "refresh", office.clock + timedelta(hours=1))
        new = NewMailbox(office.user(ANA), ANA, "memory", tokens, subject=subject, cursor="x")
        with office.database.begin() as conn:
            assert (
                mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)
                == self.id
            )

    def reply(self, name, **more):
        return self.office.deliver(
            self.id, MARIA, "Re: Offer", f"{name}@globex.test", answers="root@acme.test", **more
        )

    def gap(self):
        with self.office.database.read() as conn:
            return gaps.latest(conn, self.office.account_id, self.id)

    def choose(self, what):
        office = self.office
        office.clock += timedelta(seconds=1)
        with office.database.begin() as conn:
            return what(conn, office.account_id, self.gap().id, office.clock)

    def happened(self):
        with self.office.database.read() as conn:
            found = history.listing(conn, self.office.account_id, self.id, 50).items
        return {each.what: each.facts for each in found}

    def three_days(self):
        """Two replies, a stranger's message, junk, and a sent mail, on three days."""
        office = self.office
        self.stop()
        refs = {}
        for name in ("one", "two"):
            office.clock += DAY
            refs[name] = self.reply(name)
        refs["stranger"] = office.deliver(self.id, "eve@evil.test", "Hi", "hi@evil.test")
        refs["junk"] = office.deliver(self.id, MARIA, "Win", "win@globex.test", place=Place.JUNK)
        refs["sent"] = office.send(self.id, MARIA, "News", "news@acme.test")
        office.clock += DAY
        self.connect()
        office.sync(self.id)
        return refs


@pytest.fixture
def away(sqlite_office):
    return Away(sqlite_office)


def test_what_arrived_meanwhile_is_refused_and_counted(away):
    refs = away.three_days()
    rules = away.office.rules(away.id)
    assert {name: rules[ref] for name, ref in refs.items()} == {
        "one": "disconnected",
        "two": "disconnected",
        "stranger": "disconnected",
        "sent": "sent-bcc",
        "junk": "junk",
    }
    gap = away.gap()
    assert (gap.state, gap.arrived, gap.until - gap.since) == (GapState.OPEN, 3, 3 * DAY)
    assert away.happened()[What.RECONNECTED]["gap_seconds"] == 3 * 86_400
    assert away.happened()[What.STOPPED] == {"cause": "revoked"}


def test_nothing_is_read_unless_its_owner_says_so(away):
    away.three_days()
    away.office.settle(steps=3, step=DAY)
    assert away.gap().state is GapState.OPEN
    names = {name for name, *_ in away.office.timeline()}
    assert names == {"root@acme.test", "news@acme.test"}, "what was ticked is logged all the same"


@pytest.fixture
def both(office):
    return Away(office)


def test_the_gap_is_read_when_its_owner_says_so(both):
    away = both
    refs = away.three_days()
    assert away.choose(gaps.read) == {away.id}
    away.office.settle(steps=5)
    names = {name for name, *_ in away.office.timeline()}
    assert names == {"root@acme.test", "one@globex.test", "two@globex.test", "news@acme.test"}
    assert away.office.rules(away.id)[refs["stranger"]] == "not-a-reply"
    assert away.gap().state is GapState.READ
    assert away.happened()[What.GAP_READ] == {"found": 5, "logged": 2}
    with away.office.database.read() as conn:
        assert len(mailboxes.periods(conn, away.office.account_id, away.id)) == 1


def test_the_gap_is_left_when_its_owner_says_so(away):
    away.three_days()
    away.choose(gaps.leave)
    away.choose(gaps.read)
    away.office.settle(steps=3)
    assert away.gap().state is GapState.LEFT
    assert What.GAP_LEFT in away.happened()
    assert len(away.office.timeline()) == 2


def test_a_gap_in_which_nothing_arrived_asks_nothing(away):
    away.stop()
    away.office.clock += DAY
    away.connect()
    away.office.sync(away.id)
    assert away.gap().state is GapState.EMPTY
    with away.office.database.read() as conn:
        assert gaps.undecided(conn, away.office.account_id, [away.id]) == []


def test_a_mailbox_that_was_disconnected_by_hand_has_a_gap_too(away):
    office = away.office
    with office.database.begin() as conn:
        mailboxes.disconnect(conn, office.account_id, away.id, office.clock)
    office.clock += DAY
    away.reply("one")
    office.clock += DAY
    away.connect()
    office.sync(away.id)
    assert away.gap().arrived == 1
    assert What.DISCONNECTED in away.happened()


def test_connecting_what_is_connected_makes_no_gap(away):
    away.office.clock += DAY
    away.connect()
    assert away.gap() is None
    assert away.happened()[What.RECONNECTED]["gap_seconds"] == 0


def test_a_gap_that_outlived_the_cursor_is_told_and_read_the_same(away):
    office = away.office
    away.stop()
    office.clock += 20 * DAY
    ref = away.reply("one")
    office.clock += 40 * DAY
    away.box.expire()
    away.connect()
    office.sync(away.id)
    assert (office.rules(away.id)[ref], away.gap().arrived) == ("disconnected", 1)
    away.choose(gaps.read)
    office.settle(steps=10)
    assert office.rules(away.id)[ref] != "disconnected"
    assert len(office.timeline()) == 2


def test_a_gap_is_read_though_the_journal_has_forgotten_it(away):
    away.three_days()
    with away.office.database.begin() as conn:
        mine = JournalRow.account_id == away.office.account_id
        conn.execute(delete(JournalRow).where(mine, JournalRow.rule == "disconnected"))
    away.choose(gaps.read)
    away.office.settle(steps=5)
    assert len(away.office.timeline()) == 4


def test_what_was_deleted_meanwhile_is_no_error(away):
    refs = away.three_days()
    away.box.delete(refs["one"])
    away.choose(gaps.read)
    away.office.settle(steps=5)
    assert away.gap().state is GapState.READ
    assert len(away.office.timeline()) == 3


def test_what_arrives_after_the_gap_is_logged_whatever_its_owner_decides(away):
    away.three_days()
    away.reply("three")
    away.office.sync(away.id)
    assert "three@globex.test" in {name for name, *_ in away.office.timeline()}


def test_a_long_gap_is_counted_up_to_a_number(away, monkeypatch):
    monkeypatch.setattr(gap_work, "MOST_COUNTED", 2)
    away.office.page_size = 1
    away.three_days()
    assert (away.gap().state, away.gap().arrived) == (GapState.OPEN, 3)


def test_counting_that_fails_keeps_no_mail_waiting(away):
    away.stop()
    away.office.clock += DAY
    away.reply("one")
    away.office.clock += DAY
    away.connect()
    away.box.refuse(ValueError("a bug"), times=5, method="between")  # type: ignore[arg-type]
    for n in range(5):
        away.office.clock += timedelta(minutes=1)
        away.reply(f"new{n}")
        assert away.gap().state is GapState.COUNTING
        away.office.sync(away.id)
    assert away.gap().state is GapState.OPEN
    assert len(away.office.timeline()) == 6


def test_counting_stops_where_the_provider_asks_to_wait(away):
    away.stop()
    away.office.clock += DAY
    away.connect()
    away.box.refuse(Retry(60), method="between")
    away.office.sync(away.id)
    assert away.office.row(away.id).blocked_until == away.office.clock + timedelta(seconds=60)
    away.office.clock += timedelta(seconds=61)
    away.office.sync(away.id)
    assert away.gap().state is GapState.EMPTY


def test_a_gap_may_be_read_before_it_is_counted(away):
    away.stop()
    away.office.clock += DAY
    away.reply("one")
    away.office.clock += DAY
    away.connect()
    away.choose(gaps.read)
    away.office.settle(steps=5)
    assert away.gap().state is GapState.READ
    assert len(away.office.timeline()) == 2


def test_a_reading_that_is_cut_off_goes_on_where_it_was(away):
    away.three_days()
    away.choose(gaps.read)
    away.box.refuse(Retry(5), method="headers")
    away.office.sync(away.id)
    assert away.gap().state is GapState.READING
    before = away.gap().read_to
    away.office.settle(steps=12)
    assert away.gap().state is GapState.READ
    assert before < away.gap().read_to
    assert (away.gap().found, away.gap().logged) == (5, 2)


def test_a_reading_goes_on_after_the_mailbox_stopped_again(away):
    away.three_days()
    away.choose(gaps.read)
    away.box.refuse(Reconnect("revoked"), method="changes")
    away.office.sync(away.id)
    assert away.office.row(away.id).cause == "revoked"
    away.office.clock += DAY
    away.reply("later")
    away.office.clock += DAY
    away.connect()
    away.office.settle(steps=8)
    with away.office.database.read() as conn:
        [left] = gaps.undecided(conn, away.office.account_id, [away.id])
    assert (left.arrived, left.state) == (1, GapState.OPEN)
    assert len(away.office.timeline()) == 4


def test_a_large_gap_is_read_in_pieces_so_that_new_mail_has_its_turn(away, monkeypatch):
    monkeypatch.setattr(gap_work, "READ_AT_ONCE", 1)
    away.three_days()
    away.choose(gaps.read)
    away.office.sync(away.id)
    assert away.gap().state is GapState.READING
    away.reply("new")
    away.office.sync(away.id)
    assert "new@globex.test" in {name for name, *_ in away.office.timeline()}
    away.office.settle(steps=6)
    assert away.gap().state is GapState.READ


def test_a_mailbox_made_anew_at_the_same_address_begins_anew_and_says_so(away):
    office = away.office
    with office.database.begin() as conn:
        from crm.tables import Mailbox

        mine = (Mailbox.account_id == office.account_id, Mailbox.id == away.id)
        conn.execute(update(Mailbox).where(*mine).values(subject="first"))
    away.stop()
    office.clock += DAY
    away.connect(subject="second")
    row = office.row(away.id)
    assert (row.subject, row.cursor) == ("second", "x")
    assert away.happened()[What.RECONNECTED]["new_account"] is True


def test_two_gaps_are_two_choices(away):
    away.three_days()
    away.stop()
    away.office.clock += DAY
    away.reply("three")
    away.office.clock += DAY
    away.connect()
    away.office.sync(away.id)
    with away.office.database.read() as conn:
        first, second = gaps.undecided(conn, away.office.account_id, [away.id])
        periods = conn.execute(
            select(ConnectedPeriod.since).where(
                ConnectedPeriod.account_id == away.office.account_id
            )
        ).all()
    assert (first.arrived, second.arrived, len(periods)) == (3, 1, 3)
    away.choose(gaps.read)  # the newer one
    away.office.settle(steps=5)
    names = {name for name, *_ in away.office.timeline()}
    assert names == {"root@acme.test", "news@acme.test", "three@globex.test"}
