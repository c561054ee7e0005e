"""The logging address and team mailboxes, from a mailbox in memory to the timeline."""

import pytest
from sqlalchemy import select

from crm.model import MailboxKind, Place
from crm.store import never_log
from crm.store import settings as account_settings
from crm.tables import Thread
from tests.workers.conftest import BCC, Office, mail
from tests.workers.test_forwarding import (
    FORWARDING,
    MARIA,
    REPLY,
    ZOE,
    ana,
    emails,
    forwarded,
    of_contact,
    office,
    run,
)

__all__ = ["ana", "office"]  # fixtures
PASSED = "mx.acme.test; dmarc=pass (p=none) header.from=acme.test"

# The logging address


@pytest.fixture
def box(office: Office) -> int:
    office.user("kim@acme.test")
    return office.mailbox("log@acme.test", "kim@acme.test", MailboxKind.LOGGING)


def arrive(office: Office, box: int, raw: bytes, results: str = PASSED) -> str:
    head = f"Authentication-Results: {results}\r\n".encode() if results else b""
    return office.boxes[box].deliver(head + raw)


def test_a_copy_at_the_logging_address_belongs_to_the_user_who_sent_it(
    office: Office, ana: int, box: int
) -> None:
    raw = office.mail("ana@acme.test", ZOE, "Quote 7", "quote@acme.test")
    ref = arrive(office, box, raw)
    run(office)

    assert office.rules(box)[ref] == "sent-bcc"
    assert emails(office)[0][:3] == ("quote@acme.test", "outgoing", "sent-bcc")
    owners = office.rows(select(Thread.owner_id).where(Thread.account_id == office.account_id))
    assert set(owners) == {(office.users["ana@acme.test"],)}

    sent = office.boxes[ana].send(
        mail("ana@acme.test", ZOE, "Quote 7", "quote@acme.test", bcc=BCC, when=office.clock)
    )
    reply = office.deliver(ana, ZOE, "Re: Quote 7", "r7@stranger.test", answers="quote@acme.test")
    run(office)
    assert office.rules(ana)[sent] == "duplicate"
    assert office.rules(ana)[reply] == "reply"


def test_a_forward_that_arrives_at_the_logging_address_is_looked_into(
    office: Office, ana: int, box: int
) -> None:
    raw = office.mail(
        "ana@acme.test",
        FORWARDING,
        "Fwd: Offer 12",
        "f1@acme.test",
        answers=REPLY,
        body=forwarded(),
    )
    ref = arrive(office, box, raw)
    in_sent = office.boxes[ana].send(raw)
    run(office)

    assert {office.rules(box)[ref], office.rules(ana)[in_sent]} == {"forwarded", "duplicate"}
    assert [each[3] for each in emails(office)] == ["zoe@stranger.test"]


@pytest.mark.parametrize(
    ("sender", "results"),
    [
        ("ana@acme.test", ""),
        ("ana@acme.test", "mx.acme.test; dmarc=fail header.from=acme.test"),
        ("ana@acme.test", "mx.other.test; dmarc=pass header.from=acme.test"),
        ("nobody@acme.test", PASSED),
        (MARIA, "mx.acme.test; dmarc=pass header.from=globex.test"),
    ],
    ids=[
        "no word of a server",
        "it failed",
        "a server that is not trusted",
        "no user",
        "a contact",
    ],
)
def test_what_is_not_from_a_user_for_sure_is_refused(office, ana, box, sender, results) -> None:
    ref = arrive(office, box, office.mail(sender, ZOE, "Quote 7", "quote@acme.test"), results)
    run(office)

    assert office.journal(box)[ref] == ("refused", "not-authentic")
    assert emails(office) == []


def test_a_users_own_never_log_list_holds_at_the_logging_address(
    office: Office, ana: int, box: int
) -> None:
    with office.database.begin() as conn:
        never_log.add(
            conn, office.account_id, office.users["ana@acme.test"], ["stranger.test"], office.clock
        )
    ref = arrive(office, box, office.mail("ana@acme.test", ZOE, "Quote 7", "quote@acme.test"))
    run(office)

    assert office.rules(box)[ref] == "never-log"


# Teams


@pytest.fixture
def team(office: Office) -> int:
    office.user("kim@acme.test")
    return office.mailbox("sales@acme.test", "kim@acme.test", MailboxKind.TEAM)


def test_a_strangers_mail_to_a_team_makes_a_contact_and_a_thread_of_the_team(
    office: Office, ana: int, team: int
) -> None:
    first = office.deliver(team, ZOE, "A question", "q1@stranger.test")
    elsewhere = office.deliver(
        team,
        ZOE,
        "Re: A question",
        "q2@stranger.test",
        answers="q1@stranger.test",
        place=Place.ELSEWHERE,
    )
    personal = office.deliver(
        ana, ZOE, "Re: A question", "q3@stranger.test", answers="q1@stranger.test"
    )
    run(office)

    assert of_contact(office, "zoe@stranger.test")
    assert (office.rules(team)[first], office.rules(team)[elsewhere]) == ("team", "team")
    assert office.rules(ana)[personal] == "team-thread"
    held = Thread.account_id == office.account_id
    threads = office.rows(
        select(Thread.team, Thread.owner_id).where(held, Thread.subject == "A question")
    )
    assert threads == [(True, None)]


def test_what_is_forwarded_to_a_team_is_for_the_original_sender(office: Office, team: int) -> None:
    office.contact("ben@acme.test")  # the forwarder may be a contact, too
    office.deliver(team, "ben@acme.test", "FW: Offer 12", "fw@acme.test", body=forwarded())
    run(office)

    assert emails(office) == [("fw@acme.test", "incoming", "team", "ben@acme.test", "FW: Offer 12")]
    assert of_contact(office, "zoe@stranger.test")
    assert office.timeline() == {("fw@acme.test", 1, 1)}


def test_the_forwarder_stands_in_for_an_original_that_cannot_be_read(
    office: Office, team: int
) -> None:
    ref = office.deliver(team, ZOE, "FW: Offer 12", "fw@acme.test", body="See the picture.")
    run(office)

    assert office.journal(team)[ref] == ("logged", "forward-unreadable")
    assert of_contact(office, "zoe@stranger.test")


def test_denied_senders_are_refused_and_allowed_ones_are_not(office: Office, team: int) -> None:
    with office.database.begin() as conn:
        for name, value in {
            "team_deny": ("stranger.test",),
            "team_allow": ("zoe@stranger.test",),
        }.items():
            account_settings.set_setting(conn, office.account_id, name, value)
    denied = office.deliver(team, "bob@stranger.test", "A question", "q1@stranger.test")
    allowed = office.deliver(team, ZOE, "A question", "q2@stranger.test")
    run(office)

    assert office.journal(team)[denied] == ("refused", "denied")
    assert office.rules(team)[allowed] == "team"


def test_what_a_team_sends_is_for_all_but_the_accounts_listed(office: Office, team: int) -> None:
    with office.database.begin() as conn:
        never_log.add(conn, office.account_id, None, ["listed.test"], office.clock)
        never_log.add(
            conn, office.account_id, office.users["kim@acme.test"], ["stranger.test"], office.clock
        )
    ref = office.send(team, f"{ZOE}, Eve <eve@listed.test>", "Hello", "h1@acme.test", bcc="")
    run(office)

    assert office.rules(team)[ref] == "team"
    assert office.timeline() == {("h1@acme.test", 1, 1)}
    assert not of_contact(office, "eve@listed.test")
