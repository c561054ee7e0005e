"""Parts of the pretend Graph by themselves: mail of any shape, and how slow endpoints are judged."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.microsoft import mime, odata, view
from sandbox.microsoft.app import blueprint
from sandbox.microsoft.notifier import WINDOW, _Host
from sandbox.microsoft.people import Mailbox, new_backend
from sandbox.microsoft.wire import GraphError, read_time
from sandbox.world import World
from tests.sandbox.graph_kit import check

HEADERS = st.sampled_from(
    [b"From: a@b.test", b"To: =?utf-8?q?=C3?= <x@y>", b"Content-Type: multipart/mixed", b"Date: no",
     b"Content-Type: text/html; charset=none", b"Subject: =?x?b?!?=", b"Content-Type: message/rfc822",
     b"Content-Type: text/calendar; method=REQUEST", b"From: undisclosed:;", b"Message-ID: <a b>"]
)  # fmt: skip


def new_mailbox() -> Mailbox:
    world = World()
    blueprint(world)
    box = new_backend(world, "ben@acme365.test", "Ben")
    world.add(box.address, box.name, "microsoft", box)
    return box


@settings(max_examples=150, deadline=None)
@given(st.lists(HEADERS, max_size=5), st.binary(max_size=80))
def test_any_bytes_are_a_message(headers: list[bytes], body: bytes) -> None:
    box = new_mailbox()
    box.receive(b"\r\n".join([*headers, b"", body]))
    message = next(iter(box.store.messages.values()))
    look = view.Wanted(list(view.NAMES.values()), odata.expand("attachments"))
    shown = view.show(box.store, message, look)
    json.dumps(shown)
    check("GET", "/me/messages/x", 200, shown)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_filter_is_understood_or_refused(text: str) -> None:
    box = new_mailbox()
    box.receive(b"From: a@b.test\r\nSubject: x\r\n\r\nbody")
    message = next(iter(box.store.messages.values()))
    with suppress(GraphError):
        odata.read_filter(text).test(view.facts(box.store, message))


def test_times_with_seven_digits_and_zones_are_read() -> None:
    plain = read_time("2026-03-02T09:00:00Z")
    assert read_time("2026-03-02T10:00:00.0000000+01:00") == plain
    assert read_time("2026-03-02T09:00:00") == plain


def test_new_text_ends_where_the_quotation_begins() -> None:
    text = "Yes.\n\nOn Mon, 2 Mar 2026 at 09:00, Ben <ben@acme365.test> wrote:\n> Shall we?"
    assert mime.unique_text(text) == "Yes."


def test_a_host_is_slow_above_a_tenth_and_dropped_above_three_twentieths() -> None:
    slow, dead, good = _Host(), _Host(), _Host()
    for second in range(20):
        slow.note(second, 4.0 if second % 6 == 0 else 0.1, WINDOW)
        dead.note(second, 10.0 if second % 4 == 0 else 0.1, WINDOW)
        good.note(second, 4.0 if second == 0 else 0.1, WINDOW)
    assert slow.slow_until > 0 == slow.drop_until
    assert dead.drop_until > 19
    assert good.slow_until <= 9 + WINDOW
    assert good.drop_until == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('<a onclick="x()">a</a>', "<a>a</a>"),
        ("<p>x</p><script>alert(1)</script>", "<p>x</p>"),
        ("<iframe src=x></iframe>y", "y"),
    ],
)
def test_unsafe_html_is_taken_out(text: str, kept: str) -> None:
    assert mime.safe_html(text) == kept
