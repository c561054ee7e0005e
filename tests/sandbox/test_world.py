"""Mail between pretend people, and the bytes it is made of."""

from datetime import UTC, datetime

import pytest

from sandbox import mail
from sandbox.app import create_app
from sandbox.world import FAILED, Missing, PlainMailbox, Rule, Unsupported, World

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    found = World()
    for address in ("maria@globex.test", "bob@globex.test"):
        found.add(address, address.split("@")[0].title(), "plain", PlainMailbox(found, address))
    return found


def box(world: World, address: str) -> PlainMailbox:
    found = world.person(address).backend
    assert isinstance(found, PlainMailbox)
    return found


def test_sent_mail_reaches_bcc_recipients_without_the_header(world: World) -> None:
    draft = mail.Draft("maria@globex.test", to=("x@nowhere.test",), bcc=("Bob <bob@globex.test>",))
    box(world, "maria@globex.test").send(mail.compose(draft, NOW))
    (raw,) = box(world, "bob@globex.test").messages
    assert mail.header(raw, "Bcc") == ""
    (kept,) = box(world, "maria@globex.test").items()
    assert mail.header(kept.raw, "Bcc") == "Bob <bob@globex.test>"
    assert kept.folder == "sent"


def test_a_recipient_named_twice_gets_one_copy_and_case_does_not_matter(world: World) -> None:
    ids = world.deliver(b"Subject: x\r\n\r\n", ["BOB@globex.test", "BOB@globex.test", "no@body"])
    assert ids == {"bob@globex.test": "1"}


def test_plain_mailboxes_have_no_labels_rules_or_apps(world: World) -> None:
    plain = box(world, "bob@globex.test")
    for action in (
        lambda: plain.label("1", "x"),
        lambda: plain.add_rule(Rule("r", "x", "y")),
        lambda: plain.cut("password"),
    ):
        with pytest.raises(Unsupported):
            action()
    with pytest.raises(Missing):
        plain.move("9", "junk")
    with pytest.raises(Missing):
        world.person("nobody@globex.test")


def test_reset_forgets_people_and_restores_switches(world: World) -> None:
    world.switch("a.switch", 1)
    world.switches["a.switch"] = 2
    world.reset()
    assert world.people == {}
    assert world.switches == {"a.switch": 1}


def test_an_answer_refers_to_the_whole_thread() -> None:
    first = mail.compose(mail.Draft("a@x.test", ("b@x.test",), subject="Offer", text="Hi"), NOW)
    second = mail.compose(mail.reply(first, "b@x.test", "Yes"), NOW)
    third = mail.compose(mail.reply(second, "a@x.test", "Good"), NOW)
    assert mail.header(third, "Subject") == "Re: Offer"
    assert mail.refers_to(third) == [mail.message_id(first), mail.message_id(second)]
    assert mail.header(third, "In-Reply-To") == mail.message_id(second)
    assert "> Yes" in mail.body_text(third)


def test_base_subject_loses_every_prefix() -> None:
    assert mail.base_subject("Re: AW: Fwd:  Offer  12") == "offer 12"
    assert mail.base_subject("Retail: x") == "retail: x"


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"no header", b"\xff\xfe: x\r\n\r\n", b"From: <\r\n\r\n"]
)
def test_junk_bytes_break_nothing(raw: bytes) -> None:
    assert mail.recipients(raw) == []
    assert isinstance(mail.header(raw, "From"), str)
    assert isinstance(mail.without_bcc(raw), bytes)
    assert isinstance(mail.body_text(raw), str)


def test_a_header_made_to_overflow_the_parser_has_no_recipients() -> None:
    raw = b"To: " + b"x@y.test " * 5000 + b"\r\n\r\n"
    assert len(mail.recipients(raw)) <= 1
    assert isinstance(mail.header(raw, "To"), str)


def test_folded_bcc_disappears_whole() -> None:
    raw = b"To: a@x.test\nBcc: b@x.test,\n c@x.test\nSubject: s\n\nBcc: body stays\n"
    assert mail.without_bcc(raw) == b"To: a@x.test\nSubject: s\n\nBcc: body stays\n"
    assert mail.recipients(raw) == ["a@x.test", "b@x.test", "c@x.test"]


def test_a_request_that_the_sandbox_itself_failed_is_counted(world: World) -> None:
    app = create_app(world)
    app.add_url_rule("/odd", view_func=lambda: str(1 / 0))
    assert app.test_client().get("/odd").status_code == 500
    assert world.counts[FAILED] == 1
