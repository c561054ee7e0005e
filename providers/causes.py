"""Why a mailbox stopped, in words for people: the causes of `Reconnect` and of `Operator`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """`sentence` says what happened, `action` what to do. `admin`: the owner cannot mend it alone."""

    id: str
    sentence: str
    action: str
    admin: bool = False


OWNER_CAUSES: dict[str, Cause] = {}  # of Reconnect: told to the mailbox's owner
OPERATOR_CAUSES: dict[str, Cause] = {}  # of Operator: told to who runs this installation

_AGAIN = "Reconnect the mailbox."
_ASK = "Ask your IT administrator, then reconnect the mailbox."
_CREDENTIALS = "Check the client id and the client secret in the settings."


def explain(cause: str) -> Cause:
    """The words for a cause; those of `refused` for one that has none."""
    return OWNER_CAUSES.get(cause) or OPERATOR_CAUSES.get(cause) or OWNER_CAUSES[REFUSED]


def _owner(cause: str, sentence: str, action: str = _AGAIN) -> str:
    OWNER_CAUSES[cause] = Cause(cause, sentence, action, admin=action == _ASK)
    return cause


def _operator(cause: str, sentence: str, action: str) -> str:
    OPERATOR_CAUSES[cause] = Cause(cause, sentence, action, admin=True)
    return cause


REVOKED = _owner("revoked", "The permission to read this mailbox was taken back or has run out.")
EXPIRED = _owner(
    "expired", "The sign-in has run out because it was not used or is limited in time."
)
PASSWORD_CHANGED = _owner("password-changed", "The password was changed or has run out.")
MFA = _owner("mfa", "The provider asks for a second proof of who you are.")
SIGN_IN = _owner("sign-in", "The provider asks you to sign in again.")
SCOPE_MISSING = _owner(
    "scope-missing",
    "A permission that is needed to read mail was not given.",
    "Reconnect the mailbox and leave every permission ticked.",
)
CONSENT_DENIED = _owner(
    "consent-denied",
    "The permission was declined.",
    "Connect again and accept, or leave the mailbox unconnected.",
)
CONSENT_MISSING = _owner("consent-missing", "The permission to read this mailbox is missing.")
ADMIN_CONSENT = _owner(
    "admin-consent", "Your organisation lets only an administrator give this permission.", _ASK
)
ADMIN_BLOCKED = _owner("admin-blocked", "Your organisation does not allow this app.", _ASK)
CONDITIONAL_ACCESS = _owner(
    "conditional-access",
    "A rule of your organisation forbids this sign-in, for example because of the device.",
    _ASK,
)
NOT_ASSIGNED = _owner("not-assigned", "Your organisation has not assigned this app to you.", _ASK)
ACCOUNT_DISABLED = _owner("account-disabled", "The account is disabled.", _ASK)
MAILBOX_UNAVAILABLE = _owner(
    "mailbox-unavailable", "The mail service is turned off for this account.", _ASK
)
LICENCE_MISSING = _owner("licence-missing", "The account has no licence with a mailbox.", _ASK)
MAILBOX_GONE = _owner("mailbox-gone", "The mailbox does not exist (any more).", _ASK)
MAILBOX_FULL = _owner(
    "mailbox-full",
    "The mailbox is full, and the provider refuses work on it.",
    "Make room in the mailbox, then reconnect it.",
)
PROVIDER_MOVED = _owner(
    "provider-moved",
    "The domain's mail has moved to another provider.",
    "Reconnect the mailbox with the new provider; its threads go on.",
)
WRONG_ACCOUNT = _owner(
    "wrong-account",
    "The sign-in was for another mailbox than the one to reconnect.",
    "Start again and choose the right account.",
)
ANSWER_INVALID = _owner(
    "answer-invalid",
    "The provider's answer does not belong to a sign-in that was started here.",
    "Start again.",
)
REFUSED = _owner("refused", "The provider refuses access to this mailbox.")

NOT_CONFIGURED = _operator("not-configured", "No client id is set for this provider.", _CREDENTIALS)
CLIENT_SECRET = _operator(
    "client-secret", "The client secret is wrong or has run out.", _CREDENTIALS
)
CLIENT_ID = _operator("client-id", "The provider does not know the client id.", _CREDENTIALS)
CLIENT_NOT_ALLOWED = _operator(
    "client-not-allowed",
    "The app may not use this way of signing in, or not for this organisation.",
    "Check the app's type, redirect address and audience at the provider.",
)
REQUEST_REFUSED = _operator(
    "request-refused",
    "The provider does not accept what the app asks for.",
    "Check the app's redirect address and permissions at the provider.",
)
REFRESH_LOOP = _operator(
    "refresh-loop",
    "The provider says that sign-ins are refreshed too often.",
    "Look for two installations that share one mailbox, then restart.",
)
API_NOT_ENABLED = _operator(
    "api-not-enabled",
    "The provider's mail API is not enabled in the app's project.",
    "Enable it in the provider's console.",
)
PROJECT_QUOTA = _operator(
    "project-quota",
    "The daily limit that is set for the app's project is used up.",
    "Raise the limit in the provider's console, or wait until tomorrow.",
)
SUBSCRIPTION_QUOTA = _operator(
    "subscription-quota",
    "The provider makes no more subscriptions for this app or mailbox.",
    "Remove subscriptions that nobody needs, then wait an hour.",
)
PUSH_TOPIC = _operator(
    "push-topic",
    "Gmail cannot publish to the Pub/Sub topic.",
    "Check the topic's name and project, and let gmail-api-push@system.gserviceaccount.com publish.",
)
PUBLIC_URL = _operator(
    "public-url",
    "The provider cannot reach this installation's public address.",
    "Check the public URL, its certificate, and that it is open to the internet.",
)
LABEL_NAME = _operator(
    "label-name",
    "The provider does not accept the name of the log label.",
    "Choose another name in Settings.",
)
