"""A pretend Gmail mailbox as a rig for the contract."""

import base64
import itertools
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from crm.model import Place, Tokens
from infra.settings import Settings
from providers.gmail.client import GmailClient
from providers.oauth import StoredTokens, refresh
from tests.sandbox_process import Sandbox

READ = "https://www.googleapis.com/auth/gmail.readonly"
LABELS = "https://www.googleapis.com/auth/gmail.labels"
ALL = "https://mail.google.com/"
TOPIC = "projects/sandbox/topics/gmail"
SUBSCRIPTION = "projects/sandbox/subscriptions/gmail"
WATCHED = {"google_pubsub_topic": TOPIC, "google_pubsub_subscription": SUBSCRIPTION}

_numbers = itertools.count(1)


def settings_for(sandbox: Sandbox, **more: Any) -> Settings:
    """Settings that lead to the sandbox instead of Google."""
    url = sandbox.url
    return Settings(
        gmail_api_url=url,
        google_auth_url=f"{url}/o/oauth2/v2/auth",
        google_token_url=f"{url}/token",
        google_revoke_url=f"{url}/revoke",
        google_client_id="sandbox-google-client",
        google_client_secret="sandbox-google-secret",
        dns_server=sandbox.dns,
        **more,
    )


@dataclass
class Tokenbox:
    """Stored tokens of one mailbox."""

    tokens: Tokens
    version: int = 1

    def load(self) -> tuple[Tokens, int]:
        return self.tokens, self.version

    def save(self, tokens: Tokens, version: int) -> bool:
        if version != self.version:
            return False
        self.tokens, self.version = tokens, version + 1
        return True


@dataclass
class GmailRig:
    sandbox: Sandbox
    settings: Settings
    page_size: int = 3
    address: str = ""
    client: GmailClient = field(init=False)

    def __post_init__(self) -> None:
        self.address = f"user{next(_numbers)}@acme.test"
        self.sandbox.post("/control/people", address=self.address, name="U", provider="google")
        self.owner = httpx.Client(
            base_url=f"{self.sandbox.url}/gmail/v1/users/me",
            headers={"Authorization": f"Bearer {self.token(ALL)['access_token']}"},
            trust_env=False,
        )
        self.stored = self.tokenbox(LABELS)
        self.client = self.open()

    def open(self, **more: Any) -> GmailClient:
        access = StoredTokens(
            self.stored.load, self.stored.save, partial(refresh, "gmail", self.settings)
        )
        return GmailClient(access, self.settings, page_size=self.page_size, **more)

    def close(self) -> None:
        self.owner.close()
        self.client.close()

    def token(self, *scopes: str) -> Any:
        return self.sandbox.post("/control/google/token", address=self.address, scopes=scopes)

    def tokenbox(self, *scopes: str) -> Tokenbox:
        from datetime import UTC, datetime, timedelta

        given = self.token("openid", "email", READ, *scopes)
        expires = datetime.now(UTC) + timedelta(seconds=given["expires_in"])
        return Tokenbox(
            Tokens(given["access_token"], given["refresh_token"], expires, frozenset({READ}))
        )

    def call(self, verb: str, path: str, **body: Any) -> Any:
        answer = self.owner.request(verb, path, json=body or None)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deliver(self, raw: bytes, place: Place = Place.FOLLOWED) -> str:
        if place is Place.DRAFT:
            text = base64.urlsafe_b64encode(raw).decode()
            return str(self.call("POST", "/drafts", message={"raw": text})["message"]["id"])
        found = self.sandbox.post(
            "/control/mail",
            raw=base64.b64encode(raw).decode(),
            recipients=[self.address],
            place="junk" if place is Place.JUNK else "inbox",
        )
        return str(found["ids"][self.address])

    def send(self, raw: bytes) -> str:
        text = base64.urlsafe_b64encode(raw).decode()
        return str(self.call("POST", "/messages/send", raw=text)["id"])

    def delete(self, ref: str) -> None:
        self.call("DELETE", f"/messages/{ref}")

    def move(self, ref: str, place: Place) -> str:
        add, remove = {
            Place.JUNK: (["SPAM"], ["INBOX"]),
            Place.TRASH: (["TRASH"], ["INBOX"]),
            Place.FOLLOWED: (["INBOX"], ["SPAM", "TRASH"]),
        }[place]
        self.call("POST", f"/messages/{ref}/modify", addLabelIds=add, removeLabelIds=remove)
        return ref

    def label(self, ref: str, name: str) -> None:
        self.sandbox.post("/control/label", address=self.address, id=ref, label=name)

    def mark_read(self, ref: str) -> None:
        self.call("POST", f"/messages/{ref}/modify", removeLabelIds=["UNREAD"])

    def expire(self) -> None:
        self.sandbox.post("/control/expire-history", address=self.address)

    def labels(self) -> list[str]:
        listed = self.call("GET", "/labels")["labels"]
        return [one["name"] for one in listed if one["type"] == "user"]

    def keep_labels(self) -> None:
        self.stored.tokens = self.tokenbox().tokens

    def refuse(self, status: int, retry_after: float | None = None, times: int = 1) -> None:
        headers = {"Retry-After": str(int(retry_after))} if retry_after else {}
        self.fault(kind="status", status=status, headers=headers, times=times)

    def drop(self, times: int = 1) -> None:
        self.fault(kind="reset", times=times)

    def fault(self, **fault: Any) -> None:
        self.sandbox.post("/control/faults", match=r"^\w+ /(gmail|batch)", **fault)

    def revoke(self) -> None:
        self.sandbox.post("/control/consent", address=self.address)


def counts(rig: GmailRig) -> dict[str, int]:
    """How often each method of Gmail was called."""
    return {
        name.removeprefix("gmail."): count
        for name, count in rig.sandbox.get("/control/counts").items()
        if name.startswith("gmail.") and name.count(".") <= 2
    }


def fresh(rig: GmailRig) -> None:
    """Count anew."""
    rig.sandbox.post("/control/counts/reset")
