"""Who may use the API, and how it refuses."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from crm.model import Scope
from crm.store import api_keys
from crm.tables import Account
from tests.web.api.conftest import Program

WRITES = [("POST", "/contacts"), ("PATCH", "/contacts/1"), ("DELETE", "/contacts/1")]


def test_a_call_without_a_key_is_refused(app):
    problem = Program(app, "").get("/contacts", 401)

    assert problem["status"] == 401
    assert "Bearer" in problem["detail"]


def test_a_wrong_key_is_refused(app, company):
    Program(app, "rl_wrong").get("/contacts", 401)


def test_a_refusal_is_a_problem_document(app):
    answer = app.test_client().get("/api/v1/contacts")

    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_of_a_person_opens_nothing(app, company, client):
    client.sign_in()

    assert client.get("/api/v1/contacts").status_code == 401


def test_a_key_that_was_removed_opens_nothing(company, program):
    program.get("/contacts")
    with company.database.begin() as conn:
        assert api_keys.remove_key(conn, company.account, "usual")

    program.get("/contacts", 401)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_key_to_read_writes_nothing(make_program, method, path):
    problem = make_program(Scope.READ).ask(method, path, 403)

    assert problem["scope"] == "write"


def test_a_key_to_write_does_not_read(make_program):
    make_program(Scope.WRITE).get("/contacts", 403)


def test_the_key_itself_is_not_kept(company, make_program):
    key = make_program().head["Authorization"].removeprefix("Bearer ")

    with company.database.read() as conn:
        rows = conn.exec_driver_sql("SELECT * FROM api_key").all()
    assert key not in repr(rows)


def test_the_time_of_use_is_written_down_now_and_then(company, program):
    def used():
        with company.database.read() as conn:
            return api_keys.keys(conn, company.account)[0].last_used_at

    assert used() is None
    program.get("/contacts")
    assert used() == company.now
    with company.database.begin() as conn:
        api_keys.note_use(conn, company.account, 1, company.now - timedelta(minutes=2))
    program.get("/contacts")
    assert used() == company.now - timedelta(minutes=2)


def test_a_key_of_another_account_sees_nothing_of_this_one(app, company, database, secrets, now):
    company.contact("Maria", "maria@globex.test")
    values = {"name": "other", "digest_key": secrets.encrypt(b"k" * 32), "created_at": now}
    with database.begin() as conn:
        other = conn.execute(insert(Account).values(values).returning(Account.id)).scalar_one()
        key = api_keys.add_key(conn, other, "theirs", set(Scope), now)

    assert Program(app, key).get("/contacts") == {"items": [], "next": None}


def test_names_of_keys_are_used_once(company, make_program):
    make_program()
    with company.database.begin() as conn, pytest.raises(api_keys.NameTaken):
        api_keys.add_key(conn, company.account, "usual", set(), company.now)
