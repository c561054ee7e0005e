"""What Graph's refusals mean to the caller: one table, read from the top.

A row matches by HTTP status, by error code, or by what was asked for. Codes are compared without
regard to letter case, because Graph writes the same code in several; the message text is never
looked at.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from providers import causes, waiting
from providers.authority import claims_wanted
from providers.client import CursorExpired, Gone, Limited, Operator, Reconnect, Retry


class About(StrEnum):
    """What a request asked for, where the meaning of its refusal depends on that."""

    MAILBOX = "mailbox"
    FOLDER = "folder"
    CHANGES = "changes"
    MESSAGE = "message"
    ATTACHMENT = "attachment"
    SUBSCRIPTION = "subscription"
    LABEL = "label"


class UnexpectedAnswer(Exception):
    """Graph answered in a way this adapter does not know: a bug, to be seen. No content in it."""


class NotThere(Exception):
    """A folder or a subscription does not exist. Inside this adapter only."""


class Exists(Exception):
    """The same subscription or category exists already. Inside this adapter only."""


Made = Callable[[float | None, str], Exception]


@dataclass(frozen=True, slots=True)
class Row:
    """One meaning; an empty set stands for any."""

    makes: Made
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    about: frozenset[About] = frozenset()

    def matches(self, status: int, codes: frozenset[str], about: About) -> bool:
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or not self.codes.isdisjoint(codes))
            and (not self.about or about in self.about)
        )


def _retry(after: float | None, detail: str) -> Retry:
    return Retry(after, detail)


def _limited(shape: str) -> Made:
    """No answer of Graph's tells a limit of the app from one of the mailbox."""
    return lambda after, detail: Limited(shape, after, detail)


def _reconnect(cause: str) -> Made:
    return lambda _after, detail: Reconnect(cause, detail)


def _operator(cause: str) -> Made:
    return lambda _after, detail: Operator(cause, detail)


def _plain(error: type[Exception]) -> Made:
    return lambda _after, detail: error(detail)


def _row(
    makes: Made,
    *statuses: int,
    codes: tuple[str, ...] = (),
    about: tuple[About, ...] = (),
) -> Row:
    lowered = frozenset(code.lower() for code in codes)
    return Row(makes, frozenset(statuses), lowered, frozenset(about))


CLIENT_ERRORS = tuple(range(400, 500))
BY_OTHERS = frozenset({*range(300, 400), 401, 403, 407, 511})
_CLAIMS = re.compile(r'claims="([A-Za-z0-9+/_=-]+)"')

TABLE = (
    # Limits. More than four requests at a time in a mailbox are `ApplicationThrottled`.
    _row(_limited("concurrency"), *CLIENT_ERRORS, codes=("ApplicationThrottled",)),
    _row(_limited("user"), *CLIENT_ERRORS, codes=("ErrorServerBusy", "activityLimitReached")),
    _row(_limited("user"), 429),
    _row(_limited("bandwidth"), 509),
    # Waiting helps. 409 beside subscriptions is Exchange's "somebody else wrote just now".
    _row(_retry, 408, 423, 500, 502, 503, 504),
    # The delta link is too old, evicted or unreadable.
    _row(_plain(CursorExpired), 410, about=(About.CHANGES,)),
    _row(
        _plain(CursorExpired),
        *CLIENT_ERRORS,
        codes=(
            "syncStateNotFound",
            "syncStateInvalid",
            "resyncRequired",
            "InvalidSyncStateData",
            "ErrorInvalidSyncStateData",
        ),
    ),
    # The mailbox is not one that Graph can open (on-premises, inactive, no licence), or is gone.
    _row(
        _reconnect(causes.MAILBOX_UNAVAILABLE),
        400,
        403,
        404,
        codes=(
            "MailboxNotEnabledForRESTAPI",
            "ErrorMailboxNotEnabledForRESTAPI",
            "MailboxNotSupportedForRESTAPI",
        ),
    ),
    _row(
        _reconnect(causes.MAILBOX_GONE),
        400,
        403,
        404,
        codes=("ErrorNonExistentMailbox", "ErrorInvalidUser", "Request_ResourceNotFound"),
    ),
    _row(
        _reconnect(causes.MAILBOX_UNAVAILABLE),
        403,
        404,
        codes=("extensionError",),
        about=(About.MAILBOX, About.FOLDER, About.CHANGES, About.MESSAGE, About.ATTACHMENT),
    ),
    # The token, the consent or the tenant's policy. Delta writes into the mailbox: full = 403.
    _row(_reconnect(causes.MAILBOX_FULL), 403, 507, codes=("ErrorQuotaExceeded",)),
    _row(_reconnect(causes.CONDITIONAL_ACCESS), 401, 403, codes=("insufficient_claims",)),
    _row(_reconnect(causes.REVOKED), 401),
    _row(
        _reconnect(causes.SCOPE_MISSING),
        403,
        codes=(
            "ErrorAccessDenied",
            "AccessDenied",
            "Authorization_RequestDenied",
            "ErrorInsufficientPermissionsInAccessToken",
        ),
    ),
    _row(_operator(causes.SUBSCRIPTION_QUOTA), 403, about=(About.SUBSCRIPTION,)),
    _row(_reconnect(causes.REFUSED), 403),
    # One thing is not there.
    _row(_plain(Gone), 404, 410, about=(About.MESSAGE, About.ATTACHMENT)),
    _row(_plain(Gone), 400, codes=("ErrorInvalidIdMalformed",), about=(About.MESSAGE,)),
    # No file: an id of nothing, or a link to a file in a cloud.
    _row(_plain(Gone), 400, 405, about=(About.ATTACHMENT,)),
    # A followed folder was deleted, or the mailbox moved and ids or links mean nothing any more (400,
    # with more codes than anybody has listed). The bounded listing that follows reads the rules anew.
    _row(_plain(CursorExpired), 400, 404, about=(About.CHANGES,)),
    _row(_plain(NotThere), 404, 410, about=(About.FOLDER, About.SUBSCRIPTION)),
    _row(_retry, 410),
    _row(
        _plain(NotThere),
        400,
        codes=("ErrorInvalidIdMalformed", "ErrorInvalidId"),
        about=(About.FOLDER,),
    ),
    _row(_plain(Exists), 409, about=(About.SUBSCRIPTION, About.LABEL)),
    _row(_operator(causes.LABEL_NAME), 400, about=(About.LABEL,)),
    _row(_retry, 409, 412),
    # Graph could not reach or did not like our public URL, or does not know the folder.
    _row(
        _operator(causes.PUBLIC_URL),
        400,
        codes=("InvalidRequest", "ValidationError"),
        about=(About.SUBSCRIPTION,),
    ),
    _row(_plain(NotThere), 400, codes=("ExtensionError",), about=(About.SUBSCRIPTION,)),
)


def failure(
    status: int, headers: Mapping[str, str], body: bytes | dict[str, Any], about: About
) -> Exception:
    """The error that a refusal is: a ProviderError, `NotThere`, `Exists`, or UnexpectedAnswer."""
    codes = error_codes(body)
    detail = " ".join([str(status), *codes])
    found = frozenset(code.lower() for code in codes)
    if _insufficient(headers):
        found |= {"insufficient_claims"}
    if _by_another(status, found, headers, about):
        return Retry(retry_after(headers), f"{status}, and not as Graph answers")
    for row in TABLE:
        if row.matches(status, found, about):
            error = row.makes(retry_after(headers), detail)
            if isinstance(error, Reconnect):
                error.claims = claims_asked(headers)
            return error
    return UnexpectedAnswer(f"Graph answered {detail} about a {about}")


def _by_another(
    status: int, codes: frozenset[str], headers: Mapping[str, str], about: About
) -> bool:
    """Whether a proxy, a captive portal or a firewall answers in Graph's place, without an error
    code of Graph's: never a lost consent. A forbidden subscription is none anyway."""
    asks = "bearer" in headers.get("www-authenticate", "").lower()
    return status in BY_OTHERS and not codes and not asks and about is not About.SUBSCRIPTION


def _insufficient(headers: Mapping[str, str]) -> bool:
    return "insufficient_claims" in headers.get("www-authenticate", "")


def claims_asked(headers: Mapping[str, str]) -> str:
    """What Graph wants a token to prove (continuous access evaluation), as JSON; "" for nothing."""
    found = _CLAIMS.search(headers.get("www-authenticate", ""))
    return claims_wanted(found[1]) if found and _insufficient(headers) else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; None where it says nothing that can be meant."""
    return waiting.retry_after(headers.get("retry-after"), datetime.now(UTC))


def error_codes(body: bytes | dict[str, Any]) -> tuple[str, ...]:
    """All error codes of an error body, outermost first; () where there is none to read."""
    try:
        data = orjson.loads(body) if isinstance(body, bytes) else body
    except orjson.JSONDecodeError:
        return ()
    found: list[str] = []
    error = data.get("error") if isinstance(data, dict) else None
    while isinstance(error, dict) and len(found) < 8:
        code = error.get("code")
        if isinstance(code, str) and code:
            found.append(code[:80])
        error = error.get("innererror") or error.get("innerError")
    return tuple(found)
