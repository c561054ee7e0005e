"""Google's side of the consent."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from infra.settings import Settings
from providers import causes
from providers.authority import Authority, Identity
from providers.client import Operator, ProviderError, Reconnect, Retry
from providers.held import HeldToken

READ = "https://www.googleapis.com/auth/gmail.readonly"
LABELS = "https://www.googleapis.com/auth/gmail.labels"  # to make the log label: names, no mail

_OURS = {
    "invalid_client": causes.CLIENT_SECRET,
    "unauthorized_client": causes.CLIENT_NOT_ALLOWED,
    "deleted_client": causes.CLIENT_ID,
    "disabled_client": causes.CLIENT_ID,
    "redirect_uri_mismatch": causes.CLIENT_NOT_ALLOWED,
    "org_internal": causes.CLIENT_NOT_ALLOWED,
    "invalid_scope": causes.REQUEST_REFUSED,
    "invalid_request": causes.REQUEST_REFUSED,
    "unsupported_grant_type": causes.REQUEST_REFUSED,
}
_THEIRS = {
    "invalid_grant": causes.REVOKED,
    "access_denied": causes.CONSENT_DENIED,
    "admin_policy_enforced": causes.ADMIN_BLOCKED,
    "interaction_required": causes.SIGN_IN,
    "login_required": causes.SIGN_IN,
    "consent_required": causes.CONSENT_MISSING,
}
# Words in Google's description. "deleted" as in github.com/FlowCrypt/flowcrypt-browser/issues/2269;
# that "disabled" is said in the same way is a guess, which costs nothing where it is wrong.
_SIGNS = {
    "admin_policy_enforced": causes.ADMIN_BLOCKED,
    "invalid_rapt": causes.SESSION_ENDED,  # the organisation limits how long a sign-in lasts
    "rapt_required": causes.SESSION_ENDED,
    "account has been deleted": causes.MAILBOX_GONE,
    "account has been disabled": causes.ACCOUNT_DISABLED,
}
_LATER = frozenset({"server_error", "temporarily_unavailable", "internal_failure"})


def authority(settings: Settings) -> Authority:
    """Google as an `Authority`. `include_granted_scopes` is never sent: it can bring back a
    metadata-only grant, with which no body can be read."""
    return Authority(
        authorize_url=settings.google_auth_url,
        token_url=settings.google_token_url,
        revoke_url=settings.google_revoke_url,
        client_id=settings.google_client_id,
        client_secret=settings.google_client_secret.get_secret_value(),
        scopes=("openid", "email", READ, LABELS),
        needed=frozenset({READ}),
        extra={"access_type": "offline", "prompt": "consent"},
        refusal=refusal,
        granted=lambda scope: frozenset(scope.split()),
        identity=_identity,
        owner=partial(_owner, settings),
    )


def refusal(error: str, description: str) -> ProviderError:
    """What an OAuth error of Google means; `description` may be its `error_subtype`. Google rarely
    tells why a grant became invalid: an administrator's policy or a session limit it does."""
    if error in _LATER:
        return Retry(None, error)
    for sign, cause in _SIGNS.items():
        if sign in description.lower():
            return Reconnect(cause, error)
    if error in _THEIRS:
        return Reconnect(_THEIRS[error], error)
    return Operator(_OURS.get(error, causes.REQUEST_REFUSED), error)


def _identity(claims: Mapping[str, Any], access_token: str) -> Identity:
    del access_token
    address, subject = claims.get("email"), claims.get("sub")
    if not isinstance(address, str) or not isinstance(subject, str):
        raise Reconnect(causes.SCOPE_MISSING, "the ID token has no address")
    return address, subject


def _owner(settings: Settings, claims: Mapping[str, Any], access_token: str) -> Identity:
    """By the mailbox's profile: a token for Gmail alone comes without claims."""
    from providers.gmail.client import GmailClient  # only who adopts a token pays for the SDK

    client = GmailClient(HeldToken(access_token), settings)
    try:
        return client.address(), str(claims.get("sub", ""))
    finally:
        client.close()
