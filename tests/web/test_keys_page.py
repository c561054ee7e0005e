"""Settings → API keys, without a browser."""

import re

import pytest

PAGE = "/settings/keys"


def key_in(page: str) -> str:
    (found,) = set(re.findall(r"rl_[\w-]{40,}", page))
    return found


def test_a_key_is_shown_once_and_works(ana, app):
    assert "No program uses the REST API yet" in ana.get(PAGE).text

    made = ana.post(PAGE, {"name": " our  CRM ", "scopes": "read"}).text

    key = key_in(made)
    head = {"Authorization": f"Bearer {key}"}
    assert app.test_client().get("/api/v1/contacts", headers=head).status_code == 200
    assert app.test_client().get("/api/v1/settings", headers=head).status_code == 403
    again = ana.get(PAGE).text
    assert "our CRM" in again
    assert key not in again

    assert ana.post(f"{PAGE}/remove", {"name": "our CRM"}).status_code == 302
    assert app.test_client().get("/api/v1/contacts", headers=head).status_code == 401


WRONG = [
    pytest.param({"name": " ", "scopes": "read"}, "needs a name", id="no name"),
    pytest.param({"name": "a", "scopes": ""}, "at least one", id="nothing that it may do"),
    pytest.param({"name": "a", "scopes": "restricted"}, "at least one", id="e-mails of others"),
]


@pytest.mark.parametrize(("form", "words"), WRONG)
def test_what_is_wrong_is_said_and_no_key_is_made(ana, form, words):
    answer = ana.post(PAGE, form)

    assert answer.status_code == 422
    assert words in answer.text
    assert "rl_" not in answer.text


def test_a_name_is_used_once(ana):
    ana.post(PAGE, {"name": "our CRM", "scopes": "read"})

    assert "already" in ana.post(PAGE, {"name": "our CRM", "scopes": "read"}).text


def test_only_admins_make_keys(ben):
    assert ben.get(PAGE).status_code == 403
    assert ben.post(PAGE, {"name": "mine", "scopes": "read"}).status_code == 403
    assert ben.post(f"{PAGE}/remove", {"name": "x"}).status_code == 403
