"""The mail to people when a mailbox stops: once for each stop, by a real SMTP server."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.store import deliveries, endpoints, mailboxes, outbox, teams
from crm.tables import Delivery
from crm.topics import PAUSED, State
from infra.mailer import Mailer
from infra.settings import Settings
from providers import causes
from tests.mail_server import serving
from tests.workers import outbox_desk
from tests.workers.outbox_desk import endpoint, pass_time
from workers import notices
from workers.runtime import mailer_of

ANA, BEN, CLEO = "ana@acme.test", "ben@acme.test", "cleo@acme.test"


@pytest.fixture
def database_url(sqlite_url):
    """What is asked of SQL is in `test_outbox_taking`, on both databases."""
    return sqlite_url


@pytest.fixture(scope="module")
def server():
    with serving() as found:
        yield found


@pytest.fixture
def box(server):
    letterbox, _ = server
    letterbox.letters.clear()
    letterbox.refusals.clear()
    return letterbox


@pytest.fixture
def desk(office):
    """Ben's mailbox; Ana and Cleo are admins, Cleo has left."""
    for address, active in ((ANA, True), (CLEO, False)):
        office.user(address)
        with office.database.begin() as conn:
            who = (conn, office.account_id, office.users[address])
            teams.set_role(*who, "admin")
            teams.set_active(*who, active)
    office.ben = office.mailbox(BEN)
    office.clock += timedelta(hours=1)
    return office


@pytest.fixture
def running(desk, server):
    mailer = Mailer(f"smtp://127.0.0.1:{server[1]}", "crm@acme.test", "https://crm.acme.test")
    return replace(desk.runtime, mailer=mailer)


def stop(desk, cause=causes.PASSWORD_CHANGED):
    with desk.database.begin() as conn:
        mailboxes.need_reconnect(conn, desk.account_id, desk.ben, cause, desk.clock)


def connect(desk):
    desk.clock += timedelta(minutes=1)
    with desk.database.begin() as conn:
        tokens = mailboxes.tokens(conn, desk.account_id, desk.ben, desk.secrets)[0]
        new = mailboxes.NewMailbox(desk.users[BEN], BEN, "memory", tokens)
        mailboxes.connect(conn, desk.account_id, new, desk.secrets, desk.clock)


def deliver(desk, running):
    """All that is due now, and what waited a moment for others like it."""
    outbox_desk.deliver(desk, running)
    desk.clock += notices.GATHERED
    outbox_desk.deliver(desk, running)


def by_recipient(box):
    return {each["To"]: each for each in box.letters}


def text_of(letter):
    return " ".join(letter.get_content().split())


def test_the_owner_and_the_admins_get_one_mail_each(desk, running, box):
    stop(desk)
    for _ in range(3):
        deliver(desk, running)
    assert sorted(each["To"] for each in box.letters) == [ANA, BEN]
    ben, ana = by_recipient(box)[BEN], by_recipient(box)[ANA]
    assert ben["Subject"] == "Reconnect ben@acme.test"
    assert causes.explain(causes.PASSWORD_CHANGED).sentence in text_of(ben)
    assert f"https://crm.acme.test/mailboxes/{desk.ben}/reconnect" in text_of(ben)
    assert "Nothing is lost so far as you reconnect" in text_of(ben)
    assert (ben["Auto-Submitted"], ana["Subject"]) == ("auto-generated", "ben@acme.test stopped")
    assert "Its owner was told" in text_of(ana)
    assert "/reconnect" not in text_of(ana)


@pytest.mark.parametrize(
    ("state", "said"), [(State.FAILING, "has failed for days"), (State.GONE, "it is gone (410)")]
)
def test_admins_get_a_mail_when_an_outgoing_webhook_stops(desk, running, box, state, said):
    made = endpoint(desk, "email.logged", url="https://crm.test/secret-key")
    pause_for_failing(desk, made.id, state)
    deliver(desk, running)
    (letter,) = box.letters
    assert letter["To"] == ANA
    assert said in text_of(letter)
    assert f"https://crm.acme.test/settings/webhooks/{made.id}" in text_of(letter)
    assert "secret-key" not in text_of(letter)


def test_no_mail_is_sent_about_a_webhook_that_was_resumed_meanwhile(desk, running, box):
    made = endpoint(desk, "email.logged")
    pause_for_failing(desk, made.id, State.FAILING)
    with desk.database.begin() as conn:
        endpoints.resume(conn, desk.account_id, made.id, desk.clock)
    deliver(desk, running)
    assert box.letters == []


def pause_for_failing(desk, endpoint_id, state):
    with desk.database.begin() as conn:
        endpoints.pause(conn, desk.account_id, endpoint_id, state)
        payload = {"endpoint_id": endpoint_id, "why": state.value}
        outbox.tell(conn, desk.account_id, PAUSED, f"p:{endpoint_id}", payload, desk.clock)


def stop_many(desk, number, cause=causes.REVOKED, first=0):
    boxes = [desk.mailbox(f"u{n}@acme.test") for n in range(first, first + number)]
    with desk.database.begin() as conn:
        for each in boxes:
            mailboxes.need_reconnect(conn, desk.account_id, each, cause, desk.clock)


def of_ana(box):
    return [each for each in box.letters if each["To"] == ANA]


def test_200_mailboxes_that_stop_at_once_are_one_mail_to_an_admin_and_one_to_each_owner(
    desk, running, box
):
    stop_many(desk, 199)
    stop(desk)
    for _ in range(3):
        deliver(desk, running)
    (letter,) = of_ana(box)
    assert letter["Subject"] == "200 mailboxes stopped"
    text = text_of(letter)
    assert text.startswith("200 mailboxes wait to be connected again.")
    assert causes.explain(causes.REVOKED).sentence in text
    assert "u19@acme.test and 179 more" in text
    assert causes.explain(causes.PASSWORD_CHANGED).sentence in text
    assert "ben@acme.test Owners were told" in text
    assert sorted(each["To"] for each in box.letters if each["To"] != ANA) == sorted(
        [BEN, *(f"u{n}@acme.test" for n in range(199))]
    )


def test_what_stops_later_is_told_to_an_admin_with_a_quarter_of_an_hour_between(desk, running, box):
    stop_many(desk, 1)
    deliver(desk, running)
    for minute in range(10):
        desk.clock += timedelta(minutes=1)
        stop_many(desk, 1, first=minute + 1)
        deliver(desk, running)
    assert [each["Subject"] for each in of_ana(box)] == ["u0@acme.test stopped"]
    with desk.database.read() as conn:
        assert deliveries.backlog(conn, desk.clock).oldest is None, "nothing is late"
    desk.clock += notices.APART
    deliver(desk, running)
    assert [each["Subject"] for each in of_ana(box)][1:] == ["10 mailboxes stopped"]


def test_an_owner_who_is_an_admin_is_told_of_all_in_one_mail(desk, running, box):
    stop_many(desk, 2)
    own = desk.mailbox(ANA)
    with desk.database.begin() as conn:
        mailboxes.need_reconnect(conn, desk.account_id, own, causes.REVOKED, desk.clock)
    deliver(desk, running)
    (letter,) = of_ana(box)
    assert letter["Subject"] == "3 mailboxes stopped"
    assert f"Reconnect yours: https://crm.acme.test/mailboxes/{own}/reconnect" in text_of(letter)


def test_an_admin_is_asked_for_help_where_it_takes_one(desk, running, box):
    stop(desk, causes.ADMIN_BLOCKED)
    deliver(desk, running)
    assert "It needs an administrator. Ask your IT" in text_of(by_recipient(box)[ANA])


def test_a_mailbox_that_is_gone_is_promised_nothing(desk, running, box):
    stop(desk, causes.MAILBOX_GONE)
    deliver(desk, running)
    assert "Nothing is lost" not in text_of(by_recipient(box)[BEN])


def test_a_server_that_is_away_gets_it_later(desk, running, box):
    box.refusals = ["451 later"] * 4
    stop(desk)
    deliver(desk, running)
    assert box.letters == []
    pass_time(desk, running, timedelta(seconds=10), 1)
    assert box.letters == []
    pass_time(desk, running, timedelta(minutes=7), 1)
    assert sorted(each["To"] for each in box.letters) == [ANA, BEN]


def test_a_mailbox_that_was_connected_again_meanwhile_is_no_news(desk, running, box):
    box.refusals = ["451 later"] * 4
    stop(desk)
    deliver(desk, running)
    connect(desk)
    pass_time(desk, running, timedelta(minutes=10), 3)
    assert box.letters == []


def test_each_stop_is_told_and_an_older_one_no_more(desk, running, box):
    box.refusals = ["451 later"] * 4
    stop(desk, causes.MFA)
    deliver(desk, running)
    connect(desk)
    stop(desk, causes.REVOKED)
    pass_time(desk, running, timedelta(minutes=10), 3)
    assert sorted(each["To"] for each in box.letters) == [ANA, BEN]
    assert causes.explain(causes.REVOKED).sentence in text_of(box.letters[0])


def test_a_mail_whose_answer_was_lost_comes_twice_and_is_recognised(desk, running, box):
    box.lost = 1
    stop(desk)
    deliver(desk, running)
    pass_time(desk, running, timedelta(minutes=1), 1)
    ids = [each["Message-ID"] for each in box.letters]
    assert (len(ids), len(set(ids))) == (3, 2)


def test_a_worker_that_died_after_sending_sends_it_once_more(desk, running, box, monkeypatch):
    stop(desk)
    died = []

    def dies(*args):
        died.append(args)
        raise SystemExit

    with monkeypatch.context() as context:
        from workers import outbox

        context.setattr(outbox.deliveries, "delivered", dies)
        with pytest.raises(SystemExit):
            deliver(desk, running)
    pass_time(desk, running, timedelta(minutes=2), 2)
    assert died
    assert len({each["Message-ID"] for each in box.letters}) == 2
    assert len(box.letters) == 3


def test_without_a_server_the_event_stands_alone(desk, box):
    stop(desk)
    deliver(desk, desk.runtime)
    assert desk.runtime.mailer is None
    assert desk.rows(select(Delivery.id).where(Delivery.account_id == desk.account_id)) == []


def test_the_mailer_is_made_of_the_settings():
    assert mailer_of(Settings(_env_file=None)) is None
    url = "smtp://u:p@mail.acme.test:587"
    made = mailer_of(Settings(_env_file=None, smtp_url=url, mail_from="crm@acme.test"))
    assert (made.url, made.sender) == (url, "crm@acme.test")
    assert "p@" not in repr(made)


def test_a_domain_that_moved_is_told_while_the_mailbox_is_still_read(desk, running, box):
    from crm.store import outbox
    from crm.tables import Mailbox

    with desk.database.begin() as conn:
        from sqlalchemy import update

        mine = (Mailbox.account_id == desk.account_id, Mailbox.id == desk.ben)
        conn.execute(update(Mailbox).where(*mine).values(moved_to="graph"))
        payload = {"mailbox_id": desk.ben, "cause": causes.PROVIDER_MOVED}
        topic = notices.RECONNECT_TOPIC
        outbox.tell(conn, desk.account_id, topic, "x", payload, desk.clock)
    deliver(desk, running)
    assert "is still read, but not for long" in text_of(by_recipient(box)[BEN])
