import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from joserfc import jws
from joserfc.jwk import OctKey
from responses.matchers import urlencoded_params_matcher

from crm.model import Tokens
from infra.settings import Settings
from providers import causes, oauth
from providers.client import Operator, Reconnect, Retry

BACK = "https://crm.example.com/connect/callback"
READ = "https://www.googleapis.com/auth/gmail.readonly"
GOOGLE = "https://oauth2.googleapis.com/token"
ENTRA = "https://login.microsoftonline.com/organizations/oauth2/v2.0/token"
ME = "https://graph.microsoft.com/v1.0/me"
TOKEN_URLS = {"gmail": GOOGLE, "graph": ENTRA}
SETTINGS = Settings(
    google_client_id="google-id",
    google_client_secret="google-secret",
    microsoft_client_id="entra-id",
    microsoft_client_secret="entra-secret",
)
OLD = Tokens("old-access", "old-refresh", datetime(2026, 3, 2, tzinfo=UTC), frozenset({"kept"}))


def id_token(**claims):
    key = OctKey.import_key("k" * 32)
    return jws.serialize_compact({"alg": "HS256"}, json.dumps(claims).encode(), key)


GOOGLE_ANSWER = {
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "expires_in": 3599,
    "scope": f"openid https://www.googleapis.com/auth/userinfo.email {READ}",
    "token_type": "Bearer",
    "id_token": id_token(aud="google-id", sub="1077", email="ana@acme.test"),
}
ENTRA_ANSWER = {
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "expires_in": 4000,
    "scope": "openid profile https://graph.microsoft.com/Mail.Read MailboxSettings.Read User.Read",
    "token_type": "Bearer",
    "id_token": id_token(aud="entra-id", tid="t1", oid="o1", preferred_username="ben@login.test"),
}


@pytest.fixture
def http():
    with responses.RequestsMock() as mocked:
        yield mocked


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
        "scope": f"openid email {READ}",
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


# -- refresh

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
    ("graph", "invalid_grant", "AADSTS70043: frequency", Reconnect, causes.EXPIRED),
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


@pytest.mark.parametrize(
    ("subtype", "cause"),
    [
        ("admin_policy_enforced", causes.ADMIN_BLOCKED),
        ("invalid_rapt", causes.EXPIRED),
        ("rapt_required", causes.EXPIRED),
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
