"""The explainer's page, without a browser."""

import io
import tempfile

import pytest
from sqlalchemy import event

from crm.model import Place
from tests.web import story
from web.explainer import LARGEST_FILE

BODY = "The secret of the message."


@pytest.fixture
def database_url(sqlite_url):
    """SQLite: what the explainer asks of a database is asked in tests/crm."""
    return sqlite_url


@pytest.fixture
def told(company):
    return story.tell(company)


@pytest.fixture
def answer(company, told):
    """Headers and text of an answer to the offer that Ana's mailbox has not seen; `more` as there."""

    def make(sender=story.MARIA, subject="Re: Offer 12", **more):
        more.setdefault("answers", "<m1@acme.test>")
        return company.mail(sender, story.ANA, subject, BODY, **more).as_string()

    return make


def explain(client, headers="", mailbox="1", file=None, **more):
    data = {"mailbox": mailbox, "headers": headers}
    if file is not None:
        data["file"] = (io.BytesIO(file), "message.eml")
    return client.post("/why/explain", data, content_type="multipart/form-data", **more)


def test_pasted_headers_are_answered_by_every_rule(ana, answer):
    text = explain(ana, answer()).text
    assert "Would be logged on the timeline of Maria Rossi (rule reply)." in text
    assert "Nothing was stored." in text
    assert text.count("Passed: ") == 14
    assert "Not passed: " not in text


def test_a_refusal_says_what_to_do(ana, answer):
    text = explain(ana, answer("eve@x.test")).text
    assert "Would not be logged: the address eve@x.test belongs to no contact." in text
    assert "Not passed: " in text
    assert "Add the address to the contact" in text


def test_a_file_is_as_good_as_a_paste(ana, answer):
    answered = explain(ana, file=answer().encode())
    assert "Would be logged" in answered.text
    assert BODY not in answered.text


def test_a_large_file_is_read_at_its_head_and_never_lies_on_the_disk(ana, answer, monkeypatch):
    def on_disk(*_, **__):
        raise AssertionError("a file on the disk")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, on_disk)
    field = "--x\r\nContent-Disposition: form-data; name="
    head = f'{field}"csrf_token"\r\n\r\n{ana.token()}\r\n{field}"mailbox"\r\n\r\n1\r\n'
    head += f'{field}"file"; filename="a.eml"\r\n\r\n{answer()}\n'
    body = head.encode() + b"x" * 78 * (LARGEST_FILE // 80) + b"\r\n--x--\r\n"
    answered = ana.http.post(
        "/why/explain",
        input_stream=io.BytesIO(body),  # the test client's own forms lie on the disk
        content_length=len(body),
        content_type="multipart/form-data; boundary=x",
    )
    assert "Would be logged" in answered.text


def test_a_file_that_is_too_large_is_refused(ana, told):
    answered = ana.http.post(
        "/why/explain",
        input_stream=io.BytesIO(b"--x\r\n"),
        environ_overrides={"CONTENT_LENGTH": str(LARGEST_FILE * 2)},
        content_type="multipart/form-data; boundary=x",
    )
    assert answered.status_code == 413


def test_other_forms_stay_small(ana, told):
    answered = ana.post("/contacts/new", {"name": "x" * 300_000, "addresses": "a@b.test"})
    assert answered.status_code == 413


def test_nothing_is_written(ana, answer, app):
    statements = []
    engine = app.extensions["replylog"].database.engine
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    explain(ana, answer("eve@x.test"))
    assert statements
    assert [each for each in statements if not each.startswith(("SELECT", "BEGIN", "PRAGMA"))] == []


def test_a_message_that_is_in_the_journal_is_told_with_its_real_verdict(ana, company, told):
    mail = company.mail("eve@x.test", story.ANA, "Re: Offer 12", BODY, answers="<m1@acme.test>")
    raw = mail.as_string()
    company.bring("ana@acme.test", mail, place=Place.FOLLOWED)
    text = explain(ana, raw).text
    assert "ana@acme.test has this message already: it was not logged" in text


@pytest.mark.parametrize("given", ["", "Hello there"])
def test_without_headers_it_says_where_they_are(ana, told, given):
    text = explain(ana, given).text
    assert "No e-mail headers were found" in text
    assert "Show original" in text


@pytest.mark.parametrize("mailbox", ["2", "99", "", "x"])
def test_only_ones_own_mailbox_can_be_asked_about(ana, answer, mailbox):
    assert explain(ana, answer(), mailbox).status_code == 404


def test_hostile_headers_are_text(ana, told):
    evil = 'From: "<script>alert(1)</script>" <a@b.test>\nSubject: <script>alert(1)</script>\nDate: x\n'
    assert "<script>alert" not in explain(ana, evil).text


def test_the_empty_page_says_where_headers_are(ana, ben, company):
    assert "Connect a mailbox first" in ben.get("/why/explain").text
    company.connect("ana@acme.test")
    assert "Where do I find the headers?" in ana.get("/why/explain").text
