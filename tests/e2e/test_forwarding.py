"""A reply that was refused, logged by hand: forwarded to the account's forwarding address."""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from crm.database import Database
from crm.store import accounts, contacts, journal, mailboxes, timeline
from crm.store import settings as account_settings
from crm.store.timeline import EmailRow
from crm.store.visibility import Viewer
from infra.settings import Settings
from replylog import demo, story
from tests.e2e.conftest import Installed
from tests.waiting import within

FORWARDING = "forward@in.acme.test"
SECONDS = 20


@dataclass(frozen=True)
class Provider:
    address: str
    name: str
    consent: str
    stranger: str


PROVIDERS = {
    "Gmail": Provider(story.ANA, "Google", "Allow", "yves@stranger.test"),
    "Microsoft 365": Provider(story.BEN, "Microsoft 365", "Accept", "yuki@stranger.test"),
}


class Account:
    """What the installation has stored, looked at from outside its roles."""

    def __init__(self, settings: Settings, address: str) -> None:
        self.database = Database(settings.resolved_database_url)
        with self.database.begin() as conn:
            found = accounts.account(conn)
            assert found is not None
            self.id = found
            account_settings.set_setting(conn, self.id, "forwarding_address", FORWARDING)
            boxes = mailboxes.list_mailboxes(conn, self.id)
        self.mailbox = next(each for each in boxes if each.address == address)

    def rules(self) -> dict[str, list[str]]:
        """Rules by the sender in the journal."""
        found: dict[str, list[str]] = {}
        with self.database.read() as conn:
            for row in journal.rows(conn, self.id, self.mailbox.id, journal.Filter()).items:
                found.setdefault(row.sender, []).append(row.rule)
        return found

    def comes(self, sender: str, rule: str) -> bool:
        """Whether the journal comes to say `rule` of something from `sender`."""
        return within(SECONDS, lambda: rule in self.rules().get(sender, []), step=0.3)


def on_timeline(account: Account, address: str) -> list[EmailRow]:
    with account.database.read() as conn:
        contact = contacts.find(conn, account.id, address)
        assert contact is not None
        everyone = Viewer(account.id, sees_all=True)
        return list(timeline.entries(conn, everyone, timeline.On.CONTACT, contact.id).items)


@pytest.fixture(params=PROVIDERS.values(), ids=PROVIDERS.keys())
def provider(request: pytest.FixtureRequest, installed: Installed) -> Provider:
    given: Provider = request.param
    demo.connect(installed.settings, given.address, given.name, given.consent)
    return given


@pytest.fixture
def account(provider: Provider, installed: Installed) -> Iterator[Account]:
    account = Account(installed.settings, provider.address)
    yield account
    account.database.close()


def test_a_refused_reply_is_logged_by_forwarding_it(
    provider: Provider, account: Account, installed: Installed
) -> None:
    send = {"from": provider.address, "subject": f"Offer for {provider.stranger}"}
    root = installed.world.post("send", **send, to=story.MARIA, text="Look.", bcc=story.BCC)
    assert account.comes(provider.address, "sent-bcc")
    reply = story.mail(
        provider.stranger, provider.address, root["message_id"], f"Re: {send['subject']}", "Me too!"
    )
    time.sleep(story.PACE)
    arrived = installed.world.post("mail", **reply)
    assert account.comes(provider.stranger, "unknown-sender"), account.rules()

    time.sleep(story.PACE)
    head = f"From: Y <{provider.stranger}>\nDate: Mon, 2 Mar 2026 at 09:31\nTo: {provider.address}"
    text = (
        f"---------- Forwarded message ---------\n{head}\nSubject: Re: {send['subject']}\n\nMe too!"
    )
    send["subject"] = f"Fwd: {send['subject']}"
    answered = {
        "in_reply_to": arrived["message_id"],
        "references": [root["message_id"], arrived["message_id"]],
    }
    installed.world.post("send", **send, to=FORWARDING, text=text, **answered)

    assert account.comes(provider.stranger, "forwarded"), account.rules()
    assert account.comes(provider.stranger, "duplicate")  # the reply itself is the same e-mail
    entries = on_timeline(account, provider.stranger)
    assert [(each.direction, each.sender) for each in entries] == [("forwarded", provider.stranger)]


def test_an_attached_message_is_logged_too(
    provider: Provider, account: Account, installed: Installed
) -> None:
    sender = f"attached-{provider.stranger}"
    lines = [
        f"From: {sender}",
        f"To: {provider.address}",
        "Subject: Question",
        "Message-ID: <q1@x.test>",
    ]
    raw = "\r\n".join([*lines, "Date: Mon, 2 Mar 2026 09:31:00 +0100", "", "A question."]).encode()
    file = {
        "name": "Question.eml",
        "mime": "message/rfc822",
        "content": base64.b64encode(raw).decode(),
    }
    time.sleep(story.PACE)
    installed.world.post(
        "send",
        **{"from": provider.address, "subject": "for the log", "text": "See below."},
        to=FORWARDING,
        attachments=[file],
    )

    assert account.comes(sender, "forwarded")
    assert [each.direction for each in on_timeline(account, sender)] == ["forwarded"]
