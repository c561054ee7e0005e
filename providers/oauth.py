"""Consent and tokens: one OAuth flow (authorization code with PKCE) for every provider that has one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crm.model import Tokens
from infra.settings import Settings
from providers.tokens import StoredTokens, TokenSource

__all__ = ["Flow", "Grant", "StoredTokens", "TokenSource", "begin", "finish", "refresh", "revoke"]


@dataclass(frozen=True, slots=True)
class Flow:
    """A consent under way. Lives in the caller's session until the answer comes."""

    url: str  # where to send the browser
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a finished consent gave: tokens, and whose mailbox it is."""

    tokens: Tokens
    address: str
    subject: str  # the provider's lasting name of the person: Google `sub`, Entra "tid:oid"


def begin(provider: str, settings: Settings, redirect_uri: str, login_hint: str = "") -> Flow:
    """Where to send the person who connects a mailbox. No request is made."""
    raise NotImplementedError


def finish(
    provider: str, settings: Settings, redirect_uri: str, flow: Flow, args: Mapping[str, str]
) -> Grant:
    """The answer to `flow`, as query arguments of the callback, turned into tokens.

    Raises Reconnect (state mismatch, consent denied, a scope unticked), Retry or Operator.
    """
    raise NotImplementedError


def refresh(provider: str, settings: Settings, tokens: Tokens) -> Tokens:
    """New tokens; the refresh token is the new one where the provider changed it."""
    raise NotImplementedError


def revoke(provider: str, settings: Settings, tokens: Tokens) -> None:
    """Give the consent back. Best effort: tokens that are void already are no error."""
    raise NotImplementedError
