"""Microsoft Entra's side of the consent."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import requests

from infra.settings import Settings
from providers import causes
from providers.authority import Authority, Identity
from providers.client import Operator, ProviderError, Reconnect, Retry

NEEDED = frozenset({"mail.read", "mailboxsettings.read"})
SCOPES = ("openid", "profile", "offline_access", "User.Read", "Mail.Read", "MailboxSettings.Read")
TIMEOUT = 20  # seconds
# We answer claims challenges: without saying so we would get none, and learn of a changed password or
# a disabled account only when the access token has run out.
CAPABILITIES = ("cp1",)

# The `error` decides, as Microsoft asks; the number only words it better. Numbers: Microsoft's list
# (learn.microsoft.com/entra/identity-platform/reference-error-codes) and its page on unexpected errors
# at consent (90093, 90094). Seen by others as invalid_grant: 50034
# (github.com/AzureAD/microsoft-authentication-library-for-java/issues/38), 50173, and 70043
# (github.com/simonrob/email-oauth2-proxy/issues/181; as interaction_required in
# github.com/KelvinTegelaar/CIPP/issues/1156). Not found anywhere: 90095 in an answer to an app.
_OURS = {
    "invalid_client": causes.CLIENT_SECRET,
    "unauthorized_client": causes.CLIENT_NOT_ALLOWED,
    "invalid_resource": causes.REQUEST_REFUSED,
    "invalid_scope": causes.REQUEST_REFUSED,
    "invalid_request": causes.REQUEST_REFUSED,
    "unsupported_grant_type": causes.REQUEST_REFUSED,
    "unsupported_response_type": causes.REQUEST_REFUSED,
}
_THEIRS = {
    "invalid_grant": causes.REVOKED,
    "interaction_required": causes.SIGN_IN,
    "login_required": causes.SIGN_IN,
    "consent_required": causes.CONSENT_MISSING,
    "access_denied": causes.CONSENT_DENIED,
    "insufficient_claims": causes.CONDITIONAL_ACCESS,
}
_LATER = frozenset({"temporarily_unavailable", "server_error"})

_NUMBERS = {
    causes.PASSWORD_CHANGED: (50055, 50132, 50133, 50144),
    causes.MFA: (50072, 50074, 50076, 50078, 50079, 50158),
    causes.SIGN_IN: (50058,),
    causes.EXPIRED: (50089, 70008, 700082),
    causes.SESSION_ENDED: (70043,),
    causes.TIME_LIMITED: (700084,),
    causes.REVOKED: (50173, 70000),
    causes.ACCOUNT_LOCKED: (50053,),
    causes.ACCOUNT_DISABLED: (50057,),
    causes.MAILBOX_GONE: (50034,),
    causes.NOT_ASSIGNED: (50105,),
    causes.CONDITIONAL_ACCESS: (*range(53000, 54000), 530003, 530084, 700003),
    causes.CONSENT_MISSING: (65001,),
    causes.CONSENT_DENIED: (65004,),
    causes.ADMIN_CONSENT: (90093, 90094, 90095),
}
_CAUSE_OF = {number: cause for cause, numbers in _NUMBERS.items() for number in numbers}
_OUR_CAUSE_OF = {
    7000215: causes.CLIENT_SECRET,
    7000222: causes.CLIENT_SECRET,
    700016: causes.CLIENT_ID,
    50196: causes.REFRESH_LOOP,
}
_AADSTS = re.compile(r"AADSTS(\d+)")


def authority(settings: Settings) -> Authority:
    """Entra as an `Authority`, for the tenant of the settings."""
    base = f"{settings.entra_authority_url}/{settings.microsoft_tenant}/oauth2/v2.0"
    return Authority(
        authorize_url=f"{base}/authorize",
        token_url=f"{base}/token",
        revoke_url="",
        client_id=settings.microsoft_client_id,
        client_secret=settings.microsoft_client_secret.get_secret_value(),
        scopes=SCOPES,
        needed=NEEDED,
        extra={"response_mode": "query", "prompt": "select_account"},
        refusal=refusal,
        granted=_granted,
        identity=partial(_identity, settings.graph_api_url),
        owner=partial(_owner, settings.graph_api_url),
        capabilities=CAPABILITIES,
    )


def refusal(error: str, description: str) -> ProviderError:
    """What an OAuth error of Entra means."""
    found = _AADSTS.search(description)
    number = int(found[1]) if found else 0
    detail = f"{error} {number}" if number else error
    if error in _LATER:
        return Retry(None, detail)
    if number in _OUR_CAUSE_OF:
        return Operator(_OUR_CAUSE_OF[number], detail)
    if error in _THEIRS:
        return Reconnect(_CAUSE_OF.get(number, _THEIRS[error]), detail)
    if number in _CAUSE_OF:
        return Reconnect(_CAUSE_OF[number], detail)
    return Operator(_OURS.get(error, causes.REQUEST_REFUSED), detail)


def _granted(scope: str) -> frozenset[str]:
    """Scopes by their short names: Graph's come with or without its address, in any case."""
    return frozenset(one.rpartition("/")[2].lower() for one in scope.split())


def _identity(graph_api_url: str, claims: Mapping[str, Any], access_token: str) -> Identity:
    """The primary address, which need not be the sign-in name. Raises Retry."""
    if not claims.get("tid") or not claims.get("oid"):
        raise Reconnect(causes.ANSWER_INVALID, "the ID token names nobody")
    return _owner(graph_api_url, claims, access_token)


def _owner(graph_api_url: str, claims: Mapping[str, Any], access_token: str) -> Identity:
    try:
        answer = requests.get(
            f"{graph_api_url}/me",
            params={"$select": "mail,userPrincipalName"},
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=TIMEOUT,
        )
        answer.raise_for_status()
        profile = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise Retry(None, "the profile cannot be read") from error
    named = claims.get("preferred_username") or profile.get("userPrincipalName")
    address = profile.get("mail") or named
    if not isinstance(address, str) or "@" not in address:
        raise Reconnect(causes.LICENCE_MISSING, "the account has no address")
    tenant, person = claims.get("tid"), claims.get("oid")
    return address, f"{tenant}:{person}" if tenant and person else ""
