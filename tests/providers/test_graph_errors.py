from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from providers import causes
from providers.client import CursorExpired, Gone, Limited, Operator, Reconnect, Retry
from providers.graph.errors import (
    TABLE,
    About,
    Exists,
    NotThere,
    UnexpectedAnswer,
    error_codes,
    failure,
    retry_after,
)


def refusal(status, code="", about=About.MAILBOX, headers=None, inner=""):
    error = {"code": code, "message": "secret subject"}
    if inner:
        error["innererror"] = {"code": inner}
    return failure(status, headers or {}, {"error": error} if code or inner else {}, about)


@pytest.mark.parametrize("status", [408, 423, 429, 500, 502, 503, 504, 509])
def test_a_busy_or_failing_service_is_asked_again(status):
    assert isinstance(refusal(status, "whatever"), Retry)


@pytest.mark.parametrize("code", ["ApplicationThrottled", "ErrorServerBusy", "errorserverbusy"])
def test_throttling_is_known_by_its_code_too(code):
    assert isinstance(refusal(403, code), Retry)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("0", None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("999999", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_seconds_or_nothing(value, seconds):
    assert retry_after({"retry-after": value}) == seconds
    assert refusal(429, headers={"retry-after": value}).after == seconds


def test_retry_after_may_be_a_date():
    when = datetime.now(UTC) + timedelta(minutes=5)
    seconds = retry_after({"retry-after": format_datetime(when, usegmt=True)})
    assert seconds is not None
    assert 290 < seconds <= 300
    assert retry_after({"retry-after": "Mon, 02 Mar 2020 08:05:00 GMT"}) is None


@pytest.mark.parametrize(
    ("status", "code", "shape"),
    [
        (429, "ApplicationThrottled", "concurrency"),
        (403, "applicationThrottled", "concurrency"),
        (429, "TooManyRequests", "user"),
        (429, "", "user"),
        (403, "ErrorServerBusy", "user"),
        (509, "", "bandwidth"),
    ],
)
def test_a_limit_is_told_from_a_service_that_fails(status, code, shape):
    found = refusal(status, code)
    assert isinstance(found, Limited)
    assert (found.shape, found.everyone) == (shape, False)


@pytest.mark.parametrize("status", [408, 423, 500, 502, 503, 504])
def test_a_failing_service_is_no_limit(status):
    assert not isinstance(refusal(status, "whatever"), Limited)


def test_a_missing_retry_after_is_nothing():
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (410, ""),
        (410, "SyncStateNotFound"),
        (400, "syncStateNotFound"),
        (404, "SYNCSTATENOTFOUND"),
        (400, "SyncStateInvalid"),
        (400, "resyncRequired"),
        (400, "InvalidSyncStateData"),
        (400, "errorInvalidSyncStateData"),
        *((409, code) for code in ("syncStateNotFound", "SyncStateInvalid", "ResyncRequired")),
        *((403, code) for code in ("InvalidSyncStateData", "ErrorInvalidSyncStateData")),
    ],
)
def test_a_lost_sync_state_is_an_expired_cursor(status, code):
    assert isinstance(refusal(status, code, About.CHANGES), CursorExpired)


def test_an_inner_code_counts():
    assert isinstance(refusal(400, "BadRequest", inner="resyncRequired"), CursorExpired)


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (404, "MailboxNotEnabledForRESTAPI", "mailbox-unavailable"),
        (403, "ErrorMailboxNotEnabledForRESTAPI", "mailbox-unavailable"),
        (403, "extensionError", "mailbox-unavailable"),
        (404, "ErrorNonExistentMailbox", "mailbox-gone"),
        (404, "Request_ResourceNotFound", "mailbox-gone"),
        (403, "ErrorQuotaExceeded", "mailbox-full"),
        (403, "insufficient_claims", "conditional-access"),
        (401, "InvalidAuthenticationToken", "revoked"),
        (403, "ErrorAccessDenied", "scope-missing"),
        (403, "Authorization_RequestDenied", "scope-missing"),
        (403, "SomethingNew", "refused"),
    ],
)
def test_what_the_owner_must_mend_has_a_cause(status, code, cause):
    for about in (About.MAILBOX, About.CHANGES, About.MESSAGE, About.FOLDER):
        error = refusal(status, code, about)
        assert isinstance(error, Reconnect)
        assert error.cause == cause


def test_a_claims_challenge_is_conditional_access():
    headers = {"www-authenticate": 'Bearer error="insufficient_claims", claims="e30="'}
    error = refusal(401, "InvalidAuthenticationToken", headers=headers)
    assert isinstance(error, Reconnect)
    assert error.cause == "conditional-access"


@pytest.mark.parametrize(
    ("status", "code"), [(404, "ErrorItemNotFound"), (400, "ErrorInvalidIdMalformed")]
)
def test_one_message_that_is_not_there_is_gone(status, code):
    assert isinstance(refusal(status, code, About.MESSAGE), Gone)


def test_a_vanished_folder_makes_the_cursor_useless():
    assert isinstance(refusal(404, "ErrorItemNotFound", About.CHANGES), CursorExpired)


@pytest.mark.parametrize(
    ("status", "code", "about"),
    [
        (404, "ErrorItemNotFound", About.FOLDER),
        (400, "ErrorInvalidIdMalformed", About.FOLDER),
        (404, "ResourceNotFound", About.SUBSCRIPTION),
        (400, "ExtensionError", About.SUBSCRIPTION),
        (404, "ExtensionError", About.SUBSCRIPTION),
    ],
)
def test_a_folder_or_subscription_may_not_be_there(status, code, about):
    assert isinstance(refusal(status, code, about), NotThere)


def test_the_same_subscription_exists():
    assert isinstance(refusal(409, "Conflict", About.SUBSCRIPTION), Exists)


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_elsewhere_passes(status):
    assert isinstance(refusal(status, "ErrorIrresolvableConflict", About.MESSAGE), Retry)


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [(403, "", "subscription-quota"), (400, "InvalidRequest", "public-url")],
)
def test_what_the_operator_must_mend_has_a_cause(status, code, cause):
    error = refusal(status, code, About.SUBSCRIPTION)
    assert isinstance(error, Operator)
    assert error.cause == cause


def test_a_denied_subscription_is_the_owners_when_the_code_says_so():
    error = refusal(403, "ErrorAccessDenied", About.SUBSCRIPTION)
    assert isinstance(error, Reconnect)


@pytest.mark.parametrize("status", [302, 401, 403, 407, 511])
def test_a_refusal_without_a_code_is_another_ones(status):
    assert isinstance(refusal(status), Retry)
    asks = {"www-authenticate": 'Bearer realm=""'}
    assert isinstance(refusal(401, headers=asks), Reconnect)


@pytest.mark.parametrize(("status", "code"), [(400, "BadRequest"), (302, "odd"), (418, "")])
def test_an_unknown_answer_is_a_bug(status, code):
    assert isinstance(refusal(status, code), UnexpectedAnswer)


def test_no_error_carries_the_message_of_graph():
    for status in (400, 401, 403, 404, 409, 410, 429, 500):
        for about in About:
            error = refusal(status, "Code", about)
            assert "secret" not in f"{error!r} {error} {vars(error)}"


def test_codes_are_read_from_the_outside_in():
    body = b'{"error":{"code":"A","innerError":{"code":"B","innererror":{"code":"C"}}}}'
    assert error_codes(body) == ("A", "B", "C")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b'{"error":"x"}', b'{"error":{}}'])
def test_a_body_without_codes_has_none(body):
    assert error_codes(body) == ()


def test_every_cause_has_words():
    made = [row.makes(None, "") for row in TABLE]
    for error in made:
        if isinstance(error, Reconnect):
            assert error.cause in causes.OWNER_CAUSES
        if isinstance(error, Operator):
            assert error.cause in causes.OPERATOR_CAUSES
