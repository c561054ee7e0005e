"""Asking for a consent and taking the answer."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from responses.matchers import urlencoded_params_matcher

from infra.settings import Settings
from providers import causes, oauth
from providers.client import Operator, Reconnect, Retry
from tests.providers.oauth_answers import (
    BACK,
    ENTRA,
    ENTRA_ANSWER,
    GOOGLE,
    GOOGLE_ANSWER,
    ME,
    READ,
    SETTINGS,
    TOKEN_URLS,
    id_token,
)


def finished(provider, http, **more):
    flow = oauth.begin(provider, SETTINGS, BACK)
    return oauth.finish(
        provider, SETTINGS, BACK, flow, {"state": flow.state, "code": "the-code"} | more
    )


def asked(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# -- begin


def test_google_is_asked_for_reading_offline_and_never_for_earlier_grants():
    flow = oauth.begin("gmail", SETTINGS, BACK, "ana@acme.test")
    args = asked(flow.url)
    assert flow.url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert args.pop("state") == flow.state
    assert len(args.pop("code_challenge")) == 43
    assert args == {
        "response_type": "code",
        "client_id": "google-id",
        "redirect_uri": BACK,
        "scope": f"openid email {READ} https://www.googleapis.com/auth/gmail.labels",
        "code_challenge_method": "S256",
        "access_type": "offline",
        "prompt": "consent",
        "login_hint": "ana@acme.test",
    }
    assert len(flow.verifier) >= 43
    assert flow.verifier not in flow.url


def test_entra_is_asked_for_exactly_what_is_needed():
    args = asked(oauth.begin("graph", SETTINGS, BACK).url)
    assert args["scope"] == (
        "openid profile offline_access User.Read Mail.Read MailboxSettings.Read"
    )
    assert "login_hint" not in args


def test_every_flow_has_its_own_secrets():
    one, other = (oauth.begin("gmail", SETTINGS, BACK) for _ in range(2))
    assert one.state != other.state
    assert one.verifier != other.verifier
    assert one.state not in repr(one).replace(one.url, "")
    assert one.verifier not in repr(one)


def test_without_a_client_id_the_operator_is_told():
    with pytest.raises(Operator) as caught:
        oauth.begin("gmail", Settings(), BACK)
    assert caught.value.cause == causes.NOT_CONFIGURED


def test_an_unknown_provider_is_a_mistake():
    with pytest.raises(ValueError, match="no such provider"):
        oauth.begin("pop3", SETTINGS, BACK)


# -- finish


def test_a_google_code_becomes_tokens_of_a_person(http):
    http.post(GOOGLE, json=GOOGLE_ANSWER)
    before = datetime.now(UTC)
    grant = finished("gmail", http)
    assert (grant.address, grant.subject) == ("ana@acme.test", "1077")
    assert (grant.tokens.access_token, grant.tokens.refresh_token) == ("new-access", "new-refresh")
    assert READ in grant.tokens.scopes
    life = grant.tokens.expires_at - before
    assert timedelta(seconds=3590) < life < timedelta(seconds=3610)


def test_the_code_goes_with_its_verifier_and_the_clients_secret(http):
    flow = oauth.begin("gmail", SETTINGS, BACK)
    sent = {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": BACK,
        "code_verifier": flow.verifier,
        "client_id": "google-id",
        "client_secret": "google-secret",
    }
    http.post(GOOGLE, json=GOOGLE_ANSWER, match=[urlencoded_params_matcher(sent)])
    oauth.finish("gmail", SETTINGS, BACK, flow, {"state": flow.state, "code": "the-code"})


@pytest.mark.parametrize(
    ("profile", "address"),
    [
        ({"mail": "ben@acme365.test", "userPrincipalName": "ben@login.test"}, "ben@acme365.test"),
        ({"mail": None, "userPrincipalName": "ben@login.test"}, "ben@login.test"),
    ],
)
def test_an_entra_code_becomes_tokens_of_a_person_by_their_primary_address(http, profile, address):
    http.post(ENTRA, json=ENTRA_ANSWER)
    http.get(ME, json=profile)
    grant = finished("graph", http)
    assert (grant.address, grant.subject) == (address, "t1:o1")
    assert grant.tokens.scopes >= {"mail.read", "mailboxsettings.read"}


def test_a_profile_that_cannot_be_read_is_tried_again(http):
    http.post(ENTRA, json=ENTRA_ANSWER)
    http.get(ME, status=503)
    with pytest.raises(Retry):
        finished("graph", http)


@pytest.mark.parametrize(
    "args", [{"state": "forged"}, {"state": ""}, {"state": "fälschung"}, {"code": ""}]
)
def test_an_answer_that_is_not_ours_is_refused_before_anything_is_asked(http, args):
    with pytest.raises(Reconnect) as caught:
        finished("gmail", http, **args)
    assert caught.value.cause == causes.ANSWER_INVALID


def test_a_forged_error_is_not_believed(http):
    with pytest.raises(Reconnect) as caught:
        finished("gmail", http, state="forged", error="access_denied")
    assert caught.value.cause == causes.ANSWER_INVALID


@pytest.mark.parametrize(
    ("provider", "error", "description", "cause"),
    [
        ("gmail", "access_denied", "", causes.CONSENT_DENIED),
        ("gmail", "admin_policy_enforced", "", causes.ADMIN_BLOCKED),
        ("graph", "access_denied", "AADSTS65004: declined", causes.CONSENT_DENIED),
        ("graph", "access_denied", "the user canceled", causes.CONSENT_DENIED),
        ("graph", "access_denied", "AADSTS90094: admin consent", causes.ADMIN_CONSENT),
        ("graph", "consent_required", "AADSTS65001: no consent", causes.CONSENT_MISSING),
        ("graph", "consent_required", "AADSTS90094: needs admin", causes.ADMIN_CONSENT),
        ("graph", "access_denied", "AADSTS50105: not assigned", causes.NOT_ASSIGNED),
        ("graph", "interaction_required", "", causes.SIGN_IN),
    ],
)
def test_a_consent_that_was_not_given_says_why(http, provider, error, description, cause):
    with pytest.raises(Reconnect) as caught:
        finished(provider, http, error=error, error_description=description)
    assert caught.value.cause == cause


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_a_consent_page_that_is_down_is_no_refusal(http, error):
    with pytest.raises(Retry):
        finished("graph", http, error=error)


@pytest.mark.parametrize(
    ("provider", "scope"),
    [
        ("gmail", "openid https://www.googleapis.com/auth/userinfo.email"),
        ("graph", "openid profile User.Read Mail.Read"),
    ],
)
def test_an_unticked_permission_is_named(http, provider, scope):
    answers = {"gmail": GOOGLE_ANSWER, "graph": ENTRA_ANSWER}
    http.post(TOKEN_URLS[provider], json=answers[provider] | {"scope": scope})
    with pytest.raises(Reconnect) as caught:
        finished(provider, http)
    assert caught.value.cause == causes.SCOPE_MISSING


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"id_token": "garbage"}, causes.ANSWER_INVALID),
        ({"id_token": ""}, causes.ANSWER_INVALID),
        (
            {"id_token": id_token(aud="another-app", sub="1", email="a@b.test")},
            causes.ANSWER_INVALID,
        ),
        ({"id_token": id_token(aud="google-id", sub="1")}, causes.SCOPE_MISSING),
        ({"refresh_token": None}, causes.SCOPE_MISSING),
    ],
)
def test_tokens_of_nobody_are_refused(http, change, cause):
    http.post(GOOGLE, json=GOOGLE_ANSWER | change)
    with pytest.raises(Reconnect) as caught:
        finished("gmail", http)
    assert caught.value.cause == cause
