"""Sign-in data: clients, codes, grants and tokens of the pretend Google."""

import hashlib
import random
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.google.keys import KeyRing, b64url
from sandbox.world import World

CODE_LIFE = timedelta(minutes=10)
MAX_REFRESH_TOKENS = 100  # per account and client; the oldest dies silently
LONG = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}


class OAuthError(Exception):
    """An error answer of the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400, **extra: str) -> None:
        super().__init__(error)
        self.error, self.description, self.status, self.extra = error, description, status, extra


@dataclass
class Client:
    id: str
    secret: str
    project: str
    redirects: tuple[str, ...] = ()  # empty: any http://127.0.0.1 or localhost


@dataclass
class Grant:
    """What a person allowed a client, once."""

    client: str
    address: str
    scopes: frozenset[str]
    alive: bool = True
    ends: datetime | None = None  # for a limited time, as of an app in testing


@dataclass
class Code:
    grant: Grant
    redirect_uri: str
    challenge: str
    method: str
    expires: datetime
    offline: bool
    nonce: str
    used: bool = False


@dataclass
class Access:
    """An access token; without a grant it is a service account's."""

    address: str
    scopes: frozenset[str]
    expires: datetime
    client: str
    grant: Grant | None = None


@dataclass
class Accounts:
    """All sign-in state."""

    world: World
    keys: KeyRing
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)  # service account -> public key, PEM

    def reset(self) -> None:
        for kept in (self.clients, self.codes, self.refresh, self.access, self.services):
            kept.clear()
        self.keys.reset()
        self.clients["sandbox-google-client"] = Client(
            "sandbox-google-client", "sandbox-google-secret", "sandbox"
        )

    def subject(self, address: str) -> str:
        """Google's number of a person: the same for ever."""
        return "1" + str(int(hashlib.sha256(address.encode()).hexdigest(), 16))[:20]

    def new_code(self, code: Code) -> str:
        text = f"4/0A{secrets.token_urlsafe(40)}"
        self.codes[text] = code
        return text

    def had_consent(self, client: str, address: str) -> bool:
        return any(
            g.alive and g.client == client and g.address == address for g in self.refresh.values()
        )

    def earlier_scopes(self, client: str, address: str) -> frozenset[str]:
        """For include_granted_scopes."""
        found = [g for g in self.refresh.values() if (g.client, g.address) == (client, address)]
        return frozenset(s for g in found if g.alive for s in g.scopes)

    def new_refresh(self, grant: Grant) -> str:
        same = [
            t
            for t, g in self.refresh.items()
            if (g.client, g.address) == (grant.client, grant.address)
        ]
        for oldest in same[: max(0, len(same) - MAX_REFRESH_TOKENS + 1)]:
            del self.refresh[oldest]
        text = f"1//0{secrets.token_urlsafe(48)}"
        self.refresh[text] = grant
        return text

    def new_access(self, address: str, scopes: frozenset[str], grant: Grant | None) -> str:
        life = float(str(self.world.switches["google.token_seconds"]))
        text = f"ya29.a0{secrets.token_urlsafe(90)}"
        expires = self.world.now() + timedelta(seconds=life)
        self.access[text] = Access(address, scopes, expires, grant.client if grant else "", grant)
        return text

    def id_token(self, grant: Grant, access_token: str, nonce: str = "") -> str:
        now = int(self.world.now().timestamp())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims: dict[str, object] = {
            "iss": "https://accounts.google.com",
            "azp": grant.client,
            "aud": grant.client,
            "sub": self.subject(grant.address),
            "hd": grant.address.rpartition("@")[2],
            "at_hash": b64url(half),
            "iat": now,
            "exp": now + 3600,
        }
        if LONG["email"] in grant.scopes:
            claims |= {"email": grant.address, "email_verified": True}
        if nonce:
            claims["nonce"] = nonce
        return self.keys.signing.sign(claims)

    def token_answer(self, grant: Grant, refresh: str | None, nonce: str = "") -> dict[str, object]:
        """The JSON of the token endpoint; scopes come back in another order, with long names."""
        access = self.new_access(grant.address, grant.scopes, grant)
        shown = sorted(grant.scopes)
        random.shuffle(shown)
        life = int(float(str(self.world.switches["google.token_seconds"])))
        answer: dict[str, object] = {"access_token": access, "expires_in": max(0, life - 1)}
        answer |= {"scope": " ".join(shown), "token_type": "Bearer"}
        if refresh:
            answer["refresh_token"] = refresh
        if refresh and (limit := float(str(self.world.switches["google.consent_seconds"]))):
            grant.ends = self.world.now() + timedelta(seconds=limit)
        if grant.ends:
            left = (grant.ends - self.world.now()).total_seconds()
            answer["refresh_token_expires_in"] = int(left)
        if "openid" in grant.scopes:
            answer["id_token"] = self.id_token(grant, access, nonce)
        return answer

    def live(self, token: str) -> Access | None:
        """The access token if it still works."""
        found = self.access.get(token)
        if found is None or found.expires <= self.world.now():
            return None
        return None if found.grant and not found.grant.alive else found

    def revoke(self, token: str) -> bool:
        """End the grant behind an access or refresh token; False when the token is unknown."""
        access = self.access.get(token)
        grant = self.refresh.get(token) or (access.grant if access else None)
        if grant is None or not grant.alive:
            return False
        self.end(grant.address, grant.client)
        return True

    def end(self, address: str, client: str = "") -> None:
        """End every grant of a person (to one client, or to all)."""
        held = list(self.refresh.values()) + [a.grant for a in self.access.values() if a.grant]
        for grant in held:
            if grant.address == address and client in ("", grant.client):
                grant.alive = False

    def end_access(self, address: str) -> None:
        """Access tokens stop now; refresh still works."""
        for text in [t for t, a in self.access.items() if a.address == address]:
            del self.access[text]
