"""What the pretend Microsoft knows beside mailboxes: keys, consents, codes, tokens, subscriptions."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from random import Random
from secrets import token_urlsafe
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.microsoft.notifier import Notifier
from sandbox.microsoft.wire import Json
from sandbox.world import World

if TYPE_CHECKING:
    from sandbox.microsoft.people import Mailbox
    from sandbox.microsoft.subscriptions import Subscription

CLIENT_ID = "sandbox-microsoft-client"
CLIENT_SECRET = "sandbox-microsoft-secret"
GRAPH = "https://graph.microsoft.com/"


def tenant_of(address: str) -> str:
    """The tenant id of a domain: always the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"tenant {address.rpartition('@')[2].lower()}"))


def plain_scope(scope: str) -> str:
    """Without the resource in front of it."""
    return scope.removeprefix(GRAPH)


@dataclass
class Code:
    """What an authorization code stands for."""

    address: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    nonce: str
    expires: datetime
    proven: bool = False  # the sign-in proved what claims asked for


@dataclass
class Grant:
    """What a refresh token stands for; many tokens may share one grant."""

    address: str
    scopes: frozenset[str]
    revoked: str = ""  # AADSTS number once it is
    proven: bool = False  # likewise


@dataclass
class Access:
    """What an access token stands for."""

    grant: Grant
    scopes: frozenset[str]
    expires: datetime
    with_claims: bool = False  # got with a claims challenge answered
    capable: bool = False  # the app said it can handle claims challenges (CP1)


@dataclass
class Service:
    """State of the pretend Microsoft in one world; guarded by the world's lock."""

    world: World
    codes: dict[str, Code] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    consents: dict[str, set[str]] = field(default_factory=dict)  # address -> scopes
    approved: set[str] = field(default_factory=set)  # tenants whose admin consented
    subscriptions: dict[str, "Subscription"] = field(default_factory=dict)
    random: Random = field(default_factory=lambda: Random(11))

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.world)
        self.world.resets.append(self.reset)

    def reset(self) -> None:
        """Forget everything but the keys."""
        for kept in (self.codes, self.refresh, self.access, self.consents, self.subscriptions):
            kept.clear()
        self.approved.clear()
        self.notifier.clear()

    def mailbox(self, key: str) -> "Mailbox | None":
        """By address or object id."""
        from sandbox.microsoft.people import Mailbox

        for person in self.world.people.values():
            backend = person.backend
            known = (person.address, getattr(backend, "oid", ""))
            if isinstance(backend, Mailbox) and key.lower() in known:
                return backend
        return None

    def addresses(self) -> list[str]:
        people = self.world.people.values()
        return [person.address for person in people if person.provider == "microsoft"]

    # keys

    @cached_property
    def key(self) -> RSAKey:
        return RSAKey.generate_key(2048, {"use": "sig", "kid": "sandbox-microsoft-1"})

    def public_keys(self) -> Json:
        return {"keys": [dict(self.key.as_dict(private=False))]}

    def sign(self, claims: Json) -> str:
        header = {"alg": "RS256", "kid": "sandbox-microsoft-1", "typ": "JWT"}
        return jwt.encode(header, claims, self.key)

    # tokens

    def new_code(self, code: Code) -> str:
        text = "1.A" + token_urlsafe(60)
        self.codes[text] = code
        return text

    def new_refresh(self, grant: Grant) -> str:
        text = "1.AXoA" + token_urlsafe(90)
        self.refresh[text] = grant
        return text

    def new_access(self, access: Access) -> str:
        text = f"eyJ0eXAi{token_urlsafe(40)}.{token_urlsafe(120)}.{token_urlsafe(60)}"
        self.access[text] = access
        return text

    def revoke(self, address: str, number: str, ends_access: bool = False) -> None:
        """End every grant of a person; refreshing then fails with AADSTS `number`."""
        for grant in self.refresh.values():
            if grant.address == address:
                grant.revoked = number
        self.consents.pop(address, None)
        for text, access in list(self.access.items()):
            if access.grant.address == address and (ends_access or access.capable):
                self.access[text].grant.revoked = number
                if not access.capable:
                    del self.access[text]

    def expire_access(self, address: str) -> None:
        """Access tokens of a person end now; refreshing still works."""
        for access in self.access.values():
            if access.grant.address == address:
                access.expires = self.world.now() - timedelta(seconds=1)


_SERVICES: WeakKeyDictionary[World, Service] = WeakKeyDictionary()


def service_of(world: World) -> Service:
    """The one Service of a world."""
    with world.lock:
        if world not in _SERVICES:
            _SERVICES[world] = Service(world)
        return _SERVICES[world]
