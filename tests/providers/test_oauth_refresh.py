"""Renewing tokens, and giving a consent back."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from responses.matchers import urlencoded_params_matcher

from crm.model import Tokens
from providers import causes, oauth
from providers.client import Operator, Reconnect, Retry
from tests.providers.oauth_answers import (
    ENTRA,
    ENTRA_ANSWER,
    GOOGLE,
    GOOGLE_ANSWER,
    OLD,
    READ,
    SETTINGS,
    TOKEN_URLS,
)

REFUSALS = [
    ("gmail", "invalid_grant", "Token has been expired or revoked.", Reconnect, causes.REVOKED),
    ("gmail", "invalid_grant", "Bad Request", Reconnect, causes.REVOKED),
    ("gmail", "invalid_grant", "reauth: admin_policy_enforced", Reconnect, causes.ADMIN_BLOCKED),
    ("gmail", "admin_policy_enforced", "", Reconnect, causes.ADMIN_BLOCKED),
    ("gmail", "invalid_client", "Unauthorized", Operator, causes.CLIENT_SECRET),
    ("gmail", "unauthorized_client", "", Operator, causes.CLIENT_NOT_ALLOWED),
    ("gmail", "deleted_client", "", Operator, causes.CLIENT_ID),
    ("gmail", "something_new", "", Operator, causes.REQUEST_REFUSED),
    ("gmail", "internal_failure", "", Retry, None),
    ("graph", "invalid_grant", "AADSTS50173: grant revoked", Reconnect, causes.REVOKED),
    ("graph", "invalid_grant", "AADSTS70008: inactive", Reconnect, causes.EXPIRED),
    ("graph", "invalid_grant", "AADSTS700082: inactive", Reconnect, causes.EXPIRED),
    ("graph", "invalid_grant", "AADSTS70043: frequency", Reconnect, causes.SESSION_ENDED),
    ("graph", "invalid_grant", "AADSTS50076: MFA", Reconnect, causes.MFA),
    ("graph", "interaction_required", "AADSTS50079: enrol", Reconnect, causes.MFA),
    ("graph", "invalid_grant", "AADSTS50057: disabled", Reconnect, causes.ACCOUNT_DISABLED),
    ("graph", "invalid_grant", "AADSTS50055: password", Reconnect, causes.PASSWORD_CHANGED),
    ("graph", "invalid_grant", "AADSTS50105: assign", Reconnect, causes.NOT_ASSIGNED),
    ("graph", "invalid_grant", "AADSTS53003: policy", Reconnect, causes.CONDITIONAL_ACCESS),
    ("graph", "invalid_grant", "AADSTS530003: device", Reconnect, causes.CONDITIONAL_ACCESS),
    ("graph", "invalid_grant", "AADSTS65001: consent", Reconnect, causes.CONSENT_MISSING),
    ("graph", "invalid_grant", "AADSTS999999: new", Reconnect, causes.REVOKED),
    ("graph", "interaction_required", "", Reconnect, causes.SIGN_IN),
    ("graph", "invalid_client", "AADSTS7000222: expired", Operator, causes.CLIENT_SECRET),
    ("graph", "invalid_client", "AADSTS7000215: wrong", Operator, causes.CLIENT_SECRET),
    ("graph", "unauthorized_client", "AADSTS700016: app", Operator, causes.CLIENT_ID),
    ("graph", "invalid_grant", "AADSTS50196: loop", Operator, causes.REFRESH_LOOP),
    ("graph", "unauthorized_client", "", Operator, causes.CLIENT_NOT_ALLOWED),
    ("graph", "invalid_resource", "", Operator, causes.REQUEST_REFUSED),
    ("graph", "temporarily_unavailable", "AADSTS90033", Retry, None),
]


@pytest.mark.parametrize(("provider", "error", "description", "kind", "cause"), REFUSALS)
def test_a_refused_refresh_says_who_must_act(http, provider, error, description, kind, cause):
    body = {"error": error, "error_description": description}
    http.post(TOKEN_URLS[provider], json=body, status=401 if error == "invalid_client" else 400)
    with pytest.raises(kind) as caught:
        oauth.refresh(provider, SETTINGS, OLD)
    assert getattr(caught.value, "cause", None) == cause


@pytest.mark.parametrize("seconds", [90_000, 10**18])
def test_a_token_that_lives_for_a_day_is_renewed_as_often_as_others(http, seconds):
    http.post(ENTRA, json=ENTRA_ANSWER | {"expires_in": seconds})
    before = datetime.now(UTC)
    found = oauth.refresh("graph", SETTINGS, OLD)
    assert timedelta(minutes=89) < found.expires_at - before < timedelta(minutes=95)


@pytest.mark.parametrize(
    ("subtype", "cause"),
    [
        ("admin_policy_enforced", causes.ADMIN_BLOCKED),
        ("invalid_rapt", causes.SESSION_ENDED),
        ("rapt_required", causes.SESSION_ENDED),
        ("something_new", causes.REVOKED),
    ],
)
def test_google_words_a_refusal_better_by_its_subtype(http, subtype, cause):
    http.post(GOOGLE, json={"error": "invalid_grant", "error_subtype": subtype}, status=400)
    with pytest.raises(Reconnect) as caught:
        oauth.refresh("gmail", SETTINGS, OLD)
    assert caught.value.cause == cause


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "body", ['{"error": "invalid_grant"}', "<html>", "", '{"error": "rate_limit_exceeded"}']
)
def test_a_busy_sign_in_is_never_a_lost_consent(http, status, body):
    http.post(GOOGLE, body=body, status=status, headers={"Retry-After": "90"})
    with pytest.raises(Retry) as caught:
        oauth.refresh("gmail", SETTINGS, OLD)
    assert caught.value.after == 90


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("refused"),
        requests.ConnectTimeout(),
        requests.ReadTimeout(),
        requests.exceptions.SSLError("certificate"),
        requests.exceptions.ProxyError("407 Proxy Authentication Required"),
        requests.exceptions.ChunkedEncodingError("cut"),
    ],
)
def test_a_broken_network_is_never_a_lost_consent(http, error):
    http.post(ENTRA, body=error)
    with pytest.raises(Retry):
        oauth.refresh("graph", SETTINGS, OLD)


@pytest.mark.parametrize("body", ["", "<html>", "[]", "null", '{"access_token": "x"}', "{}"])
def test_an_answer_without_a_token_is_asked_for_again(http, body):
    http.post(GOOGLE, body=body)
    with pytest.raises(Retry):
        oauth.refresh("gmail", SETTINGS, OLD)


def test_a_redirect_gets_no_secret(http):
    http.post(GOOGLE, status=307, headers={"Location": "https://evil.test/token"})
    with pytest.raises(Retry):
        oauth.refresh("gmail", SETTINGS, OLD)


def test_a_rotated_refresh_token_is_kept(http):
    http.post(ENTRA, json=ENTRA_ANSWER)
    assert oauth.refresh("graph", SETTINGS, OLD).refresh_token == "new-refresh"


def test_an_answer_without_a_refresh_token_or_scopes_keeps_those_there_are(http):
    old = Tokens("old-access", "old-refresh", OLD.expires_at, frozenset({READ}))
    http.post(GOOGLE, json={"access_token": "new-access", "expires_in": 3599})
    new = oauth.refresh("gmail", SETTINGS, old)
    assert new.refresh_token == "old-refresh"
    assert new.scopes == {READ}


def test_a_permission_taken_back_later_is_named(http):
    http.post(GOOGLE, json=GOOGLE_ANSWER | {"scope": "openid"})
    with pytest.raises(Reconnect) as caught:
        oauth.refresh("gmail", SETTINGS, OLD)
    assert caught.value.cause == causes.SCOPE_MISSING


# -- revoke

REVOKE = "https://oauth2.googleapis.com/revoke"


@pytest.mark.parametrize(("status", "body"), [(200, {}), (400, {"error": "invalid_token"})])
def test_a_consent_is_given_back_to_google(http, status, body):
    http.post(
        REVOKE,
        json=body,
        status=status,
        match=[urlencoded_params_matcher({"token": "old-refresh"})],
    )
    oauth.revoke("gmail", SETTINGS, OLD)


def test_giving_back_is_tried_again_when_google_is_down(http):
    http.post(REVOKE, status=503)
    with pytest.raises(Retry):
        oauth.revoke("gmail", SETTINGS, OLD)


def test_entra_has_no_way_to_give_a_consent_back(http):
    oauth.revoke("graph", SETTINGS, OLD)
