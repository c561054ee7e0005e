"""Sent mail from the provider's door to the timeline, at the pretend Google and Microsoft."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.database import Database
from crm.store import contacts, mailboxes
from crm.store import settings as account_settings
from crm.store.mailboxes import Mailbox
from infra.secrets import Secrets
from providers.client import MailClient
from tests.sandbox_process import Sandbox
from tests.workers.conftest import BCC, Office
from tests.workers.live import PROVIDERS, Provider
from web.connecting import new_mailbox
from workers.queue import Queue
from workers.runtime import client_opener

MARIA, BOB, ZOE = "maria@globex.test", "bob@globex.test", "zoe@elsewhere.test"
LABEL = "Log to CRM"


OWNERS = {"gmail": "ana@acme.test", "graph": "ben@acme365.test"}


@dataclass
class Live(Office):
    """An office with one mailbox at the sandbox, on today's clock."""

    opener: Callable[[Mailbox], MailClient] | None = None
    sandbox: Sandbox | None = None
    owner: str = ""
    box: int = 0

    def _open(self, mailbox: Mailbox) -> MailClient:
        assert self.opener is not None
        return self.opener(mailbox)

    def post(self, path: str, **body: Any) -> Any:
        assert self.sandbox is not None
        return self.sandbox.post(f"/control/{path}", **body)

    def connect(self, provider: Provider, *more: str) -> None:
        assert self.sandbox is not None
        grant = provider.grant(self.sandbox, self.owner, *more)
        settings = provider.settings(self.sandbox)
        new = new_mailbox(provider.name, grant, self.user(self.owner), settings)
        begin = self.clock - timedelta(minutes=1)
        with self.database.begin() as conn:
            self.box = mailboxes.connect(conn, self.account_id, new, self.secrets, begin)

    def turn_on(self, name: str) -> None:
        with self.database.begin() as conn:
            account_settings.set_setting(conn, self.account_id, name, True)

    def look(self) -> dict[str, str]:
        """Two runs, the second for what the first sent round again; rules by provider id."""
        for _ in range(2):
            self.clock = datetime.now(UTC)
            self.sync(self.box)
        return self.rules(self.box)

    def write(self, *to: str, subject: str = "Offer", **more: Any) -> Any:
        """The owner sends a mail; its `id` and `message_id`."""
        body = {"from": self.owner, "to": list(to), "subject": subject, "text": "Look."}
        return self.post("send", **body | more)

    def answered(self, sender: str, sent: Any, subject: str = "Re: Offer") -> str:
        """Somebody answers; the id of the answer in the owner's mailbox."""
        answers = sent["message_id"]
        made = self.post(
            "mail", **{"from": sender}, to=[self.owner], subject=subject, text="Yes.",
            in_reply_to=answers, references=[answers],
        )  # fmt: skip
        return str(made["ids"][self.owner])

    def label(self, item: Any, on: bool = True) -> None:
        self.post("label", address=self.owner, id=item["id"], label=LABEL, on=on)


@pytest.fixture(params=PROVIDERS.values(), ids=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.fixture
def live(
    provider: Provider, sqlite_url: str, redis: Any, secrets: Secrets, sandbox: Sandbox
) -> Iterator[Live]:
    database = Database(sqlite_url)
    opener = client_opener(database, secrets, provider.settings(sandbox))
    now = datetime.now(UTC)
    made = Live(database, Queue(redis), secrets, now, opener=opener, sandbox=sandbox)
    made.owner = OWNERS[provider.name]
    made.contact(MARIA)
    yield made
    database.close()
    if provider.name == "graph":
        from providers.graph import loop

        loop.shutdown()


@pytest.fixture
def office(live: Live, provider: Provider) -> Live:
    live.connect(provider)
    return live


def test_the_bcc_address_logs_and_makes_contacts_of_strangers_not_of_colleagues(
    office: Live,
) -> None:
    sent = office.write(MARIA, ZOE, cc=["cleo@acme.test"], bcc=[BCC])
    assert office.look()[sent["id"]] == "sent-bcc"
    with office.database.read() as conn:
        known = [
            contacts.find(conn, office.account_id, each) is not None
            for each in (ZOE, "cleo@acme.test", BCC)
        ]
    assert known == [True, False, False]
    reply = office.answered(ZOE, sent)
    assert office.look()[reply] == "reply"
    assert {(on, seen) for _, on, seen in office.timeline()} == {(2, 1), (1, 1)}


NEAR_MISSES = {
    "another domain": "log@bcc.acme.test.example",
    "a plus tag": "log+x@bcc.acme.test",
    "a longer name": "xlog@bcc.acme.test",
}


def test_addresses_like_the_bcc_address_log_nothing_and_capitals_of_it_do(office: Live) -> None:
    missed = [office.write(MARIA, bcc=[address])["id"] for address in NEAR_MISSES.values()]
    in_to = office.write(MARIA, BCC.upper())["id"]
    rules = office.look()
    assert [rules[each] for each in missed] == ["not-ticked"] * 3
    assert rules[in_to] == "sent-bcc"


def test_labelling_later_logs_the_mail_and_the_replies_that_were_refused(office: Live) -> None:
    sent = office.write(MARIA)
    reply = office.answered(MARIA, sent)
    assert office.look() == {sent["id"]: "not-ticked", reply: "unknown-thread"}
    office.label(sent)
    assert office.look() == {sent["id"]: "sent-label", reply: "reply"}
    office.label(sent, on=False)
    assert office.look() == {sent["id"]: "sent-label", reply: "reply"}
    assert {(on, seen) for _, on, seen in office.timeline()} == {(1, 1)}


def test_an_own_reply_without_a_tick_is_logged_with_log_own_replies(office: Live) -> None:
    office.turn_on("log_own_replies")
    sent = office.write(MARIA, bcc=[BCC])
    office.answered(MARIA, sent)
    office.look()
    own = office.post("reply", **{"from": office.owner}, message_id=sent["message_id"], text="So?")
    assert office.look()[own["id"]] == "sent-in-thread"


def test_a_labelled_answer_to_a_stranger_brings_the_original_with_log_parent(office: Live) -> None:
    office.turn_on("log_parent")
    office.contact(ZOE)
    original = office.post(
        "mail", **{"from": ZOE}, to=[office.owner], subject="Question", text="How much?"
    )
    ref = original["ids"][office.owner]
    assert office.look()[ref] == "not-a-reply"
    answer = office.post("reply", **{"from": office.owner}, id=ref, text="Much.", label=LABEL)
    rules = office.look()
    assert (rules[answer["id"]], rules[ref]) == ("sent-label", "reply")


def test_the_label_is_there_after_the_first_run_or_the_page_can_say_why_not(
    office: Live, provider: Provider
) -> None:
    office.look()
    shown = {"gmail": "", "graph": "scope-missing"}
    assert office.row(office.box).label_problem == shown[provider.name]


def test_an_administrator_may_let_us_make_the_category(live: Live, provider: Provider) -> None:
    live.connect(provider, *(["MailboxSettings.ReadWrite"] if provider.name == "graph" else []))
    live.look()
    assert live.row(live.box).label_problem == ""
