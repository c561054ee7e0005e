"""Outgoing webhooks: what is told, to whom, how often, and what happens when nobody answers."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event as events
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from crm.model import Visibility
from crm.store import endpoints
from crm.tables import Email, OutboxEvent
from crm.topics import TOPICS, State
from infra.secrets import Secrets, new_key
from tests.waiting import LEAST
from tests.workers.outbox_desk import deliver, delivered, endpoint, of, pass_time, tell
from tests.workers.receivers import Receiver
from workers import outbox as work
from workers.destination import Destination, NotDelivered, Target
from workers.outbox import Post

ZOE = "zoe@client.test"
ALL = tuple(TOPICS)


@pytest.fixture
def database_url(sqlite_url):
    """What is asked of SQL is in `test_outbox_taking`, on both databases."""
    return sqlite_url


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def running(office, receiver):
    return replace(office.runtime, post=receiver.post)


def test_a_receiver_verifies_it_with_the_secret_it_was_shown(office, receiver, running):
    office.clock = office.clock.now(office.clock.tzinfo)  # the library looks at the wall clock
    secret = endpoint(office).secret
    tell(office, n=1)
    deliver(office, running)
    (got,) = receiver.got

    assert secret.startswith("whsec_")
    assert Webhook(secret).verify(got.body, dict(got.headers))["data"] == {"n": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body.replace(b"1", b"2"), dict(got.headers))


def test_secrets_are_stored_encrypted(office):
    added = endpoint(office)
    sealed = of(office, added.id).sealed

    assert added.secret.encode() not in sealed
    assert office.secrets.decrypt(sealed).decode() == added.secret


def test_a_secret_that_no_key_decrypts_is_a_failure_that_says_so(office, receiver, running):
    added = endpoint(office)
    tell(office)
    deliver(office, replace(running, secrets=Secrets([new_key()])))

    (row,) = delivered(office, added.id)
    assert (row.state, row.error) == ("waiting", "WrongKey")
    assert receiver.got == []


def test_an_event_that_cannot_be_told_for_a_fault_of_ours_does_not_stop_the_others(
    office, receiver, running
):
    added = endpoint(office)
    tell(office, "broken:1", "email.logged", nothing=1)
    tell(office, "t:1")
    deliver(office, running)
    pass_time(office, running, timedelta(seconds=10), 2)

    assert receiver.types == ["sequence.ended"]
    assert {each.error for each in delivered(office, added.id)} == {"KeyError", ""}


def test_after_a_rotation_both_secrets_sign_for_a_day(office, receiver, running):
    office.clock = office.clock.now(office.clock.tzinfo)
    old = endpoint(office)
    with office.database.begin() as conn:
        new = endpoints.rotate(conn, office.account_id, old.id, office.secrets, office.clock)
    tell(office)
    deliver(office, running)
    (got,) = receiver.got
    for secret in (old.secret, new):
        assert Webhook(secret).verify(got.body, dict(got.headers))

    office.clock += timedelta(days=1)
    tell(office, "t:2")
    deliver(office, running)

    assert len(receiver.got[1].headers["webhook-signature"].split()) == 1


@pytest.mark.parametrize(("answer", "status", "error"), [(500, 500, "Status"), (302, 302, "Redirect"), ("Timeout", None, "Timeout")])  # fmt: skip
def test_a_failure_says_its_status_or_class_and_nothing_more(
    office, receiver, running, answer, status, error
):
    added = endpoint(office)
    receiver.otherwise = answer
    tell(office)
    deliver(office, running)

    (row,) = delivered(office, added.id)
    assert (row.state, row.status, row.error) == ("waiting", status, error)
    assert row.next_at > office.clock


def test_an_endpoint_that_says_gone_is_told_no_more(office, receiver, running):
    added = endpoint(office)
    receiver.otherwise = 410
    tell(office)
    deliver(office, running)
    tell(office, "t:2")
    pass_time(office, running, timedelta(days=1), 3)

    assert len(receiver.got) == 1
    assert of(office, added.id).state is State.GONE
    assert [each.state for each in delivered(office, added.id)] == ["dead"]


def test_a_dead_endpoint_costs_one_try_now_and_then_however_much_waits_for_it(
    office, receiver, running
):
    endpoint(office)
    receiver.otherwise = "ConnectionError"
    for number in range(50):
        tell(office, f"t:{number}")

    pass_time(office, running, timedelta(seconds=1), 60)

    assert len(receiver.got) <= 4


def test_a_receiver_that_asks_to_be_let_be_is(office, receiver, running):
    endpoint(office)
    receiver.answers, receiver.after = [429], 600.0
    tell(office)
    deliver(office, running)
    pass_time(office, running, timedelta(minutes=9), 1)
    assert len(receiver.got) == 1

    pass_time(office, running, timedelta(minutes=2), 1)

    assert len(receiver.got) == 2


def test_one_slow_endpoint_does_not_stop_the_others(office, receiver, running):
    slow, fast = threading.Event(), threading.Event()

    def post(url, headers, body):
        if "slow" in url:
            assert fast.wait(LEAST)
        answer = receiver.post(url, headers, body)
        if "slow" not in url and len(receiver.got) == 10:
            slow.set()
        return answer

    endpoint(office, url="https://slow.test/")
    endpoint(office, url="https://fast.test/")
    for number in range(10):
        tell(office, f"t:{number}")
    running = replace(running, post=post)
    office_post = Post(running, office.stopping)
    with ThreadPoolExecutor(2) as pool:
        office_post.round(pool)
        assert slow.wait(LEAST)
        assert {each.url for each in receiver.got} == {"https://fast.test/"}
        fast.set()

    assert Counter(each.url for each in receiver.got) == {
        "https://slow.test/": 10, "https://fast.test/": 10,
    }  # fmt: skip


def test_a_paused_endpoint_gets_what_waited_when_it_goes_on(office, receiver, running):
    added = endpoint(office)
    with office.database.begin() as conn:
        endpoints.pause(conn, office.account_id, added.id, State.PAUSED)
    tell(office)
    deliver(office, running)
    assert receiver.got == []

    with office.database.begin() as conn:
        endpoints.resume(conn, office.account_id, added.id, office.clock)
    deliver(office, running)

    assert receiver.types == ["sequence.ended"]


def test_mail_is_told_of_as_the_api_would_and_a_restricted_one_by_its_ids(
    office, receiver, running
):
    endpoint(office, "email.logged", "contact.created", "mailbox.connected")
    ana = office.mailbox("ana@acme.test")
    office.contact(ZOE)
    office.sync(ana)
    office.send(ana, ZOE, "An offer", "m1@acme.test")
    office.sync(ana)
    office.send(ana, ZOE, "A secret", "m2@acme.test")
    office.sync(ana)
    with office.database.begin() as conn:
        conn.execute(
            update(Email)
            .where(Email.account_id == office.account_id, Email.subject == "A secret")
            .values(visibility=Visibility.OWNER)
        )
    deliver(office, running)

    told = {each.type: each.json["data"] for each in receiver.got}
    assert told["mailbox.connected"]["mailbox"]["address"] == "ana@acme.test"
    assert told["contact.created"]["contact"]["emails"] == [ZOE]
    logged = [each.json["data"] for each in receiver.got if each.type == "email.logged"]
    shown, restricted = sorted(logged, key=lambda each: each["email_id"])
    assert (shown["email"]["subject"], shown["email"]["from"]) == ("An offer", "ana@acme.test")
    assert shown["contact_ids"] == restricted["contact_ids"]
    assert restricted.keys() == {"email_id", "contact_ids", "email"}
    assert restricted["email"] is None
    assert b"secret" not in b"".join(each.body for each in receiver.got)


def test_nothing_out_of_mail_is_kept_in_the_outbox(office):
    ana = office.mailbox("ana@acme.test")
    office.contact(ZOE)
    office.sync(ana)
    office.send(ana, ZOE, "An offer", "m1@acme.test")
    office.sync(ana)

    mine = OutboxEvent.account_id == office.account_id
    rows = office.rows(select(OutboxEvent.topic, OutboxEvent.payload).where(mine))
    assert "email.logged" in {topic for topic, _ in rows}
    assert not any(word in repr(rows) for word in ("offer", "acme.test", "client.test"))


def test_refused_messages_are_told_where_somebody_opted_in_by_rule_and_ids_alone(
    office, receiver, running
):
    endpoint(office, "email.refused")
    ana = office.mailbox("ana@acme.test")
    office.sync(ana)
    office.deliver(ana, "eve@x.test", "Win", "w1@x.test")
    for _ in range(2):
        office.sync(ana)
    deliver(office, running)

    (got,) = receiver.got
    assert got.json["data"].keys() == {"journal_id", "mailbox_id", "mailbox", "rule"}
    assert got.json["data"]["mailbox"] == "ana@acme.test"
    assert got.json["data"]["rule"] in ("unknown-sender", "not-a-reply")
    assert b"x.test" not in got.body


def test_where_nobody_opted_in_a_refused_message_costs_no_statement(office):
    ana = office.mailbox("ana@acme.test")
    office.sync(ana)
    statements: list[str] = []

    def note(conn, cursor, statement, *rest):
        statements.append(statement)

    events.listen(office.database.engine, "before_cursor_execute", note)
    office.deliver(ana, "eve@x.test", "Win", "w1@x.test")
    office.sync(ana)

    assert statements
    assert not any("outbox" in each or "endpoint" in each for each in statements)
    assert office.rules(ana)


def test_opting_out_again_ends_the_events_of_refused_messages(office, receiver, running):
    added = endpoint(office, "email.refused")
    with office.database.begin() as conn:
        endpoints.change(conn, office.account_id, added.id, topics=["email.logged"])
    ana = office.mailbox("ana@acme.test")
    office.sync(ana)
    office.deliver(ana, "eve@x.test", "Win", "w1@x.test")
    office.sync(ana)
    deliver(office, running)

    assert receiver.got == []


def test_another_kind_of_receiver_is_one_more_destination(office, running, monkeypatch):
    sent, fails = [], [True]

    def targets(conn, account_id, some, now):
        return [Target(each.id, 7, now) for each in some if each.topic == "mailbox.reconnect"]

    def send(running, some):
        if fails.pop() if fails else False:
            raise NotDelivered("SmtpDown")
        sent.extend((due.target, due.payload) for due in some)

    monkeypatch.setattr(work, "DESTINATIONS", (Destination("mail", targets, send),))
    tell(office, "r:1", "mailbox.reconnect", mailbox_id=1)
    tell(office, "t:1")
    deliver(office, running)
    assert sent == []

    pass_time(office, running, timedelta(minutes=1), 2)

    assert sent == [(7, {"mailbox_id": 1})]
