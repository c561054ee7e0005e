"""What differs between the providers' OAuth; `providers.oauth` has what is the same."""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from joserfc import errors, jws

from providers import causes
from providers.client import ProviderError, Reconnect

Identity: TypeAlias = tuple[
    str, str
]  # the mailbox's address; the provider's lasting name of the person


@dataclass(frozen=True, slots=True)
class Authority:
    """One provider's endpoints and habits, with our registration there."""

    authorize_url: str
    token_url: str
    revoke_url: str  # "" where a consent cannot be given back by a request
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]  # asked for
    needed: frozenset[str]  # of those granted, without which nothing works
    extra: Mapping[str, str]  # further arguments of the authorize URL
    refusal: Callable[[str, str], ProviderError]  # for an OAuth error and its description
    granted: Callable[[str], frozenset[str]]  # scopes out of a token answer's `scope`
    identity: Callable[[Mapping[str, Any], str], Identity]  # of id token claims and access token
    owner: Callable[[Mapping[str, Any], str], Identity]  # likewise, where the claims may be missing
    capabilities: tuple[str, ...] = ()  # of ours, told with every request (Entra)

    def claims(self, wanted: str = "") -> str:
        """What to send as `claims`: what the provider `wanted` proven, and our capabilities."""
        wanted = claims_wanted(wanted)
        if not self.capabilities:
            return wanted
        claims = json.loads(wanted or "{}")
        access = claims.get("access_token")
        able = {"xms_cc": {"values": list(self.capabilities)}}
        claims["access_token"] = (access if isinstance(access, dict) else {}) | able
        return json.dumps(claims, separators=(",", ":"))


MOST_CLAIMS = 2000  # characters; they must fit into an address


def claims_wanted(text: str) -> str:
    """What Entra wants a sign-in to prove, as the JSON text to send back; "" where it is none.
    `text` is that JSON, or its base64 as in a WWW-Authenticate header."""
    with suppress(
        ValueError, RecursionError
    ):  # binascii.Error and UnicodeDecodeError are the first
        if text and not text.lstrip().startswith("{"):
            plain = text.replace("-", "+").replace("_", "/").rstrip("=")
            text = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
        if len(text) <= MOST_CLAIMS and isinstance(json.loads(text), dict):
            return text
    return ""


def claims_of(id_token: str, client_id: str) -> dict[str, Any]:
    """The claims of an ID token that came straight from the token endpoint over TLS, where OpenID
    Connect lets the transport stand for the signature. Raises Reconnect when it is not ours."""
    try:
        claims = json.loads(jws.extract_compact(id_token.encode()).payload)
    except (errors.JoseError, ValueError) as error:
        raise Reconnect(causes.ANSWER_INVALID, "no readable ID token") from error
    if not isinstance(claims, dict) or claims.get("aud") != client_id:
        raise Reconnect(causes.ANSWER_INVALID, "the ID token is for another app")
    return claims
