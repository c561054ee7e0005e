"""The base subject (rule `subject-changed`)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.subjects import base_subject

MARKS = [
    "Re:",
    "RE: ",
    "re :",
    "Re[2]: ",
    "Re(3): ",
    "Re^2: ",
    "AW: ",
    "SV: ",
    "VS: ",
    "Antw: ",
    "Odp: ",
    "R: ",
    "RIF: ",
    "TR: ",
    "ENC: ",
    "RES: ",
    "YNT: ",
    "Atb.: ",
    "回复：",
    "答复: ",
    "转发:",
    "FW: ",
    "Fwd: ",
    "WG: ",
    "VB: ",
    "Doorst: ",
    "PD: ",
    "I: ",
    "RV: ",
    "İLT: ",
    "Trả lời: ",
    "ΑΠ: ",
    "[EXT] ",
    "[list] Re: ",
    "Re: [list] AW:",
    "=?utf-8?Q?Re:_?= ",
    "ＲＥ：",
]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_taken_off(mark):
    assert base_subject(f"{mark}Offer  for you") == "offer for you"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Re-organisation", "re-organisation"),
        ("Refund: 20 EUR", "refund: 20 eur"),
        ("Research: report", "research: report"),
        ("Re Offer", "re offer"),
        ("I think so", "i think so"),
        ("R", "r"),
        ("Offer: Re: you", "offer: re: you"),
        ("[list]", "[list]"),
        ("[a] [b]", "[b]"),
        ("Offer (fwd)", "offer"),
        ("[Fwd: Re: Offer]", "offer"),
        ("Re: ", ""),
        ("", ""),
        ("=?utf-8?B?UmU6IEjDvHR0ZQ==?=", "hütte"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Offer\r\n\tfor you", "offer for you"),
    ],
)
def test_what_is_no_mark_stays(subject, expected):
    assert base_subject(subject) == expected


@given(
    st.text()
    | st.lists(st.sampled_from([*MARKS, "(fwd)", "[Fwd:", "]", "[", " ", "x"])).map("".join)
)
def test_the_base_of_a_base_is_itself(subject):
    once = base_subject(subject)
    assert base_subject(once) == once


@given(st.text())
def test_an_answer_has_the_subject_of_what_it_answers(subject):
    assert base_subject(f"Re: {subject}") == base_subject(subject)


@pytest.mark.parametrize(
    "subject",
    ["Re: " * 25_000, "[a] " * 25_000, "(fwd)" * 20_000, "[fwd:" * 20_000 + "]" * 20_000,
     "[" * 100_000, "re[2] " * 20_000, "=?utf-8?q?" * 10_000, "x (fwd)" * 15_000],
    ids=lambda subject: subject[:8],
)  # fmt: skip
def test_a_long_subject_takes_no_long_time(subject):
    start = time.thread_time()
    base_subject(subject)
    assert time.thread_time() - start < 2
