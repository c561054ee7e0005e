"""Searching and narrowing on the pages, without a browser."""

import pytest

from crm.store import search
from tests.web import story


@pytest.fixture
def told(company):
    return story.tell(company)


def test_a_timeline_is_searched_in_place(ana, told):
    page = ana.get(f"/contacts/{told['maria']}?q=SEATS+offer").text
    assert "Found in this timeline" in page
    assert "<mark>offer</mark>" in page
    assert f'href="/emails/{told["answer"]}"' in page
    assert f'href="/emails/{told["fine"]}"' not in page
    assert "data-follows" not in page
    nothing = ana.get(f"/contacts/{told['maria']}?q=xyzzy").text
    assert "No e-mail of this timeline fits." in nothing
    assert f'href="/contacts/{told["maria"]}"' in nothing


def test_all_e_mails_are_searched_and_say_whose_timelines_they_stand_on(ana, told):
    page = ana.get("/search?q=visit").text
    assert "On the timeline of Maria Rossi, Joe Smith" in page
    assert "Re: <mark>Visit</mark> in May" in page
    assert "No e-mail fits" in ana.get("/search?q=visit&direction=forwarded").text
    assert "What are you looking for?" in ana.get("/search").text
    assert 'href="/search?q=nobody"' in ana.get("/contacts?q=nobody").text


def test_a_timeline_is_narrowed_by_direction_and_kind(ana, told):
    path = f"/contacts/{told['maria']}"
    sent = ana.get(f"{path}?direction=outgoing").text
    assert "Re: Contract</h3>" in sent
    assert "Shall I bring the samples" not in sent
    away = ana.get(f"{path}?kind=auto-reply").text
    assert "I am away until Monday." in away
    assert "Re: Contract</h3>" not in away
    assert "No such e-mail is here" in ana.get(f"{path}?direction=forwarded").text
    ask = away.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
    assert "kind=auto-reply" in ask
    assert ana.get(ask).status_code == 204


def test_further_back_is_one_click_away(ana, told, monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 2)
    page = ana.get("/search?q=support").text
    assert "Look further back" in page
    assert "Looked through the e-mails back to" in page
    on = page.partition('class="plain-button" href="/search?q=support')[2].partition('"')[0]
    on = on.replace("&amp;", "&")
    assert "<mark>" in ana.get(f"/search?q=support{on}").text + ana.get("/search?q=seats").text


ODD = ("%00", "%ED%A0%80", "%25", "'", "%3Cscript%3Ealert(1)%3C/script%3E", "a" * 5000, "é" * 900)


def test_odd_words_break_no_search(ana, told):
    for path in ("/search", f"/contacts/{told['maria']}"):
        for text in ODD:
            answer = ana.get(f"{path}?q={text}&direction=%00&kind=x")
            assert answer.status_code == 200, (path, text)
            assert "<script>alert" not in answer.text
        assert ana.get(f"{path}?q=x&after=%00").status_code == 404
