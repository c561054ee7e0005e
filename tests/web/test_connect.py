"""Connecting a mailbox at the sandbox's consent pages, in a real browser."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr
from sqlalchemy import update

from crm.model import MailboxKind, MailboxStatus
from crm.store import mailboxes
from crm.tables import Mailbox
from providers import causes
from tests.sandbox_process import Sandbox
from tests.web.company import Company
from tests.web.conftest import Client, pages, sign_in
from workers.queue import AWAKE

ANA, BEN = "ana@acme.test", "ben@acme365.test"


def at_sandbox(sandbox: Sandbox) -> dict[str, Any]:
    """Settings that lead to the sandbox instead of Google and Microsoft."""
    url = sandbox.url
    return {
        "google_auth_url": f"{url}/o/oauth2/v2/auth",
        "google_token_url": f"{url}/token",
        "google_revoke_url": f"{url}/revoke",
        "google_certs_url": f"{url}/oauth2/v1/certs",
        "gmail_api_url": url,
        "google_client_id": "sandbox-google-client",
        "google_client_secret": SecretStr("sandbox-google-secret"),
        "graph_api_url": f"{url}/v1.0",
        "entra_authority_url": url,
        "microsoft_client_id": "sandbox-microsoft-client",
        "microsoft_client_secret": SecretStr("sandbox-microsoft-secret"),
        "dns_server": sandbox.dns,
    }


@pytest.fixture
def desk(
    page: Page,
    live_company: Company,
    live_settings: Callable[..., Any],
    serve: Any,
    sandbox: Sandbox,
) -> Page:
    """Ana's browser, signed in, at pages that are connected to the sandbox."""
    site = serve(lambda url: pages(live_settings(url, **at_sandbox(sandbox))))
    sign_in(page, site)
    page.goto(f"{site}/connect")
    return page


def ask_for(desk: Page, address: str, button: str) -> None:
    desk.get_by_label("Your e-mail address").fill(address)
    desk.get_by_role("button", name="Continue").click()
    desk.get_by_role("button", name=button).first.click()


def stored(company: Company) -> list[mailboxes.Mailbox]:
    with company.database.read() as conn:
        return mailboxes.list_mailboxes(conn, company.account)


@pytest.mark.browser
def test_an_admin_connects_a_teams_mailbox_and_it_stays_one(desk, live_company, redis):
    desk.get_by_label("A team's").check()
    desk.get_by_label("Your e-mail address").fill(ANA)
    desk.get_by_role("button", name="Continue").click()
    expect(desk.get_by_text("all new mail of the team")).to_be_visible()
    desk.get_by_role("button", name="Connect Google").click()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_text("Everything the team gets and sends")).to_be_visible()
    assert [box.kind for box in stored(live_company)] == ["team"]

    desk.goto(desk.url.replace("/connected", "/reconnect"))
    desk.get_by_role("link", name="Google").or_(
        desk.get_by_role("button", name="Google")
    ).first.click()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_text("Everything the team gets and sends")).to_be_visible()
    assert [box.kind for box in stored(live_company)] == ["team"]


def test_only_an_admin_connects_other_mailboxes_than_their_own(ben):
    page = ben.get("/connect").text
    assert "A team" not in page
    asked = {"address": "sales@acme.test", "kind": "team"}
    assert ben.post("/connect", asked).status_code == 403
    assert ben.post("/connect", asked | {"kind": "odd"}).status_code == 400
    assert ben.get("/connect/google?address=sales@acme.test&chosen=team").status_code == 400


@pytest.mark.browser
def test_a_gmail_mailbox_is_connected_in_a_minute(desk, live_company, redis):
    desk.get_by_label("Your e-mail address").fill(ANA)
    desk.get_by_role("button", name="Continue").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("acme.test is hosted by Google")
    expect(desk.get_by_text("Disconnect on the page Mailboxes")).to_be_visible()
    desk.get_by_role("button", name="Connect Google").click()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("ana@acme.test is connected")
    expect(desk.get_by_text("All mail but spam and trash")).to_be_visible()
    [box] = stored(live_company)
    assert (box.address, box.provider, box.status) == (ANA, "gmail", MailboxStatus.CONNECTED)
    assert box.cursor
    assert redis.zrange(AWAKE, 0, -1) == [str(box.id).encode()]


@pytest.mark.browser
def test_a_microsoft_mailbox_shows_the_folders_of_its_rules(desk, live_company):
    ask_for(desk, BEN, "Connect Microsoft 365")
    desk.get_by_role("button", name="Accept").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text(f"{BEN} is connected")
    expect(desk.get_by_text("where new mail arrives")).to_be_visible()
    [box] = stored(live_company)
    assert (box.provider, box.subject != "") == ("graph", True)


@pytest.mark.browser
def test_declining_connects_nothing_and_says_so(desk, live_company):
    ask_for(desk, ANA, "Connect Google")
    desk.get_by_role("button", name="Deny").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("You declined the permission")
    assert stored(live_company) == []


@pytest.mark.browser
def test_declining_at_microsoft_is_understood_too(desk, live_company):
    ask_for(desk, BEN, "Connect Microsoft 365")
    desk.get_by_role("button", name="Cancel").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("You declined the permission")


@pytest.mark.browser
def test_a_missing_tick_is_explained(desk, live_company):
    ask_for(desk, ANA, "Connect Google")
    for box in desk.get_by_role("checkbox").all():
        box.uncheck()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("A permission is missing")
    assert stored(live_company) == []


@pytest.mark.browser
def test_the_mailbox_that_was_chosen_is_connected_and_told(desk, live_company):
    ask_for(desk, ANA, "Connect Google")
    desk.get_by_label("cleo@acme.test").check()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("cleo@acme.test is connected")
    expect(desk.get_by_text("You typed ana@acme.test but signed in as")).to_be_visible()


@pytest.mark.browser
def test_reconnecting_keeps_the_mailbox_and_refuses_another_one(desk, live_company):
    ask_for(desk, ANA, "Connect Google")
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_role("heading", level=1)).to_contain_text("is connected")
    before = live_company.boxes[ANA] = stored(live_company)[0]
    live_company.stop(ANA, causes.PASSWORD_CHANGED)

    def again(account: str) -> None:
        desk.goto(desk.url.partition("/mailboxes")[0].partition("/connect")[0] + "/mailboxes")
        desk.get_by_label("A mailbox needs you").get_by_role("button", name="Reconnect").click()
        desk.get_by_role("button", name="Reconnect Google").click()
        desk.get_by_label(account).check()
        desk.get_by_role("button", name="Allow").click()

    again("cleo@acme.test")
    expect(desk.get_by_role("heading", level=1)).to_have_text("That was another mailbox")
    assert [each.status for each in stored(live_company)] == [MailboxStatus.RECONNECT]
    again(ANA)
    expect(desk.get_by_role("heading", level=1)).to_have_text("ana@acme.test is connected")
    [after] = stored(live_company)
    assert (after.id, after.cursor, after.status) == (
        before.id,
        before.cursor,
        MailboxStatus.CONNECTED,
    )


@pytest.mark.browser
def test_an_administrators_consent_is_asked_for_by_link(desk, sandbox):
    sandbox.post("/control/microsoft/switch", address=BEN, name="entra.admin_consent", value=True)
    ask_for(desk, BEN, "Connect Microsoft 365")
    desk.get_by_role("button", name="Accept").click()
    desk.get_by_role("button", name="Return to the application").click()
    expect(desk.get_by_role("heading", level=1)).to_contain_text("administrator must agree")
    expect(desk.get_by_role("link", name="/adminconsent")).to_be_visible()


@pytest.fixture
def at_home(company: Company, make_app: Any, sandbox: Sandbox) -> Client:
    """Ana without a browser, at pages that are connected to the sandbox."""
    client = Client(make_app(at_sandbox(sandbox)))
    client.sign_in()
    return client


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("x@acme.test", "acme.test is hosted by Google"),
        ("x@acme365.test", "acme365.test is hosted by Microsoft 365"),
        ("x@globex.test", "hosted by neither Google nor Microsoft"),
        ("x@nowhere.test", "nowhere.test does not exist"),
        ("nonsense", "This is not an e-mail address"),
    ],
)
def test_who_hosts_an_address_is_looked_up(at_home, address, words):
    assert words in at_home.post("/connect", {"address": address}).text


@pytest.mark.parametrize(("provider", "told"), [("gmail", False), ("graph", True)])
def test_a_logging_address_at_microsoft_is_told_what_it_needs(company, ana, provider, told):
    mailbox = company.connect("ana@acme.test", provider)
    which = (Mailbox.account_id == company.account, Mailbox.id == mailbox.id)
    with company.database.begin() as conn:
        conn.execute(update(Mailbox).where(*which).values(kind=MailboxKind.LOGGING))
    page = ana.get(f"/mailboxes/{mailbox.id}/connected").text
    assert ("Exchange Online does not name itself" in page) is told
    assert "Nothing yet" in page


def test_a_dead_name_server_is_explained(company, make_app):
    client = Client(make_app({"dns_server": "127.0.0.1:1"}))
    client.sign_in()
    text = client.post("/connect", {"address": "x@acme.test"}).text
    assert "We could not look up who hosts acme.test" in text
    assert "Look it up again" in text


@pytest.mark.parametrize(("path", "name"), [("google", "GOOGLE"), ("microsoft", "MICROSOFT")])
def test_a_provider_that_is_not_set_up_names_the_settings(ana, path, name):
    answer = ana.get(f"/connect/{path}?address=x@acme.test")
    assert answer.status_code == 422
    assert f"REPLYLOG_{name}_CLIENT_ID" in answer.text


@pytest.mark.parametrize("query", ["", "?state=made-up&code=x", "?error=access_denied"])
def test_an_answer_that_nobody_asked_for_connects_nothing(at_home, query):
    answer = at_home.get(f"/connect/google/callback{query}")
    assert answer.status_code == 422
    assert "not the one that was started here" in answer.text


def test_an_answer_counts_once_and_for_its_provider(at_home):
    state = _state(at_home.get("/connect/google?address=ana@acme.test").location)
    assert "not the one" in at_home.get(f"/connect/microsoft/callback?state={state}&code=x").text
    assert "not the one" in at_home.get(f"/connect/google/callback?state={state}&code=x").text


def test_an_answer_that_took_too_long_is_refused(company, make_app, sandbox, now):
    times = [now]
    client = Client(make_app(at_sandbox(sandbox), clock=lambda: times[-1]))
    client.sign_in()
    state = _state(client.get("/connect/google?address=ana@acme.test").location)
    times.append(now + timedelta(minutes=17))
    assert "not the one" in client.get(f"/connect/google/callback?state={state}&code=x").text


def test_a_provider_that_does_not_answer_is_no_fault_of_the_mailbox(at_home, sandbox):
    state = _state(at_home.get("/connect/google?address=ana@acme.test").location)
    sandbox.post("/control/faults", match="POST /token", kind="status", status=503)
    text = at_home.get(f"/connect/google/callback?state={state}&code=x").text
    assert "does not answer right now" in text


def _state(url: str) -> str:
    return url.partition("state=")[2].partition("&")[0]
