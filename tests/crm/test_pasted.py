"""Header fields out of anything that people paste."""

import base64
import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm import pasted
from crm.pasted import LONGEST, Pasted, read_pasted
from tests.crm.hostile import mails, mutated

RAW = """Delivered-To: ana@acme.test
Received: by 2002:a05:7300:b8c9 with SMTP id x12;
        Mon, 2 Mar 2026 00:12:05 -0800 (PST)
Return-Path: <maria@globex.test>
DKIM-Signature: v=1; a=rsa-sha256; d=globex.test; s=k1;
        h=to:subject:message-id:date:from; bh=abc=;
From: Maria Rossi <maria@globex.test>
To: Ana <ana@acme.test>
Subject: Re: Offer
 12
Date: Mon, 2 Mar 2026 09:12:03 +0100
Message-ID: <answer@globex.test>
In-Reply-To: <offer@acme.test>
References: <first@acme.test>
\t<offer@acme.test>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
"""
BODY = """
Hello Ana,

From: somebody@else.test
Date: Tue, 3 Mar 2026 09:12:03 +0100
Message-ID: <quoted@else.test>
Subject: Not this one

yes.
"""
TABLE = """Original Message
Message ID\t<answer@globex.test>
Created at:\tMon, Mar 2, 2026 at 9:12 AM (Delivered after 2 seconds)
From:\tMaria Rossi <maria@globex.test>
To:\tAna <ana@acme.test>
Subject:\tRe: Offer 12
SPF:\tPASS with IP 192.0.2.1 Learn more
DKIM:\t'PASS' with domain globex.test Learn more
DMARC:\t'PASS' Learn more
"""


def prefixed(prefix: str) -> str:
    return "".join(prefix + line for line in RAW.splitlines(keepends=True))


def numbered(form: str) -> str:
    return "".join(form.format(n) + line for n, line in enumerate(RAW.splitlines(keepends=True), 1))


FORMS = {
    "raw headers": RAW,
    "a whole message": RAW + BODY,
    "bytes": RAW.encode(),
    "bytes in UTF-16": RAW.encode("utf-16"),
    "a byte order mark in front": "\ufeff" + RAW,
    "lines that end as on Windows": (RAW + BODY).replace("\n", "\r\n"),
    "lines that end as on an old Mac": (RAW + BODY).replace("\n", "\r"),
    "an mbox's From line": "From maria@globex.test Mon Mar  2 08:12:05 2026\n" + RAW + BODY,
    "quoted": prefixed("> "),
    "quoted twice": prefixed("> > "),
    "quoted without a space": prefixed(">"),
    "quoted below words": "Why was this not logged?\n\n" + prefixed("> "),
    "indented": prefixed("    "),
    "indented by a tab": prefixed("\t"),
    "indented and no longer folded": "".join(
        "  " + line.lstrip() for line in RAW.splitlines(keepends=True)
    ),
    "no longer folded": "".join(line.lstrip() for line in RAW.splitlines(keepends=True)),
    "line numbers": numbered("{} "),
    "line numbers in a column": numbered("{:>4}  "),
    "line numbers with a colon": numbered("{}: "),
    "an empty line after each": RAW.replace("\n", "\n\n"),
    "hard spaces": RAW.replace("        ", "\xa0" * 8),
    "Gmail's page": TABLE + "\nDownload Original\nCopy to clipboard\n\n" + RAW + BODY,
    "Gmail's page in one piece": TABLE + "Download Original\nCopy to clipboard\n" + RAW + BODY,
    "the source of Gmail's page": (
        f"<html><head><style>p{{a:b}}</style></head><body><table><tr><td>Subject:</td><td>Re: Offer 12</td></tr></table>"
        f"<pre class='raw'>{html.escape(RAW + BODY)}</pre></body></html>"
    ),
    "a page with a line a div": "<div>"
    + "</div><div>".join(html.escape(line) for line in RAW.splitlines())
    + "</div>",
    "escaped brackets": RAW.replace("<", "&lt;").replace(">", "&gt;"),
    "base64": base64.encodebytes((RAW + BODY).encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode((RAW + BODY).encode()).decode().rstrip("="),
    "one line": " ".join(line.strip() for line in RAW.splitlines()),
    "capitals": RAW.replace("Message-ID", "MESSAGE-ID").replace("References", "references"),
    "words in front": "Hello support,\n\nhere are the headers\n\n" + RAW,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_headers_are_found_in(form):
    found = read_pasted(FORMS[form])

    assert found.first("message-id") == "<answer@globex.test>"
    assert found.first("in-reply-to") == "<offer@acme.test>"
    assert found.first("references").split() == ["<first@acme.test>", "<offer@acme.test>"]
    assert " ".join(found.first("subject").split()) == "Re: Offer 12"
    assert found.first("from") == "Maria Rossi <maria@globex.test>"
    assert found.first("received").endswith("Mon, 2 Mar 2026 00:12:05 -0800 (PST)")
    assert found.first("return-path") == "<maria@globex.test>"


@pytest.mark.parametrize(
    ("form", "mended"),
    [
        ("raw headers", ()),
        ("a whole message", ()),
        ("quoted", (pasted.QUOTED,)),
        ("line numbers", (pasted.NUMBERED,)),
        ("the source of Gmail's page", (pasted.WEB_PAGE,)),
        ("base64", (pasted.ENCODED,)),
        ("one line", (pasted.ONE_LINE,)),
    ],
)
def test_what_was_undone_is_said_of(form, mended):
    assert read_pasted(FORMS[form]).mended == mended


def test_gmails_short_table_alone_gives_what_it_has():
    found = read_pasted(TABLE)

    assert found.first("message-id") == "<answer@globex.test>"
    assert found.has("from")
    assert not found.has("in-reply-to", "references", "received")


def test_half_of_the_headers_are_better_than_none():
    found = read_pasted("Subject: Re: Offer\nIn-Reply-To: <offer@acme.test>\n")

    assert found.fields == (("Subject", "Re: Offer"), ("In-Reply-To", "<offer@acme.test>"))


def test_a_message_within_the_message_does_not_speak_for_it():
    forwarded = "From: eve@x.test\nDate: Mon, 2 Mar 2026 09:00:00 +0000\nSubject: FW: x\n"

    assert not read_pasted(forwarded + "\nLook:\n\n" + RAW).has("message-id")


@pytest.mark.parametrize(
    "text", ["", " \n\n", "Hello, why was my mail not logged?", "https://x.test/a:b", "%PDF-1.7\n1 0 obj",
             "{}", "\0\0", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "<html><p>Hi</p></html>"]
)  # fmt: skip
def test_there_may_be_no_headers_at_all(text):
    found = read_pasted(text)
    assert not found.has("from", "message-id", "in-reply-to", "references", "subject")


@given(st.one_of(st.text(max_size=400), st.binary(max_size=400)))
def test_no_text_makes_it_raise(text):
    assert isinstance(read_pasted(text), Pasted)


@given(mutated(mails()))
def test_no_damaged_mail_makes_it_raise(raw):
    for name, value in read_pasted(raw).fields:
        assert isinstance(name + value, str)


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "&lt;", "> ", ">", "a: ", "a:\n", " \n", "1 ", "1\n2\n", "From: x ", "Zm9v",
              "=?utf-8?q?x?= ", "\t", "\n \n", "Message-ID <", "<td", "a-", "|> "]
)  # fmt: skip
@pytest.mark.timeout(60)  # a second, but where the time grows with the square
def test_hostile_repetition_takes_bounded_time(piece):
    read_pasted(piece * (LONGEST // len(piece)))
