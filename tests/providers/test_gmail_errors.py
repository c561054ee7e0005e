import http.client
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta

import httplib2
import pytest
from google.auth.exceptions import RefreshError, TransportError
from googleapiclient.errors import BatchError, HttpError

from providers import causes
from providers.client import CursorExpired, Gone, Limited, Operator, Reconnect, Retry
from providers.gmail.errors import About, OtherClient, translated

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAILBOX, HISTORY, MESSAGE, WATCH = About.MAILBOX, About.HISTORY, About.MESSAGE, About.WATCH


def refusal(status, reason="", message="", details=(), headers=None, body=None):
    error = {"code": status, "message": message, "errors": [{"reason": reason}]}
    error["details"] = list(details)
    content = json.dumps({"error": error}).encode() if body is None else body
    return HttpError(httplib2.Response({"status": status} | (headers or {})), content)


def raised(error, about=MAILBOX):
    with pytest.raises(Exception) as caught, translated(about, lambda: NOW):
        raise error
    return caught.value


ISO = (NOW + timedelta(minutes=15)).isoformat().replace("+00:00", ".250Z")

PER_USER = (
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
    "'gmail.googleapis.com' for consumer 'project_number:1'."
)
PER_PROJECT = PER_USER.replace(" per user", "")

TABLE = [
    # 400
    (refusal(400, "failedPrecondition", "Mail service not enabled"), MAILBOX, Reconnect(causes.MAILBOX_UNAVAILABLE)),
    (refusal(400, "failedPrecondition", "Precondition check failed."), MESSAGE, Reconnect(causes.MAILBOX_UNAVAILABLE)),
    (refusal(400, "invalidArgument", "Invalid id value"), MESSAGE, Gone()),
    (refusal(400, "invalidArgument", "Invalid startHistoryId"), HISTORY, CursorExpired()),
    (refusal(400, "invalid", "Only one user push notification client allowed per developer (call /stop then try again)"), WATCH, OtherClient()),
    (refusal(400, body=b'{"error": {"code": 400, "mess'), WATCH, Retry(None)),
    (refusal(400, body=b"<html>"), About.LABEL, Retry(None)),
    (refusal(400, "invalidArgument", "Invalid topicName does not match projects/x/topics/*"), WATCH, Operator(causes.PUSH_TOPIC)),
    # 401
    (refusal(401, "authError", "Invalid Credentials"), MAILBOX, Reconnect(causes.REVOKED)),
    # 403
    (refusal(403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'"), MAILBOX, Limited("minute", 60)),
    (refusal(403, "rateLimitExceeded", PER_USER), MAILBOX, Limited("minute", 60)),
    (refusal(403, "rateLimitExceeded", PER_PROJECT), MAILBOX, Limited("project", 60, everyone=True)),
    (refusal(429, "rateLimitExceeded", PER_PROJECT), MESSAGE, Limited("project", everyone=True)),
    (refusal(429, "rateLimitExceeded", "Quota exceeded.", details=[{"metadata": {"quota_limit": "defaultPerMinutePerProject"}}]), MESSAGE, Limited("project", everyone=True)),
    (refusal(429, "rateLimitExceeded", "Quota exceeded.", details=[{"metadata": {"quota_limit": "defaultPerMinutePerUser"}}]), MESSAGE, Limited("user")),
    (refusal(403, "quotaExceeded"), MAILBOX, Operator(causes.PROJECT_QUOTA)),
    (refusal(403, "userRateLimitExceeded"), MESSAGE, Limited("minute", 60)),
    (refusal(403, "userRateLimitExceeded", headers={"retry-after": "7"}), MESSAGE, Limited("minute", 7)),
    (refusal(403, "dailyLimitExceeded"), MAILBOX, Operator(causes.PROJECT_QUOTA)),
    (refusal(403, "accessNotConfigured", "Gmail API has not been used in project"), MAILBOX, Operator(causes.API_NOT_ENABLED)),
    (refusal(403, "forbidden", details=[{"reason": "SERVICE_DISABLED"}]), MAILBOX, Operator(causes.API_NOT_ENABLED)),
    (refusal(403, "domainPolicy", "The domain administrators have disabled Gmail apps."), MAILBOX, Reconnect(causes.ADMIN_BLOCKED)),
    (refusal(403, "insufficientPermissions"), MAILBOX, Reconnect(causes.SCOPE_MISSING)),
    (refusal(403, "forbidden", details=[{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]), MESSAGE, Reconnect(causes.SCOPE_MISSING)),
    (refusal(403, "forbidden", "Metadata scope does not support 'q' parameter"), MAILBOX, Reconnect(causes.SCOPE_MISSING)),
    (refusal(403, "forbidden", "Metadata scope doesn't allow format FULL"), MESSAGE, Reconnect(causes.SCOPE_MISSING)),
    (refusal(403, "forbidden", "Delegation denied"), MAILBOX, Reconnect(causes.REFUSED)),
    (refusal(403, "forbidden", "User not authorized to perform this action."), WATCH, Operator(causes.PUSH_TOPIC)),
    # 404
    (refusal(404, "notFound", "Requested entity was not found."), HISTORY, CursorExpired()),
    (refusal(404, "notFound", "Requested entity was not found."), MESSAGE, Gone()),
    (refusal(404, "notFound", "Resource not found (resource=gmail)."), WATCH, Operator(causes.PUSH_TOPIC)),
    # 408, 429
    (refusal(408), MAILBOX, Retry(None)),
    (refusal(429, "rateLimitExceeded", "Too many concurrent requests for user"), MESSAGE, Limited("concurrency")),
    (refusal(429, "rateLimitExceeded", f"User-rate limit exceeded.  Retry after {ISO}"), MESSAGE, Limited("user", 900.25)),
    (refusal(429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2020-01-01T00:00:00.000Z"), MESSAGE, Limited("user")),
    (refusal(429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2026-99-01T00:00:00Z"), MESSAGE, Limited("user")),
    (refusal(429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota)."), MESSAGE, Limited("user")),
    (refusal(429, headers={"retry-after": "120"}), MAILBOX, Limited("user", 120)),
    (refusal(429, headers={"retry-after": "Mon, 02 Mar 2026 09:05:00 GMT"}), MAILBOX, Limited("user", 300)),
    (refusal(429, headers={"retry-after": "Mon, 02 Mar 2026 08:05:00 GMT"}), MAILBOX, Limited("user")),
    (refusal(429, headers={"retry-after": "0"}), MAILBOX, Limited("user")),
    (refusal(429, headers={"retry-after": "soon"}), MAILBOX, Limited("user")),
    (refusal(429, headers={"retry-after": "nan"}), MAILBOX, Limited("user")),
    (refusal(429, headers={"retry-after": "-5"}), MAILBOX, Limited("user")),
    (refusal(429, headers={"retry-after": "99999999"}), MAILBOX, Limited("user")),
    # 5xx
    (refusal(500, "backendError"), WATCH, Retry(None)),
    (refusal(502, body=b"<html>"), HISTORY, Retry(None)),
    (refusal(503, "backendError", headers={"retry-after": "30"}), MESSAGE, Retry(30)),
    (refusal(504, body=b""), MESSAGE, Retry(None)),
    # network
    (TimeoutError("timed out"), MESSAGE, Retry(None)),
    (ConnectionResetError(), MESSAGE, Retry(None)),
    (ConnectionRefusedError(), HISTORY, Retry(None)),
    (BrokenPipeError(), HISTORY, Retry(None)),
    (socket.gaierror(-2, "Name or service not known"), MAILBOX, Retry(None)),
    (ssl.SSLCertVerificationError("certificate verify failed"), MAILBOX, Retry(None)),
    (httplib2.ServerNotFoundError("Unable to find the server"), MAILBOX, Retry(None)),
    (http.client.IncompleteRead(b""), MESSAGE, Retry(None)),
    (http.client.RemoteDisconnected(), MESSAGE, Retry(None)),
    (json.JSONDecodeError("Expecting value", "", 0), HISTORY, Retry(None)),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), HISTORY, Retry(None)),
    (BatchError("Response not in the right format."), MESSAGE, Retry(None)),
    (IndexError("list index out of range"), MESSAGE, Retry(None)),
    (TransportError("cut"), MAILBOX, Retry(None)),
    (RefreshError("internal_failure", retryable=True), MAILBOX, Retry(None)),
    (RefreshError("invalid_grant", {"error": "invalid_grant"}), MAILBOX, Reconnect(causes.REVOKED)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "about", "expected"),
    TABLE,
    ids=[f"{n}-{getattr(row[0], 'status_code', type(row[0]).__name__)}" for n, row in enumerate(TABLE)],
)  # fmt: skip
def test_every_row_of_the_table(error, about, expected):
    found = raised(error, about)
    assert type(found) is type(expected)
    for name in ("cause", "after", "shape", "everyone"):
        assert getattr(found, name, None) == getattr(expected, name, None)


@pytest.mark.parametrize("about", [MAILBOX, HISTORY])
def test_a_bad_request_is_our_mistake_and_fails_loudly(about):
    error = refusal(400, "invalidArgument", "Unknown name")
    assert raised(error, about) is error


def test_what_is_missing_elsewhere_is_a_mistake_too():
    error = refusal(404, "notFound")
    assert raised(error, MAILBOX) is error


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"error": 1}', b'{"error": {"errors": 3}}', b"\xff\xfe"]
)  # fmt: skip
def test_a_refusal_that_gmail_does_not_write_so_is_another_ones(body):
    for status in (302, 401, 403, 407, 429):
        assert isinstance(raised(refusal(status, body=body)), Retry)


def test_a_refusal_with_odd_reasons_is_judged_by_its_status():
    body = b'{"error": {"errors": [1, null], "details": [2]}}'
    assert isinstance(raised(refusal(403, body=body)), Reconnect)
    assert isinstance(raised(refusal(429, body=body)), Retry)


def test_our_own_errors_pass_as_they_are():
    error = Reconnect("mfa")
    assert raised(error) is error


def test_no_text_of_an_answer_gets_into_an_error():
    found = raised(refusal(403, "forbidden", "secret subject of ana@acme.test"))
    assert "secret" not in repr(found) + str(found) + str(vars(found))
