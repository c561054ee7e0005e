"""Never Log entries out of what people paste."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.addresses import listed, never_log_entry
from crm.model import NeverLog
from crm.never_log_input import MOST, NotAnEntry, read_entries, read_entry


@pytest.mark.parametrize(
    ("text", "entry"),
    [("Bob@X.test", "bob@x.test"), (" x.test. ", "x.test"), ("*@X.test", "*@x.test"), ("@x.test", "x.test"),
     ("*.x.test", "*.x.test"), ("bücher.test", "xn--bcher-kva.test"), ("a@bücher.test", "a@xn--bcher-kva.test"),
     ("mailto:bob@x.test", "bob@x.test"), ("a+b@x.test", "a+b@x.test")],
)  # fmt: skip
def test_an_entry_is_read_in_the_form_it_is_stored_in(text, entry):
    assert read_entry(text) == entry


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "neither an address nor a domain"), ("x", "a domain has a dot"), ("*", "all of a domain"),
     ("*@", "neither"), ("*.com", "a domain has a dot"), ("b*b@x.test", "all of a domain"),
     ("a b@c.test", "not an e-mail address"), ("http://x.test", "web address"), ("a@b", "not a domain"),
     ("x.test/a", "neither"), ("-.test", "neither"), ("a@b@c", "not an e-mail address"),
     ("x" * 300 + ".test", "neither"), ("\ud800.test", "neither"), ("1.2.3.4", "neither")],
)  # fmt: skip
def test_what_is_no_entry_says_why(text, why):
    with pytest.raises(NotAnEntry, match=why):
        read_entry(text)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a@x.test, b@x.test; c.test\td.test\n e.test \r\n\r\n", "a@x.test b@x.test c.test d.test e.test"),
        ("Bob <bob@x.test>, \"Doe, Jane\" <jane@x.test>", "bob@x.test jane@x.test"),
        ("Doe, Jane <jane@x.test>; f.test", "jane@x.test f.test"),
        ("a@x.test, Acme.com <sales@acme.test>", "a@x.test sales@acme.test"),
        ("# my list\na@x.test # the bank\nc#d@x.test", "a@x.test c#d@x.test"),
        ("a@x.test b@x.test", "a@x.test b@x.test"),
        ("a@x.test A@X.test x.test *@x.test", "a@x.test x.test"),
        (" ,;\n,", ""),
    ],
)  # fmt: skip
def test_a_paste_gives_all_its_entries_once(text, entries):
    found = read_entries(text)
    assert found.entries == tuple(entries.split())
    assert found.wrong == ()


def test_what_was_not_understood_comes_back_with_the_reason():
    found = read_entries("a@x.test, call Bob\nhttp://x.test\nBob <bob at x>, two words")
    assert found.entries == ("a@x.test",)
    assert [each.text for each in found.wrong] == [
        "call Bob", "http://x.test", "bob at x", "two words",
    ]  # fmt: skip
    assert all(each.why for each in found.wrong)


def test_there_is_an_end_to_what_one_paste_may_bring():
    found = read_entries("\n".join(f"{number}@x.test" for number in range(MOST + 2)) + "\n0@x.test")
    assert len(found.entries) == MOST
    assert [each.text for each in found.wrong] == [f"{MOST}@x.test", f"{MOST + 1}@x.test"]


PIECES = st.sampled_from(["a@x.test", "x.test", "*.y.test", "Bob", "<b@y.test>", "<", ">", '"', "#", ",", ";", "\n", " ", "@", "*"])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_every_entry_that_is_read_is_one_that_the_rules_understand(text):
    for entry in read_entries(text).entries:
        compared = never_log_entry(entry)
        assert compared
        meant = compared if "@" in compared else f"a@{compared.replace('*', 'b')}"
        assert listed(meant, NeverLog(frozenset({entry})))
