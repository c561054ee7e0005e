"""Signing in and out, and what protects a session."""

import re

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from crm.store import accounts
from tests.web.company import PASSWORD
from tests.web.conftest import Client
from web import signin
from web.app import FOR_EVERYBODY, ROUTES

COSTLY = signin.passwords  # ours, whatever a fixture makes of it


def test_a_person_signs_in_and_out(company, client):
    assert client.get("/contacts").location == "/sign-in?next=/contacts"
    answer = client.sign_in(next="/mailboxes")
    assert (answer.status_code, answer.location) == (302, "/mailboxes")
    assert "Ana Lima" in client.get("/contacts").text
    assert client.post("/sign-out").location == "/sign-in"
    assert client.get("/contacts").status_code == 302


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("ana@acme.test", "wrong"),
        ("nobody@acme.test", PASSWORD),
        ("", ""),
        ("ana@acme.test", "x" * 9000),
    ],
)
def test_whichever_of_the_two_is_wrong_the_answer_is_the_same(company, client, address, password):
    answer = client.sign_in(address, password)
    assert answer.status_code == 401
    assert "do not fit together" in answer.text
    assert client.get("/contacts").status_code == 302


def test_an_unknown_address_costs_a_verification_too(company, client, monkeypatch):
    checked = []

    class Counting(PasswordHasher):
        def verify(self, hash: str, password: str) -> bool:  # type: ignore[override]
            checked.append(hash)
            return super().verify(hash, password)

    monkeypatch.setattr(signin, "passwords", Counting())
    client.sign_in("nobody@acme.test")
    client.sign_in("ana@acme.test", "wrong")
    assert len(checked) == 2


def test_a_password_is_stored_again_with_newer_parameters(company, client, database, monkeypatch):
    monkeypatch.setattr(signin, "passwords", COSTLY)
    with database.read() as conn:
        before = accounts.user_by_address(conn, "ana@acme.test")
    client.sign_in()
    with database.read() as conn:
        after = accounts.user_by_address(conn, "ana@acme.test")
    assert before is not None
    assert after is not None
    assert before.password_hash != after.password_hash
    assert PasswordHasher().verify(after.password_hash, PASSWORD)
    assert client.get("/contacts").status_code == 200


def test_a_changed_password_ends_sessions(ana, company, database):
    with database.begin() as conn:
        user = accounts.user_by_address(conn, "ana@acme.test")
        assert user is not None
        accounts.set_password(conn, user.account_id, user.id, PasswordHasher().hash("new"))
    assert ana.get("/contacts").status_code == 302


def test_a_user_without_a_password_cannot_sign_in(company, client, database, now):
    with database.begin() as conn:
        accounts.add_user(conn, company.account, accounts.NewUser("eve@acme.test"), now)
    assert client.sign_in("eve@acme.test", "").status_code == 401


def test_too_many_wrong_passwords_for_an_address_are_refused(company, client):
    answers = [client.sign_in(password="wrong").status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]
    assert client.sign_in("ben@acme.test").status_code == 302


def test_right_passwords_do_not_count(company, app):
    assert {Client(app).sign_in().status_code for _ in range(15)} == {302}


def test_too_many_wrong_tries_of_one_caller_are_refused(company, client):
    answers = [client.sign_in(f"u{n}@acme.test", "wrong").status_code for n in range(41)]
    assert answers[-1] == 429


def test_sign_in_works_while_redis_is_down(company, make_app):
    client = Client(make_app({"redis_url": "redis://127.0.0.1:1"}))
    assert client.sign_in().status_code == 302


def test_a_link_signs_in_once(company, client, web_settings, app):
    path = signin.link(web_settings, "ben@acme.test")
    assert client.get(path).location == "/"
    assert "Ben Okoro" in client.get("/contacts").text
    assert Client(app).get(path).status_code == 403


@pytest.mark.parametrize("token", ["x", "ImFuYUBhY21lLnRlc3Qi.aaaa.bbbb"])
def test_a_made_up_link_does_nothing(company, client, token):
    assert client.get(f"/sign-in/{token}").status_code == 403
    assert client.get("/contacts").status_code == 302


def test_an_old_link_does_nothing(company, client, web_settings, monkeypatch):
    path = signin.link(web_settings, "ben@acme.test")
    monkeypatch.setattr(signin, "LINK_SECONDS", -1)
    assert client.get(path).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/contacts?q=a", "/contacts?q=a"),
        ("https://evil.test", "/"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("\\\\evil.test", "/"),
        ("/\t/evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_sign_in_nobody_is_sent_elsewhere(company, client, wanted, path):
    assert signin.safe_path(wanted) == path
    assert client.sign_in(next=wanted).location == path


def test_every_page_but_a_few_asks_for_a_sign_in(company, client):
    for path, endpoint, _, methods in ROUTES:
        if endpoint in FOR_EVERYBODY:
            continue
        filled = (
            re.sub(r"<int:\w+>", "1", path)
            .replace("<provider_path>", "google")
            .replace("<whose>", "own")
        )
        answer = client.post(filled) if "POST" in methods else client.get(filled)
        assert (path, answer.status_code) == (path, 302)
        assert answer.location.startswith("/sign-in")


def test_a_waiting_page_goes_to_sign_in_when_its_session_is_over(company, client):
    answer = client.get("/mailboxes/cards", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in")


def test_a_form_without_its_token_changes_nothing(ana, company):
    for path, _, _, methods in ROUTES:
        if "POST" in methods:
            filled = re.sub(r"<int:\w+>", "1", path).replace("<whose>", "own")
            answer = ana.http.post(filled, data={"address": "x@y.test", "entry": "x@y.test"})
            assert (path, answer.status_code) == (path, 400)


def test_the_session_is_out_of_reach_of_scripts_and_other_sites(company, client):
    cookie = client.sign_in().headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_on_https_the_session_is_sent_on_https_alone(company, make_app):
    client = Client(make_app({"public_url": "https://crm.acme.test"}))
    answer = client.get("/sign-in", base_url="https://crm.acme.test")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Set-Cookie"].startswith("__Host-replylog=")
    assert "max-age" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    "path", ["/sign-in", "/contacts", "/nothing", "/healthz", "/static/app.css"]
)
def test_every_answer_has_strict_headers(ana, path):
    with ana.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_sessions_of_an_older_key_still_count(company, make_app, web_settings):
    client = Client(make_app())
    client.sign_in()
    moved = Client(
        make_app({"secret_keys": (SecretStr("1" * 43 + "="), *web_settings.secret_keys)})
    )
    cookie = client.http.get_cookie("replylog")
    assert cookie is not None
    moved.http.set_cookie("replylog", cookie.value)
    assert moved.get("/contacts").status_code == 200


def test_two_links_of_one_second_are_two(web_settings):
    assert signin.link(web_settings, "ana@acme.test") != signin.link(web_settings, "ana@acme.test")
