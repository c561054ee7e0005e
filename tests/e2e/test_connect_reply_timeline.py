"""The main job in a real browser: connect a mailbox, log a mail, and watch the reply appear."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from replylog import story
from tests.e2e.conftest import Installed
from web.signin import link

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Provider:
    address: str
    name: str  # as the connect page says it
    consent: str  # the button of the provider's own page
    contact: str
    contact_name: str


PROVIDERS = {
    "Gmail": Provider(story.ANA, "Google", "Allow", story.MARIA, "Maria Globex"),
    "Microsoft 365": Provider(story.BEN, "Microsoft 365", "Accept", story.BOB, "Bob Globex"),
}


def connect(page: Page, installed: Installed, provider: Provider) -> None:
    """Sign in by link and go through the pages as a person does."""
    page.goto(installed.settings.public_url + link(installed.settings, provider.address))
    page.goto(f"{installed.settings.public_url}/connect")
    page.get_by_role("textbox", name=re.compile("address", re.IGNORECASE)).fill(provider.address)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(re.compile("is hosted by"))).to_be_visible()
    page.get_by_role("button", name=f"Connect {provider.name}").click()
    page.get_by_role("button", name=provider.consent).click()
    expect(page).to_have_url(re.compile(r"/mailboxes/\d+"))
    expect(page.get_by_text(story.BCC).first).to_be_visible()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_reply_appears_on_the_open_timeline_of_its_contact(
    provider: Provider, installed: Installed, page: Page
) -> None:
    connect(page, installed, provider)
    subject = f"Offer for {provider.contact_name}"
    sent = installed.world.post(
        "send",
        **{"from": provider.address, "to": provider.contact, "subject": subject, "text": "Look."},
        bcc=story.BCC,
    )
    page.goto(f"{installed.settings.public_url}/contacts")
    page.get_by_role("link", name=provider.contact_name).first.click()
    expect(page.get_by_text(subject).first).to_be_visible()

    text = f"Yes, {provider.name}, we take it."
    body = story.mail(
        provider.contact, provider.address, sent["message_id"], f"Re: {subject}", text
    )
    installed.world.post("mail", **body)
    expect(page.get_by_text(text).first).to_be_visible()  # nobody reloads the page
    expect(page.get_by_text("here it is").first).not_to_be_visible()  # quoted text is folded


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_the_journal_says_why_a_message_was_not_logged(
    provider: Provider, installed: Installed, page: Page
) -> None:
    connect(page, installed, provider)  # again, in place
    body = story.mail(story.ZOE, provider.address, "<nothing@x.test>", "Re: Something", "Hello")
    installed.world.post("mail", **body)
    page.goto(f"{installed.settings.public_url}/mailboxes")
    page.get_by_role("link", name=re.compile("why|journal", re.IGNORECASE)).first.click()
    row = page.get_by_role("row").filter(has_text=story.ZOE).first
    expect(row).to_contain_text("It answers none of your logged e-mails.")


def test_a_refused_answer_is_logged_from_its_row(installed: Installed, page: Page) -> None:
    provider = PROVIDERS["Gmail"]
    connect(page, installed, provider)
    mailbox = {"from": provider.address, "to": provider.contact, "subject": "Mended"}
    sent = installed.world.post("send", **mailbox, text="x", label=story.LABEL)
    eve = "eve@mended.test"
    body = story.mail(eve, provider.address, sent["message_id"], "Re: Mended", "I am new here")
    installed.world.post("mail", **body)
    page.goto(f"{installed.settings.public_url}/why?sender=mended")
    expect(page.get_by_text("It answers “Mended”, a thread that you began.")).to_be_visible()
    page.get_by_text("Show the values").click()
    expect(page.get_by_text("Read from the mailbox just now.")).to_be_visible()
    page.get_by_role("button", name="Add contact and log").click()
    logged = page.get_by_role("link", name=f"→ {eve} · Mended")
    expect(logged).to_be_visible()  # nobody reloads the page
    logged.click()
    expect(page.get_by_text("I am new here").first).to_be_visible()


def test_a_consent_that_is_denied_is_explained(installed: Installed, page: Page) -> None:
    page.goto(installed.settings.public_url + link(installed.settings, story.ANA))
    page.goto(f"{installed.settings.public_url}/connect")
    page.get_by_role("textbox", name=re.compile("address", re.IGNORECASE)).fill("cleo@acme.test")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Connect Google").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.get_by_role("button", name="Start again")).to_be_visible()
    assert "/callback" in page.url
