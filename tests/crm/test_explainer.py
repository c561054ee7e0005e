"""What the explainer says, against what becomes of the same message; and that it keeps nothing."""

import logging
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select

from crm import guard
from crm.database import Database
from crm.explainer import UNCLEAR, explain_text
from crm.messages import parse
from crm.model import Place, Ref
from crm.rules.decide import decide, explain
from crm.store import settle
from crm.tables import Base
from tests.crm.hostile import mails, mutated
from tests.crm.store_world import World, message_id

ALL = {"all_accounts": "a test that nothing changes"}
ANA, MARIA = "ana@acme.test", "maria@globex.test"


@pytest.fixture
def world(sqlite_url, secrets, now):
    """A small company on SQLite: what is asked of the database is asked by others as well."""
    database = Database(sqlite_url)
    guard.install(database.engine)
    yield World(database, secrets, now)
    database.close()


@pytest.fixture
def box(world):
    """Ana's mailbox, which has logged an offer (m1) to Maria."""
    mailbox = world.mailbox(ANA)
    world.contact(MARIA, name="Maria Rossi")
    world.settle(mailbox, world.sent(1, [MARIA]))
    return mailbox


@pytest.fixture
def ask(world, box):
    def ask(text, now=None):
        with world.database.read() as conn:
            return explain_text(conn, box, text, now or world.now, world.secrets)

    return ask


def answer(world, **more):
    """Maria's answer to the offer; `more` are header fields, None takes one away."""
    mail = EmailMessage()
    received = format_datetime(world.now + timedelta(minutes=9))
    fields = {
        "Received": f"from mx.globex.test by mx.acme.test with ESMTP; {received}",
        "From": f"Maria Rossi <{MARIA}>", "To": ANA, "Subject": "Re: Offer",
        "Date": format_datetime(world.now + timedelta(minutes=8)),
        "Message-ID": "<answer@globex.test>", "In-Reply-To": f"<{message_id(1)}>",
    }  # fmt: skip
    given = {name.replace("_", "-"): value for name, value in more.items()}
    for name, value in (fields | given).items():
        if value is not None:
            mail[name] = value
    mail.set_content("The secret body.")
    return mail.as_string()


def test_an_answer_would_be_logged_on_its_senders_timeline(world, ask):
    said = ask(answer(world))

    assert said.headline == "Would be logged on the timeline of Maria Rossi (rule reply)."
    assert (said.verdict, said.rule, said.remedy) == ("logged", "reply", "")
    assert all(line.passed for line in said.rules)
    assert [line.id for line in said.rules][:3] == ["draft", "junk", "trash"]


@pytest.mark.parametrize(
    ("changed", "rule", "words"),
    [
        ({"From": "eve@x.test"}, "unknown-sender", "eve@x.test"),
        ({"Subject": "Invoice 7"}, "subject-changed", "“invoice 7”"),
        ({"In-Reply-To": None}, "not-a-reply", "answers no"),
        ({"In-Reply-To": "<lost@acme.test>"}, "unknown-thread", "of which none is a logged e-mail"),
        ({"Received": "by x; Mon, 2 Mar 2020 09:00:00 +0000"}, "disconnected", "2 March 2020"),
        ({"From": ANA, "In-Reply-To": None}, "not-ticked", "Log to CRM"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_names_rule_values_and_remedy(world, ask, changed, rule, words):
    said = ask(answer(world, **changed))

    assert (said.verdict, said.rule) == ("refused", rule)
    assert said.headline.startswith("Would not be logged: ")
    assert words in said.headline
    assert said.remedy
    assert rule in {line.id for line in said.rules if not line.passed}


def test_it_says_what_the_rules_say(world, box, ask):
    text = answer(world, Subject="Invoice 7", From="eve@x.test")
    said = ask(text)
    at = world.now + timedelta(minutes=9)
    headers = parse(text.encode(), Ref("p"), Place.FOLLOWED, at).headers
    with world.database.read() as conn:
        context = settle.load_context(conn, box, [headers]).of(headers)

    assert said.rule == decide(headers, context).rule
    assert [(x.id, x.passed, x.sentence) for x in said.rules] == explain(headers, context)


def test_a_copy_of_ones_own_mail_is_looked_at_as_sent(world, ask):
    said = ask(answer(world, From=ANA, To=MARIA, X_Gmail_Labels="Sent,Log to CRM"))

    assert (said.verdict, said.rule) == ("logged", "sent-label")
    assert any("you sent" in note for note in said.notes)


def test_several_timelines_are_named(world, ask):
    world.contact("joe@globex.test", name="Joe")
    said = ask(answer(world, Cc="joe@globex.test"))
    assert "timelines of Maria Rossi and Joe" in said.headline


def test_what_is_missing_and_assumed_is_said(ask):
    said = ask("From: maria@globex.test\nSubject: Offer\n")

    notes = " ".join(said.notes)
    assert "No Message-ID was found in what you pasted." in notes
    assert "Neither In-Reply-To nor References was found" in notes
    assert "taken as received just now" in notes
    assert {each.name: each.text for each in said.understood}["Received"] == "not found"


def test_the_journal_s_verdict_is_told_beside(world, box, ask):
    world.settle(box, world.refused(5, "unknown-sender", "eve@x.test"))
    mail = answer(world, From="eve@x.test", Message_ID=f"<{message_id(5)}>")
    said = ask(mail)
    assert said.actual == (
        "ana@acme.test has this message already: it was not logged (unknown sender, rule "
        "unknown-sender)."
    )
    assert ask(answer(world)).actual == ""


def test_a_logged_message_is_recognised(world, box, ask):
    sent = world.sent(1, [MARIA]).message.headers
    said = ask(
        answer(
            world, From=ANA, To=MARIA, Message_ID=f"<{message_id(1)}>", In_Reply_To=None,
            Date=format_datetime(sent.sent_at),
        )
    )  # fmt: skip
    assert said.email_id is not None
    assert "it was logged" in said.actual


@pytest.mark.parametrize("text", ["", "Hello", b"\xff\xfe\x00", "X-Mailer: none\n", "Subject: x"])
def test_without_headers_it_says_how_to_copy_them(ask, text):
    said = ask(text)
    assert (said.verdict, said.rule, said.rules) == (UNCLEAR, "", ())
    assert "Show original" in said.remedy


def test_nothing_is_stored_or_logged(world, box, ask, caplog):
    def everything():
        with world.database.read() as conn:
            return {
                table.name: sorted(map(repr, conn.execute(select(table), execution_options=ALL)))
                for table in Base.metadata.sorted_tables
            }

    before = everything()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        said = ask(answer(world, From="eve@x.test"))
    assert said.rule == "unknown-sender"
    assert everything() == before
    assert [record for record in caplog.records if "eve" in record.getMessage()] == []
    assert lines == []
    assert "secret body" not in repr(said)


def test_another_accounts_threads_are_not_known(world, box):
    stranger = world.other_account()
    theirs = stranger.mailbox("zed@other.test")
    with world.database.read() as conn:
        said = explain_text(conn, theirs, answer(world), world.now, world.secrets)
    assert said.rule == "disconnected" or said.rule == "unknown-thread"
    assert "Maria Rossi" not in repr(replace(said, understood=()))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=mutated([*mails(), b"From: maria@globex.test\nIn-Reply-To: <m1@mail.test>\n\n"]))
def test_no_damaged_mail_makes_it_raise(ask, raw):
    assert ask(raw).verdict in {"logged", "refused", UNCLEAR}
