"""The original of forwarded mail: in many programs' texts, attached, and in hostile ones."""

from email.message import EmailMessage

import pytest

from crm.forwards.marks import Mark, first_mark
from crm.forwards.original import enclosed, original
from crm.messages import parse
from crm.model import Address, Place, Ref
from tests.forwards import measure
from tests.forwards.cases import CASES, CLEO, gmail
from tests.forwards.corpus import NOON, around

SEPARATOR = "---------- Forwarded message ---------\nFrom: x <x@y.test>\n"


def test_the_corpus_gives_its_senders_and_never_another():
    figures = measure.of_corpus()

    assert figures.wrong == []
    assert figures.right["sender"] >= 177
    assert min(figures.right[name] for name in ("subject", "to", "cc", "body")) >= 177
    assert figures.right["date"] >= 174


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_sender_is_found_in(case):
    found = original(measure.message_of(case))

    assert (found.sender.address if found else "") == case.sender
    assert found is None or measure.differences(case, found) == []


def test_the_text_that_stands_beside_the_html_comes_first():
    message = around("made plain, without a head", "Fwd: Offer", "<p>made plain</p>")
    beside = type(message)(message.headers, message.text, message.html, plain=gmail())

    assert original(message) is None
    assert original(beside).sender.address == CLEO


def attached(inner: bytes | EmailMessage, count: int = 1) -> EmailMessage:
    outer = EmailMessage()
    outer["Subject"] = "Fwd: something"
    outer["From"] = "Ana <ana@ourcompany.test>"
    outer.set_content(gmail(From="Dora <dora@globex.test>"))
    for _ in range(count):
        outer.add_attachment(inner)
    return outer


def letter(sender: str = "Cleo Roe <cleo@globex.test>") -> EmailMessage:
    inner = EmailMessage()
    if sender:
        inner["From"] = sender
    inner["To"] = "ana@ourcompany.test"
    inner["Subject"] = "Re: Offer"
    inner["Date"] = "Mon, 2 Mar 2026 09:31:00 +0100"
    inner["Message-ID"] = "<reply@globex.test>"
    inner["In-Reply-To"] = "<root@ourcompany.test>"
    inner["References"] = "<older@ourcompany.test> <root@ourcompany.test>"
    inner.set_content("We take twelve.")
    return inner


def read(message: EmailMessage):
    return parse(message.as_bytes(), Ref("m1"), Place.SENT, NOON)


def test_an_attached_message_comes_before_the_text_and_is_read_whole():
    outer = read(attached(letter()))

    assert enclosed(outer).content_type == "message/rfc822"
    found = original(outer, letter().as_bytes())
    assert found.sender == Address(CLEO, "Cleo Roe")
    assert found.message_id == "reply@globex.test"
    assert found.references == ("older@ourcompany.test", "root@ourcompany.test")
    assert found.date.isoformat() == "2026-03-02T08:31:00+00:00"
    assert found.text.strip() == "We take twelve."


def test_of_two_attached_messages_none_is_meant():
    assert enclosed(read(attached(letter(), count=2))) is None


def test_an_attached_message_without_a_sender_gives_none():
    assert original(read(attached(letter(""))), letter("").as_bytes()) is None


@pytest.mark.parametrize(
    ("subject", "mark"),
    [
        ("FW: Re: Offer", Mark.FORWARD),
        ("Re: FW: Offer", Mark.REPLY),
        ("[EXT] WG: Angebot", Mark.FORWARD),
        ("[Fwd: Offer]", Mark.FORWARD),
        ("Offer (fwd)", Mark.FORWARD),
        ("Re[2]: Offer", Mark.REPLY),
        ("VS: Tilbud", Mark.NEITHER),  # answered in Finnish, forwarded in Danish
        ("Forward planning: Offer", Mark.NEITHER),
        ("Offer", Mark.NEITHER),
        ("", Mark.NEITHER),
    ],
)
def test_the_first_mark_of_a_subject_says_what_was_done(subject, mark):
    assert first_mark(subject) is mark


@pytest.mark.parametrize(
    "text",
    [
        "-" * 200_000,
        "---------\n" * 20_000,
        "From: a@b.test\n" * 20_000,
        "> > > > >\n" * 20_000,
        SEPARATOR + "To: " + "<a@b.test<" * 20_000,
        SEPARATOR + "To: " + '"' * 200_000 + " <a@b.test>",
        SEPARATOR + "To: " + "a@b.test,\n" * 20_000,
        SEPARATOR + "Date: " + "1 " * 200_000,
        "----- Forwarded Message ----- From: a <a@b.test>" + "To: " * 40_000,
        "----- Forwarded Message ----- " + "Fro" * 40_000,
        "----- Forwarded Message ----- From: a <a@b.test>" + "ıſ: " * 1000,
        ("On 1 2 3 " + "<a@b.test> " * 20 + "\n") * 5_000,
        "wrote:\n" * 50_000,
        ("x" * 19_000 + "\n") * 100,
        "\n" * 1_000_000,
        "\ufeff\xa0\u200e" * 100_000,
    ],
    ids=lambda text: f"{text[:20]!r} and so on",
)
@pytest.mark.parametrize("subject", ["Fwd: Offer", ":" * 200_000], ids=["forwarded", "hostile"])
@pytest.mark.timeout(60)  # less than a second, but where the time grows with the square
def test_hostile_text_takes_bounded_time(text, subject):
    original(around(text, subject))
