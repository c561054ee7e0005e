"""The base subject (rule `subject-changed`)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.subject_marks import MARKS as SUBJECT_MARKS
from crm.subjects import base_subject
from crm.text import comparable
from tests.crm.subjects_by_language import LANGUAGES

MARKS = [
    "Re: ", "re :", "Re[2]: ", "Re(3): ", "Re (2): ", "Re^2: ", "Re*2: ", "Re2: ", "Re [list: a]: ",
    "Atb.: ", "回复：", "ＲＥ：", "Re∶ ", "Fwd: Re: AW: ", "[EXT] ", "[list] Re: ", "Re: [list] AW:",
    "【外部】", "EXTERNAL: ", "(External) ", "*EXT* ", "***External*** ", "{EXT} ", "<External Email> ",
    "=?utf-8?Q?Re:_?= ", "=?utf-8?B?UkU6IA==?= ", "\u200eRe:\u200f ", "\ufeffRe: ", "R\u00ade: ",
    "Automatic reply: Re: ", "Out of office Re: ", "Auto Re: ",
]  # fmt: skip
STAYING = {
    "Re-organisation": "re-organisation",
    "Re Offer": "re offer",
    "Re123: you": "re123: you",
    "R2: parts": "r2: parts",
    "R": "r",
    "I think so": "i think so",
    "(2) Offers": "(2) offers",
    "Refund: 20 EUR": "refund: 20 eur",
    "Offer: Re: you": "offer: re: you",
    "Out of office": "out of office",
    "Out of office until Re: you": "out of office until re: you",
    "External audit": "external audit",
    "[list]": "[list]",
    "[a] [b]": "[b]",
    "[open": "[open",
    "Offer [fwd]": "offer [fwd]",
}
CHANGED = {
    "Offer (fwd)": "offer",
    "Offer (Fwd) (FWD)": "offer",
    "[Fwd: Re: Offer]": "offer",
    "[Fwd: [Fwd: Offer] (fwd)]": "offer",
    "Re: [Fwd: Offer] (fwd)": "offer",
    "[Fwd: Offer": "[fwd: offer",
    "Re: ": "",
    "[Fwd: ]": "",
    "(fwd)": "",
    "": "",
    "=?utf-8?B?UmU6IEjDvHR0ZQ==?=": "hütte",
    "STRASSE": "strasse",
    "Straße": "strasse",
    "ﬁne o\u200bﬀer": "fine offer",
    "Offer\r\n\tfor   you ": "offer for you",
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_taken_off(mark):
    assert base_subject(f"{mark}Offer  for you") == "offer for you"


@pytest.mark.parametrize(("subject", "expected"), (STAYING | CHANGED).items())
def test_a_subject_has_this_base(subject, expected):
    assert base_subject(subject) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_marks_of_a_language_are_taken_off(language):
    marks, _ = LANGUAGES[language]

    assert {mark: base_subject(f"{mark}Offer") for mark in marks} == dict.fromkeys(marks, "offer")


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_a_language_that_only_look_like_marks_stay(language):
    _, others = LANGUAGES[language]

    assert [base_subject(other) for other in others] == [comparable(other) for other in others]


def test_the_languages_tried_are_those_that_have_marks():
    assert {*LANGUAGES, "Sieve and other servers"} == set(SUBJECT_MARKS)
    assert len(LANGUAGES) >= 40


@pytest.mark.parametrize("language", SUBJECT_MARKS)
def test_every_mark_of_the_table_counts_and_is_written_as_read(language):
    for words in SUBJECT_MARKS[language]:
        for word in filter(None, words.split(",")):
            assert word.strip()
            assert base_subject(f"{word.strip()}: Offer") == "offer"
            assert base_subject(f"{word.strip()} Offer") != "offer"


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
     "[" * 100_000, "re[2] " * 20_000, "=?utf-8?q?" * 10_000, "x (fwd)" * 15_000,
     "auto re: " * 11_000, "out of office " * 7_000, "*ext* " * 17_000, "(" * 100_000],
    ids=lambda subject: subject[:9],
)  # fmt: skip
def test_a_long_subject_takes_no_long_time(subject):
    start = time.thread_time()
    base_subject(subject)
    assert time.thread_time() - start < 60  # hangs, on the slowest machine
