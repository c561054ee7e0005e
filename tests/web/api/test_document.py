"""The API as a whole: its document, and paths that lead nowhere."""

import re

from web.app import ROUTES

LISTS = ("/contacts", "/mailboxes", "/never-log")


def test_the_document_names_every_path(app):
    document = app.test_client().get("/api/v1/openapi.json").get_json()

    assert document["openapi"] == "3.1.0"
    served = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(rule))
        for rule in app.url_map.iter_rules()
        if str(rule).startswith("/api/v1/") and not str(rule).endswith("openapi.json")
    }
    assert set(document["paths"]) == served
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_a_path_that_leads_nowhere_is_a_problem_document(program, app):
    answer = app.test_client().get("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert program.ask("PUT", "/contacts", 405)["status"] == 405


def test_every_list_has_items_and_next(program):
    for path in LISTS:
        assert set(program.get(path)) == {"items", "next"}


def test_pages_and_api_share_no_path():
    assert not [path for path, *_ in ROUTES if path.startswith("/api")]
