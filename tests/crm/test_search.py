"""Searching logged e-mails: what fits, for whom, and in bounded steps."""

from dataclasses import replace

import pytest

from crm import words
from crm.model import Address, Kind, Place
from crm.store import paging, search
from crm.store.search import Asked
from crm.store.timeline import On, Only
from tests.crm.store_world import ZOE, World


def written(logged, text):
    return replace(logged, message=replace(logged.message, text=text, html=""))


@pytest.fixture
def ids(world: World) -> dict[str, int]:
    """E-mails by what is special about them, the oldest first."""
    box = world.mailbox()
    pia = Address("pia@umbrella.test", "Pia Müller")
    outcomes = {
        "offer": written(world.sent(1, subject="Offer 12"), "40 seats, 10% off"),
        "pia": written(world.sent(2, [pia], subject="Lunch"), "At noon? offer_a"),
        "away": replace(
            written(world.sent(3, subject="Away"), "Gone until Monday"), kind=Kind.AUTO_REPLY
        ),
        "answer": written(world.reply(4, None, subject="Re: Offer 12"), "Dreißig seats, please"),
    }
    return {name: world.settle(box, each).email_ids[0] for name, each in outcomes.items()}


def found(world, text, **more):
    with world.database.read() as conn:
        result = search.emails(conn, world.everything, Asked(words.wanted(text), **more))
    return [each.id for each in result.page.items]


FITS = {
    "offer": ["answer", "pia", "offer"],
    "OFFER 12": ["answer", "offer"],
    "seats offer": ["answer", "offer"],
    "muller": ["pia"],
    "umbrella.test": ["pia"],
    "dreissig": ["answer"],
    "0%": ["offer"],
    "r_a": ["pia"],
    "%%": [],
    "' OR 1=1 --": [],
    "nothing like it": [],
    "": [],
}


def test_all_words_occur_in_people_subject_or_text(world, ids):
    names = {email_id: name for name, email_id in ids.items()}
    assert {text: [names[each] for each in found(world, text)] for text in FITS} == FITS


def test_a_search_is_narrowed_by_contact_direction_and_kind(world, ids):
    zoe = (On.CONTACT, world.contact_id(ZOE))
    assert found(world, "offer", timeline=zoe) == [ids["answer"], ids["offer"]]
    assert found(world, "offer", only=Only(direction="incoming")) == [ids["answer"]]
    assert found(world, "monday", only=Only(kind="auto-reply")) == [ids["away"]]
    assert found(world, "monday", only=Only(kind="reply")) == []


def test_what_is_found_says_where_and_how(world, ids):
    with world.database.read() as conn:
        result = search.emails(conn, world.everything, Asked(("muller", "noon")))
        narrow = search.emails(conn, world.everything, Asked(("seats",)))
    (pia,) = result.page.items
    assert [name for _, name in pia.contacts] == ["Pia Müller"]
    assert [each.text for each in pia.excerpt if each.found] == ["noon"]
    assert (pia.direction, pia.kind, pia.visibility) == ("outgoing", "reply", "everyone")
    assert result.back_to is None
    assert ["seats" in repr(each.excerpt) for each in narrow.page.items] == [True, True]


def test_an_answer_looks_through_so_many_and_the_next_goes_on_there(world, ids, monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 2)
    after, steps = "", []
    with world.database.read() as conn:
        while True:
            result = search.emails(conn, world.everything, Asked(("offer", "12")), after)
            steps.append([each.id for each in result.page.items])
            after = result.page.next
            if not after:
                break
            assert result.back_to is not None
    assert steps == [[ids["answer"]], [ids["offer"]], []]


def test_a_page_holds_so_many_and_the_next_goes_on_there(world, ids):
    after, seen = "", []
    with world.database.read() as conn:
        for _ in range(3):
            result = search.emails(conn, world.everything, Asked(("offer",)), after, limit=1)
            seen += [each.id for each in result.page.items]
            after = result.page.next
        assert (seen, after) == ([ids["answer"], ids["pia"], ids["offer"]], "")
        with pytest.raises(paging.WrongCursor):
            search.emails(conn, world.everything, Asked(("offer",)), "nonsense")


def test_only_the_beginning_of_a_long_text_is_searched(world):
    box = world.mailbox()
    long = "early " + "x" * words.LONGEST + " late"
    world.settle(box, written(world.sent(1), long))
    assert len(found(world, "early")) == 1
    assert found(world, "late") == []


def test_whoever_gets_a_copy_is_found_too(world):
    box = world.mailbox()
    sent = world.sent(1)
    cc = (Address("carl@third.test", "Carl"),)
    message = replace(sent.message, headers=replace(sent.message.headers, cc=cc, place=Place.SENT))
    world.settle(box, replace(sent, message=message))
    assert len(found(world, "carl third.test")) == 1
