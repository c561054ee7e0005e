"""Reading whole messages; whatever strangers write, nothing raises."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.headers import read_date
from crm.messages import attachment, fold, parse, plain_text, read_headers, snippet
from crm.model import Address, Place, Ref
from crm.text import safe_name

MAIL = Path(__file__).parents[1] / "mail"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def read(raw: bytes):
    return parse(raw, Ref("1"), Place.FOLLOWED, NOON)


def test_a_reply_is_read_whole():
    raw = (MAIL / "reply-with-files.eml").read_bytes()
    message = read(raw)
    headers = message.headers

    assert headers.sender == Address("cleo@globex.test", "Cléo")
    assert headers.to == (Address("ana@acme.test", "Ana, Sales"),)
    assert headers.subject == "Re: Offer für you"
    assert headers.sent_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert headers.message_id == "reply@globex.test"
    assert headers.in_reply_to == ("root@acme.test",)
    assert headers.references == (
        "first@acme.test", "second@acme.test", "root@acme.test", "bare@acme.test",
    )  # fmt: skip
    assert message.text == "Thank you, café it is.\n\n> Shall we meet?"
    assert "<b>" in message.html
    assert [(file.part, file.filename, file.size) for file in message.attachments] == [
        ("2", "offer.pdf", 5),
        ("3", "part-3.eml", 21),
    ]
    assert attachment(raw, "2") == b"hello"
    assert attachment(raw, "9") is None
    assert snippet(message.text) == "Thank you, café it is."


def test_a_broken_message_still_says_what_it_says():
    message = read((MAIL / "broken.eml").read_bytes())

    assert message.headers.sender == Address("j@globex.test", "Jürgen")
    assert (message.headers.to, message.headers.sent_at) == ((), None)
    assert message.headers.subject == "Grüße"
    assert message.text == "Grüße!\n"


def test_the_same_headers_from_pairs_and_from_bytes():
    raw = (MAIL / "reply-with-files.eml").read_bytes()
    head = raw.partition(b"\n\n")[0].decode().replace("\n ", "\0 ").replace("\n\t", "\0\t")
    pairs = [line.replace("\0", "\r\n").split(":", 1) for line in head.split("\n")]
    headers = read_headers([(name, value) for name, value in pairs], Ref("1"), Place.FOLLOWED, NOON)
    assert headers == read(raw).headers


@given(st.binary(max_size=400))
def test_no_bytes_raise(raw):
    message = read(raw)
    assert "\x00" not in message.text


PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"--b", b"--", b"Content-Type: multipart/mixed; boundary=b\n\n", b": ", b"\n\n",
     b"Content-Transfer-Encoding: base64\n", b"Content-Type: text/html\n\n", b"From: ", b"<a@b>", b"=?",
     b"?=", b"utf-8?B?", b"Date: Mon, 99", b"\xff", b"\x00", b"<p", b">", b"Content-Disposition: ;*=",
     b"References: ", b"filename*0*=x''%"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_no_pieces_of_mail_raise(raw):
    message = read(raw)
    for text in (message.text, message.html, message.headers.subject, message.headers.message_id):
        assert "\x00" not in text
        text.encode("utf-8")
    snippet(message.text)


@pytest.mark.parametrize(
    "raw",
    [
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(1500)
        ),
        b"Content-Type: text/html\n\n" + b"<div>" * 80_000,
        b"Content-Type: text/html\n\n" + b"<!--" * 80_000,
        b"Content-Type: text/html\n\n" + b"<a b='" * 40_000,
        b"Content-Type: text/html\n\n" + b"<script>" * 40_000,
        b"Content-Type: text/html\n\n" + b"<blockquote><p>" * 40_000,
        b"\n" + b"On Monday x wrote:\n> a\n" * 8_000 + b"b",
        b"\n" + b"From: a\n" * 20_000,
        b"References: " + b"<a@b> " * 40_000 + b"\n\n",
        b"Content-Type: a/b" + b"; a" * 20_000 + b"\n\n",
    ],
    ids=[
        "nested",
        "div",
        "comment",
        "quote",
        "script",
        "blockquote",
        "wrote",
        "from",
        "refs",
        "param",
    ],
)
def test_hostile_mail_is_read_in_time(raw):
    start = time.thread_time()
    snippet(read(raw).text)
    assert time.thread_time() - start < 60  # hangs, on the slowest machine


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 2 Mar 2026 10:00:00 +0100", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2 Mar 2026 10:00:00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("Mon, 2 Mar 99999 10:00:00 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_date_is_read_in_utc_or_not_at_all(value, expected):
    assert read_date(value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("C:\\docs\\a.pdf", "a.pdf"), ("../../etc/passwd", "passwd"), ("a\x00\r\nb.txt", "a b.txt"),
     ("photo\u202egpj.exe", "photogpj.exe"), ("...", ""), ("x" * 500 + ".pdf", "x" * 196 + ".pdf")],
)  # fmt: skip
def test_a_file_name_is_safe(name, expected):
    assert safe_name(name) == expected


def test_html_becomes_plain_text():
    html = (
        "<style>x</style><p>Hi&nbsp;<b>Ana</b>,</p><ul><li>one<li>two</ul>a<br>b<pre>c\n  d</pre>"
    )
    assert plain_text(html) == "Hi Ana,\n\n  - one\n  - two\n\na\nb\n\n    c\n      d"


@pytest.mark.parametrize(
    "history",
    ["On Mon, Ana wrote:\n> a\n", "Am 2.3.2026 um 10:00 schrieb Ana <a@b>:\n\n> a\n", "> a\n> b\n",
     "-----Original Message-----\nFrom: Ana\n", "From: Ana\nSent: Monday\nTo: Cleo\n",
     "Von: Ana\nGesendet: Montag\n", "On Mon, 2 March 2026\nAna <ana@acme.test> wrote:\n> a\n",
     "Em 2/3/2026, Ana <ana@acme.test> escreveu:\n\n> a\n",
     "Le lun. 2 mars 2026 à 10:00, Ana <ana@acme.test> a écrit :\n> a\n",
     "________________________________\nОт: Ana\nОтправлено: 2.3.2026\n"],
)  # fmt: skip
def test_history_is_folded(history):
    text = f"Yes, please.\n\n{history}"
    assert fold(text) == ("Yes, please.\n\n", history) or fold(text)[0].strip() == "Yes, please."
    assert "".join(fold(text)) == text
    assert snippet(text) == "Yes, please."


def test_answers_between_quoted_lines_are_not_folded():
    text = "On Mon, Ana wrote:\n> Shall we?\nYes.\n> When?\nNow.\n"
    assert fold(text) == (text, "")
    assert "Yes. Now." in snippet(text)


def test_answers_below_a_quoted_list_are_not_folded():
    text = "On Mon, Ana wrote:\n> When: ten?\n> Where: here?\nYes.\n"
    assert fold(text) == (text, "")


@pytest.mark.parametrize(
    "text", ["Data: 12\nnothing else\n", "To do:\nwrite: soon\n", "a\n---- b ----\nc\n"]
)
def test_lines_that_only_look_like_a_history_are_not_folded(text):
    assert fold(f"Yes.\n{text}") == (f"Yes.\n{text}", "")


@pytest.mark.parametrize(
    "text",
    ["Am x schrieb " * 20 + ":\n", "On \nOn \nOn:\n", "From: a\nx: b\n", "Den x skrev x " * 15 + ":\n", "\n", "On x:", ">\n"],
)  # fmt: skip
def test_hostile_text_is_folded_in_time(text):
    start = time.thread_time()
    snippet(text * (160_000 // len(text)))
    assert time.thread_time() - start < 60  # hangs, on the slowest machine


def test_a_snippet_is_short():
    assert len(snippet("word " * 1000)) <= 200
