"""Consent and tokens: one OAuth flow (authorization code with PKCE) for every provider that has one.

Raised: Reconnect (the owner or their admin must act), Retry (the provider or the network is not
there), Operator (our registration is wrong).
"""

import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter

from crm.model import Tokens
from infra.settings import Settings
from providers import causes
from providers.authority import Authority, claims_of, claims_wanted
from providers.client import Operator, Reconnect, Retry
from providers.registry import authority
from providers.tokens import StoredTokens, TokenSource
from providers.waiting import retry_after

__all__ = [
    "Flow",
    "Grant",
    "StoredTokens",
    "TokenSource",
    "adopt",
    "begin",
    "finish",
    "refresh",
    "revoke",
]

TIMEOUT = 20  # seconds, to connect and between bytes
OK = 200
REFUSALS = frozenset({400, 401, 403})  # RFC 6749, 5.2, and what Google does
EARLY = timedelta(minutes=10)  # clocks differ
# An access token is not used for longer, though Entra's live for a day where we answer challenges:
# nothing promises that a consent that was taken back ends them.
LONGEST_USED = timedelta(minutes=90)
TOO_MANY = 429
REQUEST_TIMEOUT = 408
SERVER_ERROR = 500


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
    subject: str  # the provider's lasting name of the person: Google's `sub`, Entra's "tid:oid"


def begin(
    provider: str, settings: Settings, redirect_uri: str, login_hint: str = "", claims: str = ""
) -> Flow:
    """Where to send the person who connects a mailbox; `claims`: what the sign-in must prove, as
    the provider asked when it refused the last one. Makes no request. Raises Operator."""
    there = _configured(provider, settings)
    state, verifier = generate_token(43), generate_token(64)
    given = {"login_hint": login_hint, "claims": there.claims(claims)}
    extra = dict(there.extra) | {name: value for name, value in given.items() if value}
    session = _session(there, scope=" ".join(there.scopes), redirect_uri=redirect_uri)
    url, _ = session.create_authorization_url(
        there.authorize_url, state=state, code_verifier=verifier, **extra
    )
    return Flow(url, state, verifier)


def finish(
    provider: str,
    settings: Settings,
    redirect_uri: str,
    flow: Flow,
    args: Mapping[str, str],
    claims: str = "",
) -> Grant:
    """The answer to `flow`, as query arguments of the callback, turned into tokens. `claims`: those
    that it was begun with.

    Raises Reconnect (not our state, consent denied, a scope unticked, ...), Retry or Operator.
    """
    there = _configured(provider, settings)
    if not hmac.compare_digest(args.get("state", "").encode(), flow.state.encode()):
        raise Reconnect(causes.ANSWER_INVALID, "state")
    if "error" in args:
        raise there.refusal(args["error"], _description(args))
    code = args.get("code", "")
    if not code:
        raise Reconnect(causes.ANSWER_INVALID, "no code")
    session = _session(there, redirect_uri=redirect_uri)
    with _refusals(there):
        answer = session.fetch_token(
            there.token_url,
            grant_type="authorization_code",
            code=code,
            code_verifier=flow.verifier,
            allow_redirects=False,
            **_proving(there, claims),
        )
    tokens = _tokens(there, answer, None)
    if not tokens.refresh_token:
        raise Reconnect(causes.SCOPE_MISSING, "no refresh token")
    person = claims_of(str(answer.get("id_token", "")), there.client_id)
    address, subject = there.identity(person, tokens.access_token)
    return Grant(tokens, address, subject)


def refresh(provider: str, settings: Settings, tokens: Tokens, claims: str = "") -> Tokens:
    """New tokens; the refresh token is the new one where the provider changed it. `claims`: what the
    provider asked for when it refused the last access token."""
    there = _configured(provider, settings)
    try:
        answer = _refreshed(there, tokens.refresh_token, claims)
    except Reconnect as error:
        ends = tokens.consent_ends_at
        if error.cause == causes.REVOKED and ends is not None and ends <= datetime.now(UTC) + EARLY:
            raise Reconnect(causes.TIME_LIMITED, error.detail) from None
        raise
    return _tokens(there, answer, tokens)


def adopt(provider: str, settings: Settings, refresh_token: str) -> Grant:
    """A consent that was given elsewhere, by its refresh token; whose mailbox it is, the provider
    is asked. `subject` is '' where the answer has no ID token. Raises Reconnect, Retry, Operator."""
    there = _configured(provider, settings)
    old = Tokens("", refresh_token, datetime.fromtimestamp(0, UTC), there.needed)
    answer = _refreshed(there, refresh_token)
    tokens = _tokens(there, answer, old)
    id_token = str(answer.get("id_token") or "")
    claims = claims_of(id_token, there.client_id) if id_token else {}
    address, subject = there.owner(claims, tokens.access_token)
    return Grant(tokens, address, subject)


def revoke(provider: str, settings: Settings, tokens: Tokens) -> None:
    """Give the consent back where the provider has a way. Tokens that are void already are no error;
    raises Retry when the provider does not answer."""
    there = authority(provider, settings)
    if not there.revoke_url:
        return
    with _refusals(there):
        _available(
            _session(there).post(
                there.revoke_url,
                data={"token": tokens.refresh_token},
                withhold_token=True,
                allow_redirects=False,
            )
        )


def _refreshed(there: Authority, refresh_token: str, claims: str = "") -> dict[str, Any]:
    with _refusals(there):
        answer: dict[str, Any] = _session(there).refresh_token(
            there.token_url,
            refresh_token=refresh_token,
            allow_redirects=False,
            **_proving(there, claims),
        )
    return answer


def _proving(there: Authority, claims: str) -> dict[str, str]:
    asked = there.claims(claims)
    return {"claims": asked} if asked else {}


def _configured(provider: str, settings: Settings) -> Authority:
    there = authority(provider, settings)
    if not there.client_id:
        raise Operator(causes.NOT_CONFIGURED, provider)
    return there


def _session(there: Authority, **more: Any) -> OAuth2Session:
    how = "client_secret_post" if there.client_secret else "none"
    session = OAuth2Session(
        there.client_id,
        there.client_secret,
        token_endpoint_auth_method=how,
        code_challenge_method="S256",
        default_timeout=TIMEOUT,
        **more,
    )
    session.mount("https://", _connections())
    session.register_compliance_hook("access_token_response", _understood)
    session.register_compliance_hook("refresh_token_response", _understood)
    return session


@cache
def _connections() -> HTTPAdapter:
    """Kept for the life of the process: a new TLS context costs 20 ms of CPU."""
    return HTTPAdapter()


class _Refused(Exception):
    """A token endpoint's refusal, with what Authlib would lose of it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__()
        self.error = str(body["error"])
        words = (body.get(name) for name in ("error_subtype", "error_description"))
        self.description = " ".join(str(each) for each in words if each)
        self.claims = str(body.get("claims") or "")


def _available(answer: requests.Response) -> requests.Response:
    """`answer`, unless it says "not now"."""
    if answer.status_code in {TOO_MANY, REQUEST_TIMEOUT} or answer.status_code >= SERVER_ERROR:
        wait = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        raise Retry(wait, f"sign-in answered {answer.status_code}")
    return answer


def _understood(answer: requests.Response) -> requests.Response:
    """`answer`, where a token endpoint can have given it. A proxy, a captive portal and a firewall
    answer in its place, too: what they say must never count as a lost consent."""
    status, body = _available(answer).status_code, _json(answer)
    if status in REFUSALS and isinstance(body.get("error"), str):
        raise _Refused(body)
    if status != OK or "error" in body:
        raise Retry(None, f"sign-in answered {status}, and not as a token endpoint does")
    return answer


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _refusals(there: Authority) -> Iterator[None]:
    try:
        yield
    except _Refused as refused:
        found = there.refusal(refused.error, refused.description)
        if isinstance(found, Reconnect):
            found.claims = claims_wanted(refused.claims)
        raise found from None
    except OAuthError as error:
        raise Retry(None, f"sign-in failed: {type(error).__name__}") from None
    except (requests.RequestException, ValueError) as error:
        raise Retry(None, f"sign-in failed: {type(error).__name__}") from error


def _tokens(there: Authority, answer: Mapping[str, Any], old: Tokens | None) -> Tokens:
    """A token endpoint's answer as `Tokens`; what it leaves out stays as it was."""
    try:
        access, expires = str(answer["access_token"]), float(answer["expires_at"])
    except (KeyError, TypeError, ValueError):
        raise Retry(None, "sign-in gave no token") from None
    scopes = there.granted(str(answer["scope"])) if "scope" in answer else None
    if scopes is None:
        scopes = old.scopes if old else there.needed  # RFC 6749, 5.1: left out = as asked for
    if not there.needed <= scopes:
        raise Reconnect(causes.SCOPE_MISSING)
    kept = old.refresh_token if old else ""
    ends = _consent_ends(answer)
    longest = datetime.now(UTC) + LONGEST_USED
    return Tokens(
        access_token=access,
        refresh_token=str(answer.get("refresh_token") or kept),
        expires_at=datetime.fromtimestamp(min(expires, longest.timestamp()), UTC),
        scopes=scopes,
        consent_ends_at=ends or (old.consent_ends_at if old else None),
    )


def _consent_ends(answer: Mapping[str, Any]) -> datetime | None:
    """When a consent ends that was given for a limited time; Google says so."""
    try:
        life = timedelta(seconds=float(answer["refresh_token_expires_in"]))
        return datetime.now(UTC) + life
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _description(args: Mapping[str, str]) -> str:
    return " ".join(args.get(name, "") for name in ("error_subtype", "error_description"))
