"""Mailboxes at the pretend Google and Microsoft, behind the adapters that meet the real ones."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crm.database import Database
from crm.model import Tokens
from crm.store import mailboxes
from crm.store.mailboxes import Mailbox
from infra.secrets import Secrets
from infra.settings import Settings
from providers.client import MailClient
from providers.oauth import Grant
from tests.providers import gmail_rig, graph_rig
from tests.sandbox_process import Sandbox
from tests.workers.conftest import Office
from tests.workers.stories import ANA, LABEL, Delivery
from web.connecting import new_mailbox
from workers.queue import Queue
from workers.runtime import client_opener


@dataclass(frozen=True)
class Provider:
    name: str
    token: str  # the control API's way to a token
    scopes: tuple[str, ...]
    settings: Callable[..., Settings]

    def grant(self, sandbox: Sandbox, address: str, *more: str) -> Grant:
        """What the owner of `address` allows us, with `more` scopes than are asked for."""
        path = f"/control/{self.token}"
        given = sandbox.post(path, address=address, scopes=[*self.scopes, *more])
        until = datetime.now(UTC) + timedelta(seconds=given["expires_in"])
        return Grant(Tokens(given["access_token"], given["refresh_token"], until), address, "")


PROVIDERS = {
    "Gmail": Provider(
        "gmail",
        "google/token",
        ("openid", "email", gmail_rig.READ, gmail_rig.LABELS),
        gmail_rig.settings_for,
    ),
    "Microsoft 365": Provider(
        "graph",
        "microsoft/token",
        ("openid", "offline_access", "User.Read", "Mail.Read", "MailboxSettings.Read"),
        graph_rig.settings_for,
    ),
}


AT = {ANA: "Gmail"}  # the others' mailboxes are Microsoft's


def settings_for(sandbox: Sandbox) -> Settings:
    """Settings that lead to the sandbox, whichever provider is asked."""
    gmail, graph = gmail_rig.settings_for(sandbox), graph_rig.settings_for(sandbox)
    return gmail.model_copy(update={each: getattr(graph, each) for each in graph.model_fields_set})


class LiveOffice(Office):
    """An office whose mailboxes are at the sandbox."""

    def __init__(
        self, database: Database, queue: Queue, secrets: Secrets, clock: datetime, sandbox: Sandbox
    ) -> None:
        super().__init__(database, queue, secrets, clock)
        self.opener: Callable[[Mailbox], MailClient]
        self.opener = client_opener(database, secrets, settings_for(sandbox))

    def _open(self, mailbox: Mailbox) -> MailClient:
        return self.opener(mailbox)


class LivePost:
    """See `stage.Post`. A copy arrives at the time its story says: the sandbox's clock is put there.

    What a colleague sends reaches the other mailboxes as copies of their own, when their turn comes.
    Exchange keeps no header fields of it: what it answers is read from two properties.
    """

    def __init__(
        self, sandbox: Sandbox, office: LiveOffice, switches: Mapping[str, object]
    ) -> None:
        self.sandbox = sandbox
        self.office = office
        self.began = office.clock
        sandbox.reset()
        sandbox.post("/control/switches", **switches)

    def connect(self, box: str, user: str) -> int:
        provider = PROVIDERS[AT.get(box, "Microsoft 365")]
        kind = {"gmail": "google", "graph": "microsoft"}[provider.name]
        self.sandbox.post("/control/people", address=box, name="", provider=kind)
        grant = provider.grant(self.sandbox, box)
        office = self.office
        settings = settings_for(self.sandbox)
        new = new_mailbox(provider.name, grant, office.user(user), settings)
        with office.database.begin() as conn:
            return mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)

    def deliver(self, delivery: Delivery) -> str:
        ahead = delivery.received(self.began) - datetime.now(UTC) + timedelta(seconds=0.2)
        self.sandbox.post("/control/skew", seconds=ahead.total_seconds())
        raw = base64.b64encode(delivery.raw(self.began)).decode()
        if delivery.sent:
            label = LABEL if delivery.label == "early" else None
            sent = self._do("send", **{"from": delivery.box}, raw=raw, label=label, withheld=True)
            return str(sent["id"])
        place = "junk" if delivery.junk else "inbox"
        return str(
            self._do("mail", raw=raw, recipients=[delivery.box], place=place)["ids"][delivery.box]
        )

    def label(self, box: str, ref: str) -> None:
        self._do("label", address=box, id=ref, label=LABEL)

    def rescue(self, box: str, ref: str) -> None:
        self._do("move", address=box, id=ref, to="inbox")

    def touch(self, box: str, ref: str) -> None:
        self._do("label", address=box, id=ref, label="Private")

    def _do(self, path: str, **body: object) -> Any:
        return self.sandbox.post(f"/control/{path}", **body)
