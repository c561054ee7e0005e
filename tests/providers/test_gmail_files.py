"""Files out of Gmail's JSON as it comes."""

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.model import Ref
from providers.client import CHUNK, Gone, Retry
from providers.gmail.files import _ON_THE_WIRE, unwrapped
from tests.providers import mail
from tests.providers.gmail_rig import GmailRig, settings_for

WRITTEN = ['{"data":"%s"}', '{\n "data": "%s"\n}\n', ' {"raw" : "%s" } ']


def text_of(content: bytes, padding: str) -> str:
    plain = base64.urlsafe_b64encode(content).decode()
    return plain.rstrip("=") + padding * plain.count("=")


def cut(whole: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(min(each, len(whole)) for each in at)})
    return [whole[start:end] for start, end in pairwise(places)]


@given(
    st.binary(max_size=400),
    st.sampled_from(WRITTEN),
    st.sampled_from(["=", "", r"\u003d", r"\u003D"]),
    st.lists(st.integers(0, 700)),
)
def test_the_bytes_do_not_depend_on_how_the_answer_is_written_or_cut(content, shape, padding, at):
    whole = (shape % text_of(content, padding)).encode()
    assert b"".join(unwrapped(cut(whole, at))) == content


@given(st.binary(min_size=1, max_size=100), st.integers(1, 3))
def test_an_answer_that_ends_too_soon_is_never_taken_for_a_file(content, missing):
    whole = b'{"data":"' + text_of(content, "=").encode() + b'"}'
    with pytest.raises(ValueError):
        list(unwrapped([whole[:-missing]]))


@pytest.mark.parametrize("empty", [b"{}", b" {\n}\n", b'{"data":""}'])
def test_an_empty_file_is_empty(empty):
    assert b"".join(unwrapped([empty])) == b""


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b'{"size":3}', b'{"data":"Zm9v","x":1}', b'{"data":"Zm9v*"}']
)
def test_what_is_no_such_answer_is_refused(answer):
    with pytest.raises(ValueError):
        list(unwrapped([answer]))


def test_pieces_are_no_longer_than_promised():
    whole = b'{"data":"' + b"A" * (3 * _ON_THE_WIRE) + b'"}'
    chunks = [whole[at : at + _ON_THE_WIRE] for at in range(0, len(whole), _ON_THE_WIRE)]
    assert max(len(piece) for piece in unwrapped(chunks)) <= CHUNK


@pytest.fixture
def rig(sandbox):
    made = GmailRig(sandbox, settings_for(sandbox))
    yield made
    made.close()


def test_an_attached_message_that_gmail_gives_no_id_for_is_read_out_of_the_raw_one(rig):
    raw = mail.FORWARDED.replace(b'; filename="offer.eml"', b"")
    ref = Ref(rig.deliver(raw))
    (file,) = rig.client.message(ref).attachments
    assert b"".join(rig.client.attachment(ref, file.part)).strip().endswith(b"Inside.")


def looks(rig, client, ref, files):
    """How often the message itself is asked for while its files are read."""
    before = rig.sandbox.get("/control/counts")["gmail.messages.get"]
    assert all(b"".join(client.attachment(ref, each.part)) for each in files)
    return rig.sandbox.get("/control/counts")["gmail.messages.get"] - before


def test_files_cost_one_look_for_their_ids_or_none_where_the_message_was_just_read(rig):
    ref = Ref(rig.deliver(mail.FILES))
    files = rig.client.message(ref).attachments
    assert looks(rig, rig.client, ref, files) == 0
    other = rig.open()
    assert looks(rig, other, ref, files) == 1
    other.close()


def test_a_refused_token_is_renewed_once_while_reading_a_file(rig):
    ref = Ref(rig.deliver(mail.FILES))
    part = rig.client.message(ref).attachments[0].part
    b"".join(rig.client.attachment(ref, part))
    rig.sandbox.post("/control/expire-tokens", address=rig.address)
    assert b"".join(rig.client.attachment(ref, part))


def test_a_file_that_breaks_off_is_asked_for_later(rig):
    ref = Ref(rig.deliver(mail.large()))
    part = rig.client.message(ref).attachments[0].part
    with pytest.raises(Gone):
        b"".join(rig.client.attachment(ref, "7"))
    rig.fault(kind="truncate", times=1)
    with pytest.raises(Retry):
        b"".join(rig.client.attachment(ref, part))
