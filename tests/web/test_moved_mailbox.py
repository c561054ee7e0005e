"""A mailbox whose domain has moved, on the pages and at connect: where its owner is led."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from crm.model import MailboxStatus
from crm.store import mailboxes, moving
from tests.sandbox_process import Sandbox
from tests.web.company import Company
from tests.web.conftest import Client, MakeApp
from tests.web.test_connect import at_sandbox
from workers.queue import AWAKE

ANA = "ana@acme.test"


@pytest.fixture
def client(company: Company, make_app: MakeApp, sandbox: Sandbox) -> Client:
    """Ana, signed in at pages that are connected to the sandbox."""
    found = Client(make_app(at_sandbox(sandbox)))
    assert found.sign_in().status_code == 302
    return found


@pytest.fixture
def moved(company: Company, client: Client) -> mailboxes.Mailbox:
    """Ana's Gmail mailbox, which is at Microsoft by now."""
    box = company.connect(ANA)
    for hours in range(0, 10, 2):
        with company.database.begin() as conn:
            when = company.now + timedelta(hours=hours)
            moving.answered(conn, company.account, "acme.test", "graph", when)
    return box


def stored(company: Company) -> list[mailboxes.Mailbox]:
    with company.database.read() as conn:
        return mailboxes.list_mailboxes(conn, company.account)


def consent(sandbox: Sandbox, url: str, address: str) -> str:
    """Says yes on the provider's page; the path that the browser is sent back to."""
    provider = "google" if "/o/oauth2/" in url else "microsoft"
    answer = sandbox.post(f"/control/{provider}/authorize", url=url, address=address)
    return str(answer["location"]).removeprefix("http://localhost")


def text(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_banner_and_card_ask_for_the_new_provider_while_the_mailbox_is_read(client, moved):
    page = text(client.get("/mailboxes"))
    assert f"{ANA} is still read, but not for long." in page
    assert "The domain's mail has moved to another provider." in page
    assert "Connected, but its mail moves away" in page
    assert "Sync now" in page
    assert f'href="/mailboxes/{moved.id}/reconnect"' in client.get("/mailboxes").text


def test_reconnect_leads_to_the_consent_of_the_new_provider(client, moved, sandbox):
    page = text(client.get(f"/mailboxes/{moved.id}/reconnect"))
    assert "Sign in at Microsoft 365." in page
    assert "Reconnect Microsoft 365" in page
    started = client.get(f"/mailboxes/{moved.id}/reconnect/start").location
    assert started.startswith(f"{sandbox.url}/organizations/oauth2/v2.0/authorize")


def test_the_owner_may_say_that_it_stays_where_it_is(client, moved, company):
    assert "It is still at Google" in client.get(f"/mailboxes/{moved.id}/reconnect").text
    assert client.post(f"/mailboxes/{moved.id}/stays").status_code == 302
    page = text(client.get("/mailboxes"))
    assert "stays at Google. You are not asked again." in page
    assert "moved to another provider" not in page
    history = text(client.get(f"/mailboxes/{moved.id}/history"))
    assert "Its owner said that the mailbox is still at Google, whatever" in history
    assert "The domain's mail has moved to Microsoft 365." in history


def test_a_google_account_whose_mail_is_at_microsoft_is_not_connected(client, company, sandbox):
    sandbox.post("/control/people", address="ana@moved.test", name="Ana", provider="google")
    sandbox.post("/control/mx", domain="moved.test", provider="microsoft")
    before = stored(company)
    started = client.get("/connect/google?address=ana@moved.test").location
    answer = client.get(consent(sandbox, started, "ana@moved.test"))
    assert answer.status_code == 422
    assert "moved.test is hosted by Microsoft 365" in text(answer)
    assert 'href="/connect/microsoft?address=ana@moved.test"' in answer.text
    assert stored(company) == before


def test_who_is_sure_that_mail_is_handed_on_connects_it_and_is_not_asked_again(
    client, company, sandbox
):
    sandbox.post("/control/people", address="ana@moved.test", name="Ana", provider="google")
    sandbox.post("/control/mx", domain="moved.test", provider="microsoft")
    other = client.post("/connect/google/anyway", {"address": "other@moved.test"}).location
    assert client.get(consent(sandbox, other, "ana@moved.test")).status_code == 422
    started = client.post("/connect/google/anyway", {"address": "ana@moved.test"}).location
    assert client.get(consent(sandbox, started, "ana@moved.test")).status_code == 302
    for hours in range(0, 48, 2):
        with company.database.begin() as conn:
            when = company.now + timedelta(hours=hours)
            assert moving.answered(conn, company.account, "moved.test", "graph", when) == []
    assert [box.reason for box in stored(company)] == [""]


def test_where_dns_does_not_answer_or_names_nobody_the_person_decides(client, company, sandbox):
    sandbox.post("/control/people", address="ana@moved.test", name="Ana", provider="google")
    sandbox.post("/control/mx", domain="moved.test", host="mx.filter.test")
    started = client.get("/connect/google?address=ana@moved.test").location
    assert client.get(consent(sandbox, started, "ana@moved.test")).status_code == 302
    assert "ana@moved.test" in {box.address for box in stored(company)}


def test_one_answer_of_dns_does_not_stop_a_reconnect_in_place(client, company, sandbox):
    sandbox.post("/control/mx", domain="acme.test", provider="microsoft")
    box = company.connect(ANA)
    started = client.get(f"/mailboxes/{box.id}/reconnect/start").location
    assert client.get(consent(sandbox, started, ANA)).status_code == 302


def test_a_mailbox_that_moved_is_connected_with_its_new_provider_and_not_with_the_old(
    client, moved, company, sandbox, redis
):
    sandbox.post("/control/mx", domain="acme.test", provider="microsoft")
    started = client.get(f"/connect/google?address={ANA}").location
    refused = client.get(consent(sandbox, started, ANA))
    assert (refused.status_code, "hosted by Microsoft 365" in refused.text) == (422, True)
    sandbox.post("/control/people", address=ANA, name="Ana", provider="microsoft")
    redis.delete(AWAKE)
    started = client.get(f"/mailboxes/{moved.id}/reconnect/start").location
    assert redis.zrange(AWAKE, 0, -1) == [str(moved.id).encode()], "to be read once more"
    done = client.get(consent(sandbox, started, ANA))
    assert done.status_code == 302
    page = text(client.get(done.location))
    assert "At Google it was read up to" in page
    assert f"Mail to {ANA} may have gone to Microsoft 365 for 30 days before it was" in page
    box = next(each for each in stored(company) if each.address == ANA)
    assert (box.id, box.provider, box.reason) == (moved.id, "graph", "")
    assert box.status is MailboxStatus.CONNECTED


def test_the_host_page_says_what_another_provider_would_miss(client):
    page = text(client.post("/connect", {"address": "ben@acme365.test"}))
    assert "acme365.test is hosted by Microsoft 365" in page
    assert "it would never see those replies" in page
