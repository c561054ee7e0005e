"""What happened to a mailbox, as its owner and an admin read it."""

from datetime import timedelta

import pytest

from crm.history import What, sentence
from crm.store import history
from tests.web import story


@pytest.fixture
def told(company):
    return story.tell(company)


@pytest.fixture
def note(company):
    def write(what, address="ana@acme.test", ago=timedelta(), **facts):
        box = company.boxes[address]
        with company.database.begin() as conn:
            history.note(conn, company.account, box.id, what, company.now - ago, **facts)

    return write


def test_what_happened_stands_there_in_plain_sentences_newest_first(ana, told, note):
    note(What.CURSOR_EXPIRED, ago=timedelta(hours=3), since="2026-03-01T08:00:00+00:00")
    note(What.CURSOR_REPAIRED, ago=timedelta(hours=2), since="2026-03-01T08:00:00+00:00", found=3)
    text = ana.get("/mailboxes/1/history").text
    assert "What came since 2026-03-01 08:00 UTC is listed." in text
    assert text.index("3 messages") < text.index("no longer knew")
    assert "2 h ago" in text


def test_an_empty_history_says_that_all_is_well(ana, company):
    company.connect("ana@acme.test")
    with company.database.begin() as conn:
        history.forget(conn, company.now + timedelta(days=1))
    assert "Nothing has happened yet" in ana.get("/mailboxes/1/history").text


def test_a_history_is_for_the_owner_and_for_admins(ana, ben, company, told):
    assert (
        "ben@acme.test" in ana.get(f"/mailboxes/{company.boxes['ben@acme.test'].id}/history").text
    )
    for path in ("history", "history/lines"):
        assert ben.get(f"/mailboxes/1/{path}").status_code == 403
        assert ana.get(f"/mailboxes/999/{path}").status_code == 404


def test_a_long_history_goes_on_on_another_page(ana, told, note):
    for hours in range(60):
        note(What.CONNECTED, ago=timedelta(hours=hours))
    first = ana.get("/mailboxes/1/history").text
    older = first.partition("/mailboxes/1/history?after=")[2].partition('"')[0]
    assert first.count("<li>") == 50
    second = ana.get(f"/mailboxes/1/history?after={older}").text
    assert second.count("<li>") >= 10
    assert "data-follows" not in second
    assert ana.get("/mailboxes/1/history?after=nonsense").status_code == 404


def test_a_waiting_history_shows_what_happens_next(ana, told, note):
    shown = ana.get("/mailboxes/1/history").text.partition("lines?v=")[2].partition('"')[0]
    assert ana.get(f"/mailboxes/1/history/lines?v={shown}").status_code == 204
    note(What.DISCONNECTED)
    assert "was disconnected" in ana.get(f"/mailboxes/1/history/lines?v={shown}").text


def test_a_happening_that_a_newer_version_wrote_is_shown_all_the_same():
    assert sentence("sun-spots", {}) == "Sun spots."
