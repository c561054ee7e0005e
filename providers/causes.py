"""Why a mailbox stopped, in words for people: the causes of `Reconnect` and of `Operator`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """`sentence` says what happened, `action` what to do, `said` by which answers a provider tells.
    `admin`: the owner cannot mend it alone."""

    id: str
    sentence: str
    action: str
    admin: bool = False
    said: str = ""


OWNER_CAUSES: dict[str, Cause] = {}  # of Reconnect: told to the mailbox's owner
OPERATOR_CAUSES: dict[str, Cause] = {}  # of Operator: told to who runs this installation

AGAIN = "Reconnect the mailbox."
_ASK = "Ask your IT administrator, then reconnect the mailbox."
_CREDENTIALS = "Check the client id and the client secret in the settings."


def after_event(cause: str, event: str) -> str:
    """The cause of a refusal, worded better by a security event of Google's that came before it:
    by itself Google seldom says why a grant is invalid."""
    return _AFTER_EVENT.get(event, cause) if cause == REVOKED else cause


def may_be_over(cause: str, event: str) -> bool:
    """Whether a security event of Google's is reason to try the consent of a mailbox that stopped by
    this cause once more: the account was enabled again."""
    return event == "account-enabled" and cause in {ACCOUNT_DISABLED, ACCOUNT_LOCKED, REVOKED}


def promise(cause: Cause) -> str:
    """What a person whose mailbox stopped may count on, truthfully."""
    if cause.id == MAILBOX_GONE:
        return "What was logged stays."
    return "Nothing is lost so far as you reconnect: what arrives meanwhile can be read then."


def explain(cause: str) -> Cause:
    """The words for a cause; those of `refused` for one that has none."""
    return OWNER_CAUSES.get(cause) or OPERATOR_CAUSES.get(cause) or OWNER_CAUSES[REFUSED]


def _owner(cause: str, sentence: str, action: str = AGAIN, *, said: str) -> str:
    OWNER_CAUSES[cause] = Cause(cause, sentence, action, admin=action == _ASK, said=said)
    return cause


def _operator(cause: str, sentence: str, action: str, *, said: str) -> str:
    OPERATOR_CAUSES[cause] = Cause(cause, sentence, action, admin=True, said=said)
    return cause


REVOKED = _owner(
    "revoked",
    "The permission to read this mailbox was taken back or has run out.",
    said="Google: invalid_grant without more (taken back by its owner, six months unused, too many "
    "permissions for one app, password changed), RISC tokens-revoked and token-revoked, 401. "
    "Microsoft: invalid_grant of any other kind, AADSTS50173, 70000, 401",
)
TIME_LIMITED = _owner(
    "time-limited",
    "The permission was given for a limited time, and that time is over.",
    "Reconnect the mailbox. If this comes again and again, ask who runs replylog: the app is in "
    "testing at Google (seven days), or registered as a single-page app at Microsoft (one day).",
    said="Google: invalid_grant after the `refresh_token_expires_in` of the consent. "
    "Microsoft: AADSTS700084",
)
EXPIRED = _owner(
    "expired",
    "The sign-in has run out because it was not used for a long time.",
    said="Microsoft: AADSTS50089, 70008, 700082",
)
SESSION_ENDED = _owner(
    "session-ended",
    "Your organisation ends sign-ins after some time, and yours has ended.",
    said="Google: invalid_grant with invalid_rapt or rapt_required. Microsoft: AADSTS70043",
)
PASSWORD_CHANGED = _owner(
    "password-changed",
    "The password was changed or has run out, or all sign-ins were ended.",
    said="Google: RISC sessions-revoked and account-credential-change-required. "
    "Microsoft: AADSTS50055, 50132, 50133, 50144",
)
MFA = _owner(
    "mfa",
    "The provider asks for a second proof of who you are.",
    said="Microsoft: AADSTS50072, 50074, 50076, 50078, 50079, 50158, with a claims challenge",
)
SIGN_IN = _owner(
    "sign-in",
    "The provider asks you to sign in again.",
    said="interaction_required or login_required without more, AADSTS50058",
)
SCOPE_MISSING = _owner(
    "scope-missing",
    "A permission that is needed to read mail was not given.",
    "Reconnect the mailbox and leave every permission ticked.",
    said="Google: fewer scopes in a token answer, 403 insufficientPermissions or "
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT. Microsoft: fewer scopes, 403 ErrorAccessDenied",
)
CONSENT_DENIED = _owner(
    "consent-denied",
    "The permission was declined.",
    "Connect again and accept, or leave the mailbox unconnected.",
    said="access_denied, AADSTS65004",
)
CONSENT_MISSING = _owner(
    "consent-missing",
    "The permission to read this mailbox was taken away from the app.",
    said="consent_required, AADSTS65001",
)
ADMIN_CONSENT = _owner(
    "admin-consent",
    "Your organisation lets only an administrator give this permission.",
    _ASK,
    said="Microsoft: AADSTS90093, 90094, 90095",
)
ADMIN_BLOCKED = _owner(
    "admin-blocked",
    "Your organisation does not allow this app.",
    _ASK,
    said="Google: admin_policy_enforced, 403 domainPolicy",
)
CONDITIONAL_ACCESS = _owner(
    "conditional-access",
    "A rule of your organisation forbids this sign-in, for example because of the device.",
    _ASK,
    said="Microsoft: AADSTS53000 to 53999, 530003, 530084, 700003, 401 or 403 insufficient_claims",
)
NOT_ASSIGNED = _owner(
    "not-assigned",
    "Your organisation has not assigned this app to you.",
    _ASK,
    said="Microsoft: AADSTS50105",
)
ACCOUNT_LOCKED = _owner(
    "account-locked",
    "The account is locked because somebody else may have used it.",
    "Unlock the account at the provider, then reconnect the mailbox.",
    said="Google: RISC account-disabled (hijacking). Microsoft: AADSTS50053",
)
ACCOUNT_DISABLED = _owner(
    "account-disabled",
    "The account is disabled.",
    _ASK,
    said="Google: invalid_grant for a disabled account, RISC account-disabled. "
    "Microsoft: AADSTS50057",
)
MAILBOX_UNAVAILABLE = _owner(
    "mailbox-unavailable",
    "The account has no mailbox that may be read: no licence, mail turned off, or on a server of "
    "your organisation.",
    _ASK,
    said="Google: 400 failedPrecondition (Mail service not enabled). Microsoft: "
    "MailboxNotEnabledForRESTAPI, MailboxNotSupportedForRESTAPI, extensionError",
)
LICENCE_MISSING = _owner(
    "licence-missing",
    "The account has no licence with a mailbox.",
    _ASK,
    said="Microsoft: a profile without an address",
)
MAILBOX_GONE = _owner(
    "mailbox-gone",
    "The mailbox does not exist (any more).",
    _ASK,
    said="Google: invalid_grant for a deleted account, RISC account-purged. Microsoft: "
    "AADSTS50034, ErrorNonExistentMailbox, ErrorInvalidUser, Request_ResourceNotFound",
)
MAILBOX_FULL = _owner(
    "mailbox-full",
    "The mailbox is full, and the provider refuses work on it.",
    "Make room in the mailbox, then reconnect it.",
    said="Microsoft: ErrorQuotaExceeded",
)
PROVIDER_MOVED = _owner(
    "provider-moved",
    "The domain's mail has moved to another provider.",
    "Reconnect the mailbox with the new provider; its threads go on.",
    said="other mail servers (MX) for the domain",
)
WRONG_ACCOUNT = _owner(
    "wrong-account",
    "The sign-in was for another mailbox than the one to reconnect.",
    "Start again and choose the right account.",
    said="another address than the mailbox's, at the end of a consent",
)
ANSWER_INVALID = _owner(
    "answer-invalid",
    "The provider's answer does not belong to a sign-in that was started here.",
    "Start again.",
    said="no code, another state, or an ID token for another app",
)
REFUSED = _owner(
    "refused",
    "The provider refuses access to this mailbox.",
    said="403 of any other kind",
)

NOT_CONFIGURED = _operator(
    "not-configured",
    "No client id is set for this provider.",
    _CREDENTIALS,
    said="nothing: it was not asked",
)
CLIENT_SECRET = _operator(
    "client-secret",
    "The client secret is wrong or has run out.",
    _CREDENTIALS,
    said="invalid_client, AADSTS7000215, 7000216, 7000222",
)
CLIENT_ID = _operator(
    "client-id",
    "The provider does not know the client id.",
    _CREDENTIALS,
    said="Google: deleted_client, disabled_client. Microsoft: AADSTS700016",
)
CLIENT_NOT_ALLOWED = _operator(
    "client-not-allowed",
    "The app may not use this way of signing in, or not for this organisation.",
    "Check the app's type, redirect address and audience at the provider.",
    said="unauthorized_client, redirect_uri_mismatch, org_internal",
)
REQUEST_REFUSED = _operator(
    "request-refused",
    "The provider does not accept what the app asks for.",
    "Check the app's redirect address and permissions at the provider.",
    said="invalid_request, invalid_scope, invalid_resource, and OAuth errors that are new",
)
REFRESH_LOOP = _operator(
    "refresh-loop",
    "The provider says that sign-ins are refreshed too often.",
    "Look for two installations that share one mailbox, then restart.",
    said="Microsoft: AADSTS50196",
)
API_NOT_ENABLED = _operator(
    "api-not-enabled",
    "The provider's mail API is not enabled in the app's project.",
    "Enable it in the provider's console.",
    said="Google: 403 accessNotConfigured, SERVICE_DISABLED",
)
PROJECT_QUOTA = _operator(
    "project-quota",
    "The daily limit that is set for the app's project is used up.",
    "Raise the limit in the provider's console, or wait until tomorrow.",
    said="Google: 403 dailyLimitExceeded, quotaExceeded",
)
SUBSCRIPTION_QUOTA = _operator(
    "subscription-quota",
    "The provider makes no more subscriptions for this app or mailbox.",
    "Remove subscriptions that nobody needs, then wait an hour.",
    said="Microsoft: 403 when a subscription is made",
)
PUSH_TOPIC = _operator(
    "push-topic",
    "Gmail cannot publish to the Pub/Sub topic.",
    "Check the topic's name and project, and let gmail-api-push@system.gserviceaccount.com publish.",
    said="Google: 400, 403 or 404 when a watch is made",
)
PUSH_CLIENT = _operator(
    "push-client",
    "Another installation in the same Google project watches this mailbox.",
    "Give each installation a Google project of its own.",
    said="Google: only one push client is allowed, after a stop as well",
)
PUBLIC_URL = _operator(
    "public-url",
    "The provider cannot reach this installation's public address.",
    "Check the public URL, its certificate, and that it is open to the internet.",
    said="Microsoft: 400 InvalidRequest or ValidationError when a subscription is made",
)
LABEL_NAME = _operator(
    "label-name",
    "The provider does not accept the name of the log label.",
    "Choose another name in Settings.",
    said="400 when the label or category is made",
)

_AFTER_EVENT = {
    "sessions-revoked": PASSWORD_CHANGED,
    "account-credential-change-required": PASSWORD_CHANGED,
    "account-disabled": ACCOUNT_DISABLED,
    "account-disabled:hijacking": ACCOUNT_LOCKED,
    "account-purged": MAILBOX_GONE,
}
