"""What a search looks for and through: words, capitals, accents, excerpts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm import words
from crm.text import clean


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Offer  12", ("offer", "12")),
        ("ÉTÉ Straße", ("ete", "strasse")),
        ("re\u00adply", ("reply",)),  # a soft hyphen
        ("a a A", ("a",)),
        ("% _ \\", ("%", "_", "\\")),
        ("a\0b \ud800", ("ab",)),
        ("", ()),
        ("   ", ()),
    ],
)
def test_words_are_compared_without_capitals_and_accents(query, found):
    assert words.wanted(query) == found


def test_a_search_has_a_few_words_none_too_long():
    assert len(words.wanted(" ".join(str(n) for n in range(50)))) == words.MOST_WORDS
    assert words.wanted("x" * 10_000) == ("x" * words.LONGEST_WORD,)


def show(pieces):
    return "".join(f"[{each.text}]" if each.found else each.text for each in pieces)


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("The Offer of offers", "offer", "The [Offer] of [offer]s"),
        ("Grüße aus Köln", "grusse koln", "[Grüße] aus [Köln]"),
        ("ﬁne", "fi", "[ﬁ]ne"),
        ("<b>", "b", "<[b]>"),
        ("nothing", "x", "nothing"),
        ("nothing", "", "nothing"),
        ("aab", "a aa", "[aa]b"),
    ],
)
def test_what_was_found_is_marked_as_it_was_written(text, query, shown):
    assert show(words.marked(text, words.wanted(query))) == shown


def test_an_excerpt_is_around_the_first_word_found():
    text = "begin " * 100 + "the needle here " + "end " * 100
    shown = show(words.excerpt(text, words.wanted("needle")))
    assert "the [needle] here" in shown
    assert shown.startswith("… begin")
    assert shown.endswith(" …")
    assert len(shown) < 4 * words.AROUND
    assert show(words.excerpt("short", ("x",))) == "short"


@given(st.text(max_size=200), st.text(max_size=20))
def test_no_character_is_lost_between_pieces(text, query):
    assert "".join(each.text for each in words.marked(text, words.wanted(query))) == text


@given(st.text(max_size=100), st.integers(0, 99), st.integers(1, 10))
def test_every_part_of_a_text_is_found_in_it(text, start, length):
    text = clean(text)
    part = text[start : start + length]
    assert all(each in words.searchable(["subject", text]) for each in words.wanted(part))


@pytest.mark.parametrize("text", ["\ufdfa" * 50_000, "a\u0301" * 50_000, "é " * 50_000])
@pytest.mark.timeout(60)  # less than a second, but where the time grows with the square
def test_hostile_text_takes_bounded_room_and_time(text):
    assert len(words.searchable([text, text])) <= words.LONGEST
    words.excerpt(text, ("zz", "e"))
