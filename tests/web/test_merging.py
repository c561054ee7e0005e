"""Putting contacts right on the pages."""

import pytest

from tests.web import story


@pytest.fixture
def told(company):
    return story.tell(company)


def test_the_other_contact_is_looked_for_and_shown_with_what_moves(ana, told):
    start = f"/contacts/{told['maria']}/merge"
    assert "Look for the other one" in ana.get(start).text
    found = ana.get(f"{start}?q=smith").text
    assert f'href="{start}?other={told["joe"]}"' in found
    assert "Nobody else is called" in ana.get(f"{start}?q=maria").text
    text = ana.get(f"{start}?other={told['joe']}").text
    assert "Merge Joe Smith into Maria Rossi?" in text
    assert "the address joe@initech.test" in text


def test_a_merged_contact_s_page_leads_to_the_other(ana, told):
    done = ana.post(f"/contacts/{told['maria']}/merge", {"other": str(told["joe"])})
    assert done.location == f"/contacts/{told['maria']}"
    assert "joe@initech.test" in ana.get(done.location).text
    assert ana.get(f"/contacts/{told['joe']}").location == done.location
    again = ana.post(f"/contacts/{told['maria']}/merge", {"other": str(told["joe"])})
    assert again.location == done.location


@pytest.mark.parametrize("other", ["0", "99999", "x", ""])
def test_only_another_contact_can_be_merged(ana, told, other):
    path = f"/contacts/{told['maria']}/merge"
    assert ana.post(path, {"other": other}).status_code == 404
    assert ana.get(f"{path}?other={told['maria']}").status_code == 404


def test_an_address_is_taken_away(ana, told):
    page = f"/contacts/{told['joe']}"
    assert "Remove an address" not in ana.get(page).text, "it has but one"
    ana.post(f"{page}/addresses", {"address": "joe@home.test"})
    assert "Remove an address" in ana.get(page).text
    ana.post(f"{page}/addresses/remove", {"address": "joe@home.test"})
    text = ana.get(page).text
    assert "joe@home.test was removed" in text
    assert "<li>joe@home.test</li>" not in text
