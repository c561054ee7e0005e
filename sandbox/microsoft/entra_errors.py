"""How Entra ID refuses: the `error` a client acts on, and the AADSTS number an admin looks up."""

import uuid
from datetime import UTC, datetime

from sandbox.microsoft.wire import Json

# number -> (error, text, suberror)
NUMBERS: dict[str, tuple[str, str, str]] = {
    "50034": ("invalid_grant", "The user account does not exist in the directory.", ""),
    "50053": ("invalid_grant", "The account is locked.", ""),
    "50055": ("invalid_grant", "The password is expired.", "user_password_expired"),
    "50057": ("invalid_grant", "The user account is disabled.", ""),
    "50058": (
        "interaction_required",
        "A silent sign-in request was sent but no user is signed in.",
        "",
    ),
    "50072": (
        "invalid_grant",
        "The user must enroll in multi-factor authentication.",
        "basic_action",
    ),
    "50074": ("interaction_required", "Strong authentication is required.", "basic_action"),
    "50076": (
        "invalid_grant",
        "Due to a configuration change made by your administrator, or because you moved to a new "
        "location, you must use multi-factor authentication to access the resource.",
        "basic_action",
    ),
    "50078": (
        "invalid_grant",
        "Presented multi-factor authentication has expired.",
        "basic_action",
    ),
    "50079": (
        "invalid_grant",
        "The user must enroll in multi-factor authentication.",
        "basic_action",
    ),
    "50089": ("invalid_grant", "Authentication failed: flow token expired.", ""),
    "50105": (
        "invalid_grant",
        "The signed in user is not assigned to a role for the application.",
        "",
    ),
    "50132": ("invalid_grant", "The credentials have been revoked.", "bad_token"),
    "50133": (
        "invalid_grant",
        "The session is not valid due to a recent password change.",
        "bad_token",
    ),
    "50144": ("invalid_grant", "The user's Active Directory password has expired.", ""),
    "50158": (
        "interaction_required",
        "External security challenge was not satisfied.",
        "basic_action",
    ),
    "50173": (
        "invalid_grant",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
        "bad_token",
    ),
    "53000": (
        "invalid_grant",
        "The device is not in the required state: it must be compliant.",
        "message_only",
    ),
    "53001": ("invalid_grant", "The device is not domain joined.", "message_only"),
    "53002": ("invalid_grant", "The application is not an approved one.", "message_only"),
    "53003": (
        "invalid_grant",
        "Access has been blocked by Conditional Access policies.",
        "message_only",
    ),
    "53004": ("invalid_grant", "Proof-up is blocked due to risk.", "message_only"),
    "530003": (
        "invalid_grant",
        "Your device is required to be managed to access this resource.",
        "message_only",
    ),
    "530084": ("invalid_grant", "Access is blocked by token protection.", "message_only"),
    "54005": ("invalid_grant", "OAuth2 authorization code was already redeemed.", ""),
    "65001": (
        "invalid_grant",
        "The user or administrator has not consented to use the application.",
        "consent_required",
    ),
    "70000": ("invalid_grant", "The provided value for the input parameter is not valid.", ""),
    "700003": ("invalid_grant", "The device object was not found in the tenant.", ""),
    "700082": ("invalid_grant", "The refresh token has expired due to inactivity.", "bad_token"),
    "700084": ("invalid_grant", "The refresh token was issued to a single page app.", "bad_token"),
    "70008": (
        "invalid_grant",
        "The provided authorization code or refresh token has expired due to inactivity.",
        "bad_token",
    ),
    "70043": (
        "invalid_grant",
        "The refresh token has expired due to sign-in frequency checks.",
        "token_expired",
    ),
    "501481": ("invalid_grant", "The code_verifier does not match the code_challenge.", ""),
    "500112": (
        "invalid_grant",
        "The reply address does not match the one of the authorization.",
        "",
    ),
    "7000215": ("invalid_client", "Invalid client secret provided.", ""),
    "7000216": (
        "invalid_client",
        "'client_assertion', 'client_secret' or 'request' is required.",
        "",
    ),
    "7000222": ("invalid_client", "The provided client secret keys for the app are expired.", ""),
    "700016": ("unauthorized_client", "The application was not found in the directory.", ""),
    "900144": ("invalid_request", "The request body misses a required parameter.", ""),
    "90002": ("invalid_request", "The tenant was not found.", ""),
    "9002313": ("invalid_request", "Request is malformed or invalid.", ""),
    "70003": ("unsupported_grant_type", "The app requested an unsupported grant type.", ""),
    "70011": (
        "invalid_scope",
        "The provided value for the input parameter 'scope' is not valid.",
        "",
    ),
    "50196": (
        "invalid_grant",
        "The server ended the request: a client request loop was detected.",
        "",
    ),
    "90033": ("temporarily_unavailable", "A transient error has occurred. Please try again.", ""),
    "90094": ("consent_required", "An administrator must consent to this application.", ""),
    "90095": ("consent_required", "An administrator must approve the request first.", ""),
    "65004": ("access_denied", "The user declined to consent to access the app.", ""),
    "50011": ("invalid_request", "The redirect URI does not match those configured.", ""),
}
_STATUS = {"invalid_client": 401, "temporarily_unavailable": 503}


class EntraError(Exception):
    """A refusal by its AADSTS number."""

    def __init__(self, number: str, detail: str = "") -> None:
        super().__init__(number)
        self.number = {"temporarily_unavailable": "90033"}.get(number, number)
        known = NUMBERS.get(self.number, ("invalid_grant", "The grant cannot be used.", ""))
        self.error, self.text, self.suberror = known
        self.detail = detail

    @property
    def status(self) -> int:
        return _STATUS.get(self.error, 400)

    @property
    def description(self) -> str:
        return f"AADSTS{self.number}: {self.text} {self.detail}".strip()

    def body(self) -> Json:
        """The answer of the token endpoint."""
        now, trace, correlation = datetime.now(UTC), str(uuid.uuid4()), str(uuid.uuid4())
        when = now.strftime("%Y-%m-%d %H:%M:%SZ")
        tail = f" Trace ID: {trace} Correlation ID: {correlation} Timestamp: {when}"
        body: Json = {
            "error": self.error,
            "error_description": self.description + tail,
            "error_codes": [int(self.number)] if self.number.isdigit() else [],
            "timestamp": when,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }
        if self.suberror:
            body["suberror"] = self.suberror
        if self.suberror == "basic_action" or self.number == "53003":
            body["claims"] = '{"access_token":{"capolids":{"essential":true,"values":["sandbox"]}}}'
        return body
