"""What Gmail's answers and a broken network mean, as one table."""

import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import httplib2
from google.auth.exceptions import GoogleAuthError, RefreshError
from googleapiclient.errors import BatchError, HttpError

from providers import causes
from providers.client import CursorExpired, Gone, Limited, Operator, ProviderError, Reconnect, Retry
from providers.waiting import retry_after, until

NEXT_MINUTE = 60.0  # seconds; quotas are counted by the minute
NOT_FOUND = 404
SERVER_ERROR = 500
BY_OTHERS = frozenset({*range(300, 400), 401, 403, 407})

_LIMIT = re.compile(r"limit '([^']+)'")
_RATE = re.compile(r"per ?(minute|day|second)|perproject", re.IGNORECASE)
_WHEN = re.compile(r"retry after (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)", re.IGNORECASE)


class About(StrEnum):
    """What a request was for: the same status means other things for each."""

    MAILBOX = "mailbox"
    HISTORY = "history"
    MESSAGE = "message"
    WATCH = "watch"
    LABEL = "label"


class OtherClient(Exception):
    """Another watch of this project holds the mailbox: end it, then watch again."""


class Exists(Exception):
    """There is something by that name already."""


Outcome: TypeAlias = ProviderError | OtherClient | Exists


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal, as far as it is looked at; nothing of it is shown to anybody."""

    status: int
    reasons: frozenset[str]  # `errors[].reason`, `details[].reason` and `status`, lower-cased
    message: str
    headers: Mapping[str, str]
    about: About
    now: datetime
    limits: tuple[str, ...] = ()  # names of limits in its details
    by_gmail: bool = True  # with an error object, as all its refusals have

    @property
    def of_project(self) -> bool:
        """Whether it tells of a limit that all mailboxes share: "limit 'Queries per minute' of
        service …", while a user's says "… per user"."""
        named = [found.lower() for found in (*_LIMIT.findall(self.message), *self.limits)]
        return any(_RATE.search(each) and "user" not in each for each in named)

    def says(self, *parts: str) -> bool:
        return any(part in self.message.lower() for part in parts)


def read(error: HttpError, about: About, now: datetime) -> Answer:
    """An `HttpError`, taken apart; a body that is no JSON gives no reasons."""
    limits: tuple[str, ...] = ()
    by_gmail = True
    try:
        body = json.loads(error.content)["error"]
        inner = [*body.get("errors", ()), *body.get("details", ())]
        found = {str(one["reason"]) for one in inner if isinstance(one, dict) and "reason" in one}
        found.add(str(body.get("status", "")))
        message = str(body.get("message", ""))
        about_limits = [one.get("metadata") for one in inner if isinstance(one, dict)]
        limits = tuple(
            str(one["quota_limit"])
            for one in about_limits
            if isinstance(one, dict) and "quota_limit" in one
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        found, message, by_gmail = set(), "", False
    reasons = frozenset(reason.lower() for reason in found)
    status = int(error.resp.status)
    return Answer(status, reasons, message, error.resp, about, now, limits, by_gmail)


def meaning(answer: Answer) -> Outcome | None:
    """What the caller must do next; None for a refusal that the table does not know."""
    for matches, outcome in _TABLE:
        if matches(answer):
            return outcome(answer)
    return None


@contextmanager
def translated(about: About, now: Callable[[], datetime]) -> Iterator[None]:
    """Inside it, what goes wrong on the way to Gmail or there is raised as a `ProviderError`."""
    try:
        yield
    except (BatchError, ValueError, LookupError) as error:
        # googleapiclient lets these out when an answer is cut short or is no JSON.
        raise Retry(None, f"unreadable answer: {type(error).__name__}") from None
    except HttpError as error:
        found = meaning(read(error, about, now()))
        if found is None:
            raise
        raise found from None
    except RefreshError as error:
        if error.retryable:
            raise Retry(None, "sign-in") from error
        raise Reconnect(causes.REVOKED) from error
    except (GoogleAuthError, httplib2.HttpLib2Error, http.client.HTTPException) as error:
        raise Retry(None, f"network: {type(error).__name__}") from error
    except (OSError, ssl.SSLError) as error:
        raise Retry(None, f"network: {type(error).__name__}") from error


def _wait(answer: Answer) -> float | None:
    """The stated waiting time: Gmail writes it into the message, others into a header."""
    found = _WHEN.search(answer.message)
    if found:
        try:
            return until(datetime.fromisoformat(found[1]), answer.now)
        except ValueError:
            return None
    return retry_after(answer.headers.get("retry-after"), answer.now)


def _status(*wanted: int) -> Callable[[Answer], bool]:
    return lambda answer: answer.status in wanted


def _reason(status: int, *reasons: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == status and not answer.reasons.isdisjoint(reasons)


def _about(about: About, *statuses: int) -> Callable[[Answer], bool]:
    return lambda answer: answer.about is about and answer.status in statuses


def _reconnect(cause: str) -> Callable[[Answer], ProviderError]:
    return lambda answer: Reconnect(cause, str(answer.status))


def _operator(cause: str) -> Callable[[Answer], ProviderError]:
    return lambda answer: Operator(cause, str(answer.status))


def _limited(shape: str, default: float | None = None) -> Callable[[Answer], ProviderError]:
    """A limit of the mailbox, or of the project where the answer says so."""

    def outcome(answer: Answer) -> ProviderError:
        wait = _wait(answer)
        whole = answer.of_project
        after = default if wait is None else wait
        said = f"Gmail answered {answer.status}"
        return Limited("project" if whole else shape, after, said, everyone=whole)

    return outcome


def _retry(default: float | None = None) -> Callable[[Answer], ProviderError]:
    def outcome(answer: Answer) -> ProviderError:
        wait = _wait(answer)
        return Retry(default if wait is None else wait, f"Gmail answered {answer.status}")

    return outcome


# The first row that matches decides.
_TABLE: tuple[tuple[Callable[[Answer], bool], Callable[[Answer], Outcome]], ...] = (
    (lambda a: a.says("only one user push notification client"), lambda _: OtherClient()),
    (lambda a: a.status == 429 and a.says("concurrent"), _limited("concurrency")),
    (_status(429), _limited("user")),
    (_status(408), _retry()),
    (lambda a: a.status >= SERVER_ERROR, _retry()),
    # A proxy, a captive portal or a firewall answers in Gmail's place: never a lost consent.
    (lambda a: a.status in BY_OTHERS and not a.by_gmail, _retry()),
    # Nor is an answer of which nothing can be read a word about the topic or the label.
    (lambda a: a.about in (About.WATCH, About.LABEL) and not a.by_gmail, _retry()),
    (_reason(403, "dailylimitexceeded", "quotaexceeded"), _operator(causes.PROJECT_QUOTA)),
    (_reason(403, "ratelimitexceeded", "userratelimitexceeded"), _limited("minute", NEXT_MINUTE)),
    (_reason(403, "accessnotconfigured", "service_disabled"), _operator(causes.API_NOT_ENABLED)),
    (_reason(403, "domainpolicy"), _reconnect(causes.ADMIN_BLOCKED)),
    (
        _reason(403, "insufficientpermissions", "access_token_scope_insufficient"),
        _reconnect(causes.SCOPE_MISSING),
    ),
    (
        lambda a: a.status == 403 and a.says("metadata scope", "insufficient"),
        _reconnect(causes.SCOPE_MISSING),
    ),
    (_status(401), _reconnect(causes.REVOKED)),
    (_reason(400, "failedprecondition", "failed_precondition"),
     _reconnect(causes.MAILBOX_UNAVAILABLE)),
    (_about(About.WATCH, 400, 403, 404), _operator(causes.PUSH_TOPIC)),
    (_status(403), _reconnect(causes.REFUSED)),
    (_about(About.LABEL, 409), lambda _: Exists()),
    (_about(About.LABEL, 400), _operator(causes.LABEL_NAME)),
    (_about(About.HISTORY, NOT_FOUND), lambda _: CursorExpired()),
    (lambda a: a.about is About.HISTORY and a.status == 400 and a.says("historyid"),
     lambda _: CursorExpired()),
    (_about(About.MESSAGE, NOT_FOUND, 410), lambda _: Gone()),
    (lambda a: a.about is About.MESSAGE and a.status == 400 and a.says("invalid id"),
     lambda _: Gone()),
)  # fmt: skip
