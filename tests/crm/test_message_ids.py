"""Message-IDs as mail programs write, break, cut and forge them."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.headers import read_headers
from crm.identity import has_own_id, identity, same_message
from crm.message_ids import LONGEST, MOST, message_id, message_ids
from crm.messages import parse
from crm.model import Address, Place, Ref

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

# fmt: off
IDS = {
    "in brackets": ("<a@c.test>", "a@c.test"),
    "capitals are kept": ("<AbC@C.Test>", "AbC@C.Test"),
    "white space within is dropped": (" <a\r\n b@ c.test> ", "ab@c.test"),
    "control characters are dropped": ("<a\x01@c.test\x7f>", "a@c.test"),
    "without brackets": ("a@c.test", "a@c.test"),
    "with one bracket": ("<a@c.test", "a@c.test"),
    "an '@' alone": ("@ a@ @c a@c.test", "a@c.test"),
    "with the other bracket": ("a@c.test>", "a@c.test"),
    "a comment behind": ("<a@c.test> (by hand)", "a@c.test"),
    "a comment behind one without brackets": ("a@c.test (by hand)", "a@c.test"),
    "an id in a comment": ("(was <b@c.test>) <a@c.test>", "a@c.test"),
    "parentheses in the id": ("<a(b)@c.test>", "a(b)@c.test"),
    "a comment that never ends": ("( <a@c.test>", "a@c.test"),
    "a quoted local part": ('<"a b"@c.test>', '"ab"@c.test'),
    "brackets in a quoted local part": ('<"a>b<"@c.test>', '"a>b<"@c.test'),
    "a quote that never ends": ('<a"b@c.test>', 'a"b@c.test'),
    "a quote longer than any": ('<"' + "x" * 201 + '>"@c.test>', '"' + "x" * 201),
    "no '@'": ("<abc>", "abc"),
    "words": ("not an id", "notanid"),
    "a word with one bracket": ("<abc", "abc"),
    "a word with the other bracket": ("abc>", "abc"),
    "the first of several": ("<a@c.test> <b@c.test>", "a@c.test"),
    "the one in brackets of several": ("x@c.test <a@c.test>", "a@c.test"),
    "the first of several without brackets": ("a@c.test, b@c.test", "a@c.test"),
    "encoded like a subject": ("=?utf-8?q?=3Ca=40c=2Etest=3E?=", "a@c.test"),
    "encoded in two pieces": ("=?utf-8?q?=3Ca=40?=\r\n =?utf-8?q?c=2Etest=3E?=", "a@c.test"),
    "empty brackets": ("<>", ""),
    "nothing": (" ", ""),
    "as long as a line": (f"<{'x' * LONGEST}>", "x" * LONGEST),
    "longer than a line": (f"<{'x' * (LONGEST + 1)}>", ""),
    "longer than a line without brackets": ("x" * LONGEST + "@c", ""),
}
LISTS = {
    "several": ("<a@c> <b@c>", ("a@c", "b@c")),
    "without white space": ("<a@c><b@c>", ("a@c", "b@c")),
    "with commas": ("<a@c>,<b@c>, <d@c>", ("a@c", "b@c", "d@c")),
    "broken over lines": ("<a@c>\r\n\t<b@c>\r\n <d\r\n @c>", ("a@c", "b@c", "d@c")),
    "cut at the front by a relay": ("f00@c> <b@c>", ("f00@c", "b@c")),
    "cut in the middle": ("<a@c> <b@ <d@c>", ("a@c", "d@c")),
    "cut at the end": ("<a@c> <b@c.te", ("a@c", "b@c.te")),
    "cut before the '@'": ("<a@c> <b", ("a@c",)),
    "words before": ('Your message of "Mon, 2 Mar" <a@c>', ("a@c",)),
    "comments": ("<a@c> (re: <x@c> of Monday) <b@c>", ("a@c", "b@c")),
    "a comment too long to be one": ("<a@c> (" + "x" * 501 + " <b@c>)", ("a@c", "b@c")),
    "some without brackets": ("a@c <b@c> d@c (was: x)", ("a@c", "b@c", "d@c")),
    "repeated ones count where they stand last": ("<a@c> <b@c> <a@c>", ("b@c", "a@c")),
    "encoded like a subject": ("=?us-ascii?Q?=3Ca=40c=3E_=3Cb=40c=3E?=", ("a@c", "b@c")),
    "empty brackets": ("<> <a@c> < >", ("a@c",)),
    "as long as a line, without brackets": (f"{'x' * (LONGEST - 2)}@c", (f"{'x' * (LONGEST - 2)}@c",)),
    "longer than a line, without brackets": (f"{'x' * (LONGEST - 1)}@c", ()),
    "nothing": ("", ()),
}
# fmt: on


@pytest.mark.parametrize(("value", "expected"), IDS.values(), ids=IDS)
def test_a_message_id_is_read(value, expected):
    assert message_id(value) == expected


@pytest.mark.parametrize(("value", "expected"), LISTS.values(), ids=LISTS)
def test_a_list_of_message_ids_is_read(value, expected):
    assert message_ids([value]) == expected


def test_ids_of_several_headers_add_up():
    assert message_ids(["<a@c> <b@c>", "", "<d@c> <a@c>"]) == ("b@c", "d@c", "a@c")


def test_only_the_newest_references_are_kept():
    ids = message_ids([" ".join(f"<{i}@b>" for i in range(3 * MOST))])
    assert (len(ids), ids[0], ids[-1]) == (1000, "2000@b", "2999@b")


@given(st.text() | st.text(alphabet='ab@<>()", \r\n'))
def test_an_answer_names_what_it_answers_by_the_same_id(value):
    own = message_id(value)
    assert not {*"\r\n\t "} & {*own}
    if own and '"' not in own:
        assert message_ids([f"<{own}>"]) == (own,)
        assert message_id(f"<{own}>") == own


@pytest.mark.parametrize(
    "value",
    ["<a@b> " * 60_000, "<" * 400_000, '<"' * 200_000, '<"' + '"<""' * 100_000, "(" * 400_000,
     "(a" * 200_000, "a@" * 200_000, "<\"" + '""' * 200_000, "=?utf-8?q?" * 40_000, "x" * 400_000],
    ids=lambda value: value[:7],
)  # fmt: skip
def test_long_headers_of_ids_are_read_in_time(value):
    start = time.thread_time()
    message_ids([value])
    message_id(value)
    assert time.thread_time() - start < 60  # hangs, on the slowest machine


def fields(*pairs: tuple[str, str]):
    return read_headers(pairs, Ref("1"), Place.FOLLOWED, NOON)


def test_what_is_answered_comes_first_then_references_from_the_newest_back():
    headers = fields(
        ("In-Reply-To", "<b@c> <a@c>"),
        ("References", "<a@c>\r\n <root@c>"),
        ("references", "<newest@c>"),
        ("IN-REPLY-TO", "<d@c>"),
    )
    assert headers.in_reply_to == ("b@c", "a@c", "d@c")
    assert headers.references == ("a@c", "root@c", "newest@c")
    assert headers.answers == ("b@c", "a@c", "d@c", "newest@c", "root@c")


def test_of_several_message_ids_the_first_that_is_not_empty_counts():
    assert (
        fields(("Message-ID", " "), ("Message-Id", "<a@c>"), ("Message-ID", "<b@c>")).message_id
        == "a@c"
    )


def test_an_id_that_gmail_replaced_is_the_one_that_others_saw():
    pairs = [
        ("Message-ID", "<1.2.SMTPIN_ADDED_BROKEN@mx.google.com>"),
        ("X-Google-Original-Message-ID", "a@c.test"),
    ]
    assert fields(*pairs).message_id == "a@c.test"
    assert fields(pairs[0]).message_id == "1.2.SMTPIN_ADDED_BROKEN@mx.google.com"


def test_an_id_that_gmail_replaced_at_sending_is_what_others_see():
    pairs = [
        ("Message-ID", "<new@mail.gmail.com>"),
        ("X-Google-Original-Message-ID", "<old@acme.test>"),
    ]
    assert fields(*pairs).message_id == "new@mail.gmail.com"


COPY = """Message-ID: <a@c.test>
From: Cleo <cleo@globex.test>
Date: Mon, 2 Mar 2026 10:00:00 +0100
Subject: Offer

Hello
"""
SAME = {
    "the same bytes": COPY,
    "a tag in the subject": COPY.replace("Offer", "[EXT] Offer"),
    "another way of writing the date": COPY.replace("Mon, 2 Mar 2026 10:00:00 +0100", "02 Mar 2026 09:00:00 GMT (UTC)"),
    "a footer below the text": COPY + "\n-- \nScanned.\n",
    "another name of the sender": COPY.replace("Cleo <", "Cleo via list <"),
    "an id broken over lines": COPY.replace("<a@c.test>", "<a@\n c.test>"),
    "another way of writing the address": COPY.replace("cleo@globex.test", "Cleo@GLOBEX.test."),
}  # fmt: skip
OTHER = {
    "another id": COPY.replace("a@c.test", "b@c.test"),
    "another sender": COPY.replace("cleo@globex", "eve@globex"),
    "another date": COPY.replace("10:00:00", "10:00:01"),
    "no date": COPY.replace("Date:", "X-Date:"),
    "no id": COPY.replace("Message-ID:", "X-ID:"),
}


def read(raw: str):
    return parse(raw.encode(), Ref("1"), Place.FOLLOWED, NOON)


def digest(raw: str) -> str:
    message = read(raw)
    return identity(message.headers, message.text)


@pytest.mark.parametrize("raw", SAME.values(), ids=SAME)
def test_two_copies_are_one_message_in_spite_of(raw):
    assert digest(raw) == digest(COPY)


@pytest.mark.parametrize("raw", OTHER.values(), ids=OTHER)
def test_two_messages_have_two_digests_for(raw):
    assert digest(raw) != digest(COPY)


def test_digests_are_those_that_databases_hold():
    """A digest made in another way would log every message anew."""
    headers = read(COPY).headers
    assert [identity(headers, "x"), identity(replace(headers, sent_at=None), "x")] == [
        "fa6aa9bdb962e2cb41ddfe44c518f61a945877c9a798ef5649ee6edd48d44408",
        "d5e3d62832c37b5cf94642808c0dcfdd30c59da56427dff980459ba90fc2858b",
    ]
    nameless = replace(headers, message_id="")
    assert (
        identity(nameless, " Hello\r\n you ")
        == "58ccf882e8eb70ef7ea121dbb75396a7e1a8f899cbbcc373fc0e9259a7bec576"
    )
    assert (
        identity(replace(headers, message_id="\udcff"), "")
        == "661ea20c7285695a1bfc96ab6032fb207b68dd0b8378481fd76f4017dad00e92"
    )


NAMELESS = COPY.replace("Message-ID: <a@c.test>\n", "")


def test_a_message_without_an_id_is_known_by_date_sender_and_text():
    assert digest(NAMELESS.replace("Hello", " Hello \n\n")) == digest(NAMELESS)
    for old, new in (("Hello", "Goodbye"), ("cleo@", "eve@"), ("10:00", "11:00")):
        assert digest(NAMELESS.replace(old, new)) != digest(NAMELESS)


def test_an_id_that_gmail_made_up_for_one_copy_is_none():
    made = [
        NAMELESS.replace("From:", f"Message-ID: <{number}.SMTPIN_ADDED_MISSING@mx.google.com>\nFrom:")
        for number in (1, 2)
    ]  # fmt: skip
    assert digest(made[0]) == digest(made[1]) == digest(NAMELESS)
    assert [has_own_id(read(raw).headers) for raw in (made[0], NAMELESS, COPY)] == [
        False,
        False,
        True,
    ]


def test_a_text_cannot_pass_for_an_id():
    named = read(COPY).headers
    assert identity(replace(named, message_id=""), named.message_id) != identity(named, "")


def test_who_only_borrows_an_id_sends_another_message():
    sent_at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    logged = {"sender": "cleo@globex.test", "sent_at": sent_at}
    headers = read(COPY).headers
    later = replace(headers, sent_at=sent_at + timedelta(seconds=1))

    assert same_message(headers, **logged)
    assert same_message(later, **logged)
    assert same_message(replace(headers, sender=Address("list@acme.test")), **logged)
    assert not same_message(replace(later, sender=Address("eve@globex.test")), **logged)
    assert not same_message(
        replace(headers, sender=Address("eve@globex.test"), sent_at=None), **logged
    )
