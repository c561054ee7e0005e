"""What somebody may send who means no good: other people's ids, odd paths, odd text, dead parts."""

import base64
import json
import re
import zlib

import pytest
from sqlalchemy import insert

from crm.store import accounts
from crm.tables import Account
from tests.web import story
from tests.web.company import HASH, PASSWORD
from tests.web.conftest import Client, both
from web import signin
from web.app import ROUTES

pytestmark = both  # databases differ in what they take

HUGE = "99999999999999999999999"
GOOGLE = {"google_client_id": "client", "google_auth_url": "https://google.test/auth"}


@pytest.fixture
def told(company):
    return story.tell(company)


@pytest.fixture
def stranger(company, told, secrets, app, now):
    """Somebody of another account of the same installation, signed in."""
    with company.database.begin() as conn:
        values = {"name": "Other", "digest_key": secrets.encrypt(b"k" * 32), "created_at": now}
        other = conn.execute(insert(Account).values(values).returning(Account.id)).scalar_one()
        accounts.add_user(conn, other, accounts.NewUser("eve@evil.test", "Eve", "admin", HASH), now)
    client = Client(app)
    assert client.sign_in("eve@evil.test").status_code == 302
    return client


def filled(path: str, id: object) -> str:
    path = re.sub(r"<int:\w+>", str(id), path)
    path = path.replace("<do>", "add-contact")
    return path.replace("<provider_path>", "google").replace("<whose>", "own")


WITH_IDS = [route for route in ROUTES if "<int:" in route[0]]


def asked(client, route, id, data=None):
    path, _, _, methods = route
    if "POST" in methods:
        return client.post(filled(path, id), data)
    return client.get(filled(path, id))


def test_nothing_of_another_account_is_shown_or_changed(stranger):
    shown = {}
    for route in WITH_IDS:
        for id in (1, 2, 3):
            answer = asked(stranger, route, id, {"address": "x@y.test"})
            if answer.status_code != 404 or "acme" in answer.text:
                shown[filled(route[0], id)] = (answer.status_code, answer.text)
    assert shown == {}


def test_an_id_beyond_all_numbers_is_not_there(ana, told):
    statuses = {route[1]: asked(ana, route, HUGE).status_code for route in WITH_IDS}
    assert {name: code for name, code in statuses.items() if code not in {404, 405}} == {}


ODD_PATHS = [
        f"/contacts?start={HUGE}", "/contacts?q=%00", "/contacts?q=%ED%A0%80", "/contacts?same_as=%00@x",
        "/why?sender=%00", "/why?rule=%00", "/why?after=%00", "/why?from=%00&to=9999-12-31", "/why?mailbox=-1",
        "/why?after=x", "/contacts/1?after=%00", "/contacts/1?after=9", "/contacts/1?address=%00@a.test",
        "/contacts/new?address=%00", "/mailboxes/1/connected?typed=%00", "/sign-in?next=/%00",
        f"/companies?start={HUGE}", "/companies?q=%00", "/deals?q=%ED%A0%80", "/deals?start=-1",
        "/companies/1?after=%00", "/deals/1?after=x",
        "/connect/google?address=%00",
]  # fmt: skip


def test_odd_text_in_an_address_breaks_no_page(ana, told):
    assert [path for path in ODD_PATHS if ana.get(path).status_code >= 500] == []


ODD_FORMS = [
    ("/contacts/new", {"name": "a\0b", "addresses": "x@odd.test", "company": "c\0d"}),
    ("/contacts/new", {"name": "\ud800", "addresses": "x@odd.test", "company": ""}),
    ("/contacts/new", {"name": "x", "addresses": "x\0@odd.test", "company": ""}),
    ("/contacts/1/addresses", {"address": "a\0b@odd.test"}),
    (
        "/settings/connection",
        {"log_label": "a\0b", "bcc_address": "\0", "forwarding_address": "\ud800"},
    ),
    ("/settings/connection/team", {"team_deny": "\0", "team_allow": "\ud800"}),
    ("/settings/connection/servers", {"trusted_authserv_ids": "\0"}),
    ("/settings/logging/folders", {"followed_folders": "a\0b\n\ud800"}),
    ("/settings/logging/attachments", {"attachment_limit": "9" * 400}),
    ("/settings/logging/attachments", {"attachment_limit": "²"}),
    ("/settings/logging/switches/log_internal", {"on": "\0"}),
    ("/settings/never-log/own", {"entries": "<\0>,\ud800@x.test", "do": "preview"}),
    ("/settings/domains", {"domain": "a\0b.test"}),
    ("/settings/domains/remove", {"domain": "a\0b.test"}),
    ("/settings/never-log/own", {"entry": "a\0b@c.test"}),
    ("/companies", {"name": "a\0\ud800", "domain": "a\0b.test"}),
    ("/companies", {"name": "a\0\ud800"}),
    ("/deals", {"name": "a\0\ud800"}),
    ("/deals", {"name": "x", "contact_id": "9" * 400}),
    ("/deals", {"name": "x", "contact_id": "-1"}),
    ("/contacts/1/company", {"company": "a\0\ud800"}),
    ("/connect", {"address": "a\0b@c.test"}),
    ("/sign-in", {"address": "a\0b@c.test", "password": "\0"}),
]


def test_odd_text_in_a_form_breaks_no_page(ana, told):
    for path, data in ODD_FORMS:
        body = {
            k: v.encode("utf-8", "surrogatepass").decode("latin-1") if "\ud800" in v else v
            for k, v in data.items()
        }
        assert ana.post(path, body).status_code < 500, (path, data)


@pytest.mark.parametrize(
    "path", ["//evil.test/contacts", "//contacts", "/contacts//1", "/static//app.css"]
)
def test_no_redirect_takes_its_host_from_the_request(ana, told, path):
    answer = ana.get(path, headers={"Host": "evil.test"})
    assert "evil" not in answer.headers.get("Location", "")
    assert "http" not in answer.headers.get("Location", "")


@pytest.mark.parametrize(
    "path", ["/", "/contacts", "/mailboxes", "/settings", "/mailboxes/1/connected", "/connect"]
)
def test_no_page_repeats_the_host_of_the_request(ana, told, path):
    answer = ana.get(path, headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"})
    assert "evil.test" not in answer.text + str(answer.headers)


def test_the_session_can_be_read_and_holds_no_secret(company, make_app):
    client = Client(make_app(GOOGLE))
    client.sign_in()
    client.get("/connect/google?address=ana@acme.test")
    cookie = client.http.get_cookie("replylog")
    assert cookie is not None
    held = _opened(cookie.value)
    assert list(held["flows"]) != []
    assert "ana@acme.test" not in json.dumps(held["flows"])
    assert not [each for each in held["flows"].values() if isinstance(each, list)]


def _opened(cookie: str) -> dict:
    packed = cookie.startswith(".")
    text = cookie.lstrip(".").partition(".")[0]
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return json.loads(zlib.decompress(raw) if packed else raw)


def test_a_code_is_not_carried_through_the_sign_in_page(company, client):
    answer = client.get("/connect/google/callback?code=secret-code&state=s")
    assert "secret-code" not in answer.location
    assert answer.location == "/sign-in?next=/connect"


def test_after_sign_in_nobody_is_sent_to_a_provider_without_a_click(company, client):
    # Chromium forbids it: the policy's form-action counts for redirects after a form too
    answer = client.get("/connect/google?address=ana@acme.test")
    assert answer.location == "/sign-in?next=/connect"
    answer = client.get("/mailboxes/7/reconnect/start")
    assert answer.location == "/sign-in?next=/mailboxes/7/reconnect"


def test_a_link_while_redis_is_down_can_be_used_later(company, make_app, web_settings):
    client = Client(make_app({"redis_url": "redis://127.0.0.1:1"}))
    assert client.get(signin.link(web_settings, "ben@acme.test")).status_code == 503


def test_a_page_says_that_the_database_is_down(company, make_app):
    app = make_app()
    client = Client(app)
    client.sign_in()
    dead = make_app({"database_url": "postgresql+psycopg://x:x@127.0.0.1:1/x"})
    cookie = client.http.get_cookie("replylog")
    assert cookie is not None
    lost = Client(dead)
    lost.http.set_cookie("replylog", cookie.value)
    for path in ("/contacts", "/mailboxes", "/nothing"):
        answer = lost.get(path)
        assert answer.status_code == 503, path
        assert "A part of the service does not answer" in answer.text
        assert "127.0.0.1" not in answer.text


def test_an_administrator_who_is_no_user_is_thanked(company, client):
    path = "/connect/microsoft/callback?admin_consent=True&tenant=t"
    assert "may connect now" in client.get(path).text
    assert "was not given" in client.get(f"{path}&error=access_denied").text


def test_behind_a_proxy_one_caller_does_not_use_up_the_tries_of_all(company, client):
    for n in range(41):
        behind = {"X-Forwarded-For": "10.0.0.9, 203.0.113.7"}
        data = {"address": f"u{n}@acme.test", "password": "x"}
        status = client.post("/sign-in", data, headers=behind).status_code
    assert status == 429
    mine = {"X-Forwarded-For": "203.0.113.7, 198.51.100.2"}
    right = {"address": "ana@acme.test", "password": PASSWORD}
    assert client.post("/sign-in", right, headers=mine).status_code == 302


def test_a_caller_from_elsewhere_is_not_believed(app):
    with app.test_request_context(
        environ_base={"REMOTE_ADDR": "8.8.8.8"}, headers={"X-Forwarded-For": "1.1.1.1"}
    ):
        assert signin.caller() == "8.8.8.8"
