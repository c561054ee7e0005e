"""The account's logging address, a mailbox at the pretend Google and Microsoft: who may log there.

Gmail's servers name themselves in Authentication-Results. Exchange Online's do not: there a gateway
in front writes a header of its own.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from crm.database import Database
from crm.model import MailboxKind
from crm.store import mailboxes
from crm.store import settings as account_settings
from crm.tables import Email
from infra.secrets import Secrets
from tests.sandbox_process import Sandbox
from tests.workers.conftest import mail
from tests.workers.live import PROVIDERS, LiveOffice, Provider, settings_for
from tests.workers.test_forwarding import FORWARDING, ZOE, forwarded, of_contact
from web.connecting import new_mailbox
from workers.queue import Queue

ANA, MALLORY = "ana@acme.test", "mallory@acme.test"
SERVERS = {"gmail": "mx.google.com", "graph": "gate.acme.test"}
BOXES = {"gmail": "log@acme.test", "graph": "log@acme365.test"}
EXCHANGE = (
    "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=acme.test; dkim=pass (signature was verified) "
    "header.d=acme.test;dmarc=pass action=none header.from=acme.test;compauth=pass reason=100"
)


@dataclass
class LoggingBox:
    """The logging address of an account of which Ana is a user."""

    office: LiveOffice
    sandbox: Sandbox
    server: str
    address: str
    id: int

    def said(self, result: str = "pass", domain: str = "acme.test") -> str:
        """The header that the trusted server writes."""
        return (
            f"{self.server}; dkim={result} header.i=@{domain} header.s=s1 header.b=AbC/1; "
            f"spf={result} smtp.mailfrom=ana@{domain}; "
            f"dmarc={result} (p=REJECT sp=REJECT dis=NONE) header.from={domain}"
        )

    def arrive(self, raw: bytes, *results: str) -> str:
        """The rule about a mail that arrives with these Authentication-Results, topmost first."""
        head = "".join(f"Authentication-Results: {each}\r\n" for each in results).encode()
        made = self.sandbox.post(
            "/control/mail",
            raw=base64.b64encode(head + raw).decode(),
            recipients=[self.address],
        )
        for _ in range(2):
            self.office.clock = datetime.now(UTC)
            self.office.sync(self.id)
        return self.office.rules(self.id)[made["ids"][self.address]]

    def emails(self) -> list[tuple[str, str, str]]:
        columns = (Email.direction, Email.rule, Email.sender)
        where = Email.account_id == self.office.account_id
        return self.office.rows(select(*columns).where(where))


@pytest.fixture(params=PROVIDERS.values(), ids=PROVIDERS)
def box(
    request: pytest.FixtureRequest,
    sqlite_url: str,
    redis: object,
    secrets: Secrets,
    sandbox: Sandbox,
) -> Iterator[LoggingBox]:
    provider: Provider = request.param
    database = Database(sqlite_url)
    office = LiveOffice(database, Queue(redis), secrets, datetime.now(UTC), sandbox)
    office.user(ANA)
    address, server = BOXES[provider.name], SERVERS[provider.name]
    kind = {"gmail": "google", "graph": "microsoft"}[provider.name]
    sandbox.post("/control/people", address=address, name="", provider=kind)
    grant = provider.grant(sandbox, address)
    new = new_mailbox(provider.name, grant, None, settings_for(sandbox))
    began = office.clock - timedelta(minutes=1)
    with database.begin() as conn:
        account = office.account_id
        account_settings.set_setting(conn, account, "forwarding_address", FORWARDING)
        account_settings.set_setting(conn, account, "trusted_authserv_ids", (server,))
        new = replace(new, kind=MailboxKind.LOGGING)
        mailbox_id = mailboxes.connect(conn, account, new, secrets, began)
    yield LoggingBox(office, sandbox, server, address, mailbox_id)
    database.close()
    if provider.name == "graph":
        from providers.graph import loop

        loop.shutdown()


def copy(sender: str = ANA, message_id: str = "quote@acme.test") -> bytes:
    """A copy of what somebody sent to Zoe: nobody but its sender's own mailbox sees the Bcc."""
    return mail(sender, ZOE, "Quote 7", message_id, when=datetime.now(UTC))


def forward(sender: str = ANA) -> bytes:
    body, now = forwarded(), datetime.now(UTC)
    return mail(sender, FORWARDING, "Fwd: Offer 12", "fwd@acme.test", when=now, body=body)


def test_a_users_copy_and_forward_are_logged_where_their_domain_passed(box: LoggingBox) -> None:
    assert box.arrive(copy(), box.said()) == "sent-bcc"
    assert box.arrive(forward(), box.said()) == "forwarded"
    assert sorted(box.emails()) == [
        ("forwarded", "forwarded", "zoe@stranger.test"),
        ("outgoing", "sent-bcc", ANA),
    ]
    assert of_contact(box.office, "zoe@stranger.test")


@pytest.mark.parametrize("raw", [copy(), forward()], ids=["a copy", "a forward"])
def test_nothing_is_logged_that_is_not_from_a_user_for_sure(box: LoggingBox, raw: bytes) -> None:
    strangers = raw.replace(ANA.encode(), MALLORY.encode(), 1)
    forged = box.said()
    rules = {
        "no header": box.arrive(raw),
        "it failed": box.arrive(raw, box.said("fail")),
        "another domain passed": box.arrive(raw, box.said(domain="evil.test")),
        "no user": box.arrive(strangers, box.said()),
        "forged below the real one": box.arrive(raw, box.said("fail"), forged),
        "a server like it": box.arrive(raw, f"x{forged}"),
        "Exchange, which names no server": box.arrive(raw, EXCHANGE),
    }
    assert rules == dict.fromkeys(rules, "not-authentic")
    assert box.emails() == []
    assert not of_contact(box.office, "zoe@stranger.test")
