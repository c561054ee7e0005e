"""Google's error answers, in the shapes its APIs give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass
class GoogleError(Exception):
    """An answer that is not 2xx; `body()` is its JSON."""

    code: int
    message: str
    reason: str
    domain: str = "global"
    status: str = ""
    location: str = ""
    details: list[dict[str, object]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        first: dict[str, object] = {"message": self.message, "domain": self.domain}
        first["reason"] = self.reason
        if self.location:
            first |= {"location": self.location, "locationType": "header"}
        error: dict[str, object] = {"code": self.code, "message": self.message, "errors": [first]}
        error["status"] = self.status or STATUS.get(self.code, "UNKNOWN")
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str, reason: str = "invalidArgument") -> GoogleError:
    return GoogleError(400, message, reason)


def not_found() -> GoogleError:
    return GoogleError(404, "Requested entity was not found.", "notFound")


def precondition(message: str = "Precondition check failed.") -> GoogleError:
    return GoogleError(400, message, "failedPrecondition", status="FAILED_PRECONDITION")


def login_required() -> GoogleError:
    return GoogleError(
        401,
        "Login Required.",
        "required",
        location="Authorization",
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
    )


def bad_credentials() -> GoogleError:
    return GoogleError(
        401,
        "Invalid Credentials",
        "authError",
        location="Authorization",
        headers={
            "WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
        },
    )


def scope_missing(method: str) -> GoogleError:
    detail: dict[str, object] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": "gmail.googleapis.com", "method": f"caribou.api.proto.{method}"},
    }
    return GoogleError(
        403,
        "Request had insufficient authentication scopes.",
        "insufficientPermissions",
        details=[detail],
    )


def limited(kind: str, until: datetime) -> GoogleError:
    """A refusal by limits: `kind` is one of LIMITS; `until` shows in the one that tells a time."""
    iso = until.strftime("%Y-%m-%dT%H:%M:%S.") + f"{until.microsecond // 1000:03d}Z"
    code, message, reason, domain = LIMITS[kind]
    status = {400: "FAILED_PRECONDITION", 403: "PERMISSION_DENIED"}.get(code, "RESOURCE_EXHAUSTED")
    return GoogleError(code, message.replace("<ISO>", iso), reason, domain, status)


LIMITS = {
    "retry-after": (
        429,
        "User-rate limit exceeded.  Retry after <ISO>",
        "rateLimitExceeded",
        "usageLimits",
    ),
    "concurrent": (429, "Too many concurrent requests for user", "rateLimitExceeded", "global"),
    "exhausted": (
        429,
        "Resource has been exhausted (e.g. check quota).",
        "rateLimitExceeded",
        "global",
    ),
    "403-rate": (
        403,
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of "
        "service 'gmail.googleapis.com' for consumer 'project_number:100000000001'.",
        "rateLimitExceeded",
        "usageLimits",
    ),
    "403-project": (
        403,
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service "
        "'gmail.googleapis.com' for consumer 'project_number:100000000001'.",
        "rateLimitExceeded",
        "usageLimits",
    ),
    "403-user": (403, "User Rate Limit Exceeded", "userRateLimitExceeded", "usageLimits"),
    "403-daily": (403, "Daily Limit Exceeded", "dailyLimitExceeded", "usageLimits"),
    "403-domain": (
        403,
        "The domain administrators have disabled Gmail apps.",
        "domainPolicy",
        "global",
    ),
    "mail-off": (400, "Mail service not enabled", "failedPrecondition", "global"),
    "precondition": (400, "Precondition check failed.", "failedPrecondition", "global"),
}
