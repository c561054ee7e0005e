"""A mailbox at the pretend Microsoft 365, for the contract."""

import base64
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from crm.model import Place, Tokens
from infra.settings import Settings
from providers import oauth
from providers.graph import loop
from providers.graph.client import GraphClient
from providers.tokens import StoredTokens
from tests.providers.graph_stub import Asked, Reply, Stub, serving
from tests.sandbox_process import Sandbox

_numbers = itertools.count(1)
PLACES = {Place.FOLLOWED: "inbox", Place.JUNK: "junk", Place.TRASH: "trash", Place.SENT: "sent"}


def settings_for(sandbox: Sandbox, **more: Any) -> Settings:
    """Settings that lead to the sandbox instead of Microsoft. Nobody listens at the public address:
    an installation on this machine, at the usual port, must not answer in our stead."""
    return Settings(
        graph_api_url=f"{sandbox.url}/v1.0",
        entra_authority_url=sandbox.url,
        microsoft_client_id="sandbox-microsoft-client",
        microsoft_client_secret="sandbox-microsoft-secret",
        dns_server=sandbox.dns,
        **{"public_url": "http://127.0.0.1:1"} | more,
    )


class Store:
    """Where `StoredTokens` keeps them."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.version = 1

    def load(self) -> tuple[Tokens, int]:
        return self.tokens, self.version

    def save(self, tokens: Tokens, version: int) -> bool:
        if version != self.version:
            return False
        self.tokens, self.version = tokens, version + 1
        return True


@dataclass
class GraphRig:
    """See `contract.Rig`; `address` is a person of this rig's own."""

    sandbox: Sandbox
    address: str
    settings: Settings
    client: GraphClient
    hooks: Stub  # answers the proof that Graph asks for when a subscription is made
    store: Store
    page_size: int = 3

    def control(self, path: str, **body: Any) -> Any:
        return self.sandbox.post(f"/control/{path}", address=self.address, **body)

    def deliver(self, raw: bytes, place: Place = Place.FOLLOWED) -> str:
        if place is Place.DRAFT:
            return self._save_draft(raw)
        made = self.sandbox.post(
            "/control/mail",
            raw=base64.b64encode(raw).decode(),
            recipients=[self.address],
            place=PLACES[place],
        )
        found: str = made["ids"][self.address]
        return found

    def send(self, raw: bytes) -> str:
        """As a program that may write would: a draft of the whole message, then sent."""
        found = self._save_draft(raw)
        self._graph("POST", f"me/messages/{found}/send")
        return found

    def _save_draft(self, raw: bytes) -> str:
        raw = re.sub(rb"(?m)^From: .*", f"From: {self.address}\r".encode(), raw, count=1)
        answer = self._graph(
            "POST",
            "me/messages",
            content=base64.b64encode(raw),
            headers={"Content-Type": "text/plain", "Prefer": 'IdType="ImmutableId"'},
        )
        found: str = answer.json()["id"]
        return found

    def _graph(self, method: str, path: str, **more: Any) -> httpx.Response:
        scopes = ["Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read"]
        token = self.control("microsoft/token", scopes=scopes)["access_token"]
        more["headers"] = {**more.get("headers", {}), "Authorization": f"Bearer {token}"}
        answer = self.sandbox.http.request(method, f"/v1.0/{path}", **more)
        answer.raise_for_status()
        return answer

    def delete(self, ref: str) -> None:
        self.control("delete", id=ref)

    def move(self, ref: str, place: Place) -> str:
        found: str = self.control("move", id=ref, to=PLACES[place])["id"]
        return found

    def label(self, ref: str, name: str) -> None:
        self.control("label", id=ref, label=name)

    def mark_read(self, ref: str) -> None:
        self.control("microsoft/read", id=ref)

    def expire(self) -> None:
        self.control("expire-history")

    def labels(self) -> list[str]:
        listed = self._graph("GET", "me/outlook/masterCategories").json()["value"]
        return [one["displayName"] for one in listed]

    def keep_labels(self) -> None:
        """As without an administrator who gave more than is asked for."""
        self.store.tokens = _tokens(self.sandbox, self.address)

    def refuse(self, status: int, retry_after: float | None = None, times: int = 1) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        self._fault(kind="status", status=status, headers=headers, times=times)

    def drop(self, times: int = 1) -> None:
        self._fault(kind="reset", times=times)

    def _fault(self, **fault: Any) -> None:
        self.sandbox.post("/control/faults", match="/v1.0/", **fault)

    def revoke(self) -> None:
        self.control("microsoft/revoke-sessions")
        self.control("expire-tokens")


@contextmanager
def rig_on(sandbox: Sandbox, page_size: int = 3) -> Iterator[GraphRig]:
    """A rig with an empty mailbox of a new person."""
    address = f"user{next(_numbers)}@acme365.test"
    sandbox.post("/control/people", address=address, name="User", provider="microsoft")
    with serving(Stub(script=_prove)) as hooks:
        settings = settings_for(sandbox, public_url=hooks.url.removesuffix("/v1.0"))
        store = Store(_tokens(sandbox, address, "MailboxSettings.ReadWrite"))
        source = StoredTokens(store.load, store.save, partial(oauth.refresh, "graph", settings))
        client = GraphClient(source, settings, page_size)
        yield GraphRig(sandbox, address, settings, client, hooks, store, page_size)
        loop.shutdown()


def _tokens(sandbox: Sandbox, address: str, *more: str) -> Tokens:
    scopes = ["openid", "offline_access", "User.Read", "Mail.Read", "MailboxSettings.Read", *more]
    given = sandbox.post("/control/microsoft/token", address=address, scopes=scopes)
    until = datetime.now(UTC) + timedelta(seconds=given["expires_in"])
    return Tokens(given["access_token"], given["refresh_token"], until)


def _prove(asked: Asked) -> Reply:
    token = asked.path.partition("validationToken=")[2].replace("+", " ")
    if token:
        return Reply(200, token.encode(), {"Content-Type": "text/plain"})
    return Reply(202)
