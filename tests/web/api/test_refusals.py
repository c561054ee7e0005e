"""What the API says to a request that it does not take."""

import pytest

JSON = "application/json"
UNREADABLE = [
    pytest.param(b"name=Maria", "text/plain", 415, id="a body that says it is no JSON"),
    pytest.param(b"emails=a%40b.test", "application/x-www-form-urlencoded", 415, id="a form"),
    pytest.param(b"{", JSON, 400, id="half a body"),
    pytest.param(b"[" * 100_000, JSON, 400, id="a body nested too deeply"),
    pytest.param(b"[1]", JSON, 422, id="a body that is no object"),
    pytest.param(b"null", JSON, 422, id="a body that is nothing"),
]
WRONG = [
    pytest.param({}, ["emails"], id="a field missing"),
    pytest.param({"emails": ["a@b.test"], "x": 1}, ["x"], id="a field that nobody knows"),
    pytest.param(
        {"emails": ["a@b.test"], "company_id": 10**30}, ["company_id"], id="an id beyond all ids"
    ),
]


@pytest.mark.parametrize(("body", "kind", "status"), UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused(program, body, kind, status):
    problem = program.ask("POST", "/contacts", status, data=body, content_type=kind)

    assert problem["status"] == status
    assert problem["detail"]


@pytest.mark.parametrize(("body", "fields"), WRONG)
def test_what_is_wrong_is_told_by_the_name_of_the_field(program, body, fields):
    assert list(program.post("/contacts", 422, **body)["errors"]) == fields


def test_a_method_that_a_path_does_not_know_is_told_those_it_knows(program):
    answer = program.http.put("/api/v1/contacts", headers=program.head)

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_too_many_wrong_keys_of_one_caller_are_refused_and_right_ones_are_not(app, program):
    def tried() -> int:
        wrong = {"Authorization": "Bearer rl_wrong"}
        return app.test_client().get("/api/v1/contacts", headers=wrong).status_code

    assert {program.raw("/contacts").status_code for _ in range(50)} == {200}
    assert [tried() for _ in range(41)] == [401] * 40 + [429]
    program.get("/contacts")

    refused = app.test_client().get("/api/v1/contacts", headers={"Authorization": "Bearer rl_x"})
    assert refused.content_type == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
