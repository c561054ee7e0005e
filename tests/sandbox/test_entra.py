"""Signing in at the pretend Microsoft: the page, the code, tokens and all the ways to be refused."""

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.sandbox.graph_kit import BEN, Client
from tests.sandbox_process import Sandbox

VERIFIER = "v" * 64
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
BACK = "http://127.0.0.1:5000/back"
SCOPE = "openid profile offline_access User.Read Mail.Read"
QUERY = {
    "client_id": "sandbox-microsoft-client",
    "response_type": "code",
    "redirect_uri": BACK,
    "scope": SCOPE,
    "state": "st",
    "nonce": "no",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def authorize(
    sandbox: Sandbox, decision: str = "accept", tenant: str = "organizations", **more: str
) -> dict[str, str]:
    url = f"/{tenant}/oauth2/v2.0/authorize?{urlencode({**QUERY, **more})}"
    answer = sandbox.http.post(url, data={"account": BEN, "decision": decision})
    assert answer.status_code == 302, answer.text
    location = answer.headers["Location"]
    assert location.startswith(BACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def token(sandbox: Sandbox, **form: str) -> Any:
    body = {
        "client_id": "sandbox-microsoft-client",
        "client_secret": "sandbox-microsoft-secret",
        **form,
    }
    return sandbox.http.post("/organizations/oauth2/v2.0/token", data=body)


def redeem(sandbox: Sandbox, code: str, **form: str) -> Any:
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return token(sandbox, **{**given, **form})


def refresh(sandbox: Sandbox, refresh_token: str, **form: str) -> Any:
    return token(sandbox, grant_type="refresh_token", refresh_token=refresh_token, **form)


def signed_in(sandbox: Sandbox) -> Any:
    return redeem(sandbox, authorize(sandbox)["code"]).json()


def test_the_page_offers_accounts_and_names_the_scopes(sandbox: Sandbox) -> None:
    page = sandbox.http.get(
        "/organizations/oauth2/v2.0/authorize", params={**QUERY, "login_hint": BEN}
    )
    assert page.status_code == 200
    assert re.search(rf'value="{BEN}" checked', page.text)
    assert "Mail.Read" in page.text


def test_a_code_gives_tokens_and_a_signed_id_token(sandbox: Sandbox) -> None:
    answer = authorize(sandbox)
    assert answer["state"] == "st"
    found = redeem(sandbox, answer["code"]).json()
    assert found["token_type"] == "Bearer"
    assert 3600 <= found["expires_in"] <= 4320
    assert "offline_access" not in found["scope"]
    keys = sandbox.http.get("/organizations/discovery/v2.0/keys").json()
    claims = jwt.decode(found["id_token"], KeySet.import_key_set(keys)).claims
    assert claims["preferred_username"] == BEN
    assert claims["nonce"] == "no"
    assert claims["aud"] == "sandbox-microsoft-client"
    assert claims["iss"] == f"{sandbox.url}/{claims['tid']}/v2.0"
    me = Client(sandbox, token=found["access_token"]).get("/me")
    assert me["id"] == claims["oid"]


def test_discovery_of_many_tenants_has_an_issuer_template(sandbox: Sandbox) -> None:
    found = sandbox.http.get("/organizations/v2.0/.well-known/openid-configuration").json()
    assert found["issuer"] == f"{sandbox.url}/{{tenantid}}/v2.0"
    assert found["token_endpoint"] == f"{sandbox.url}/organizations/oauth2/v2.0/token"


def test_a_code_works_once(sandbox: Sandbox) -> None:
    code = authorize(sandbox)["code"]
    assert redeem(sandbox, code).status_code == 200
    again = redeem(sandbox, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert again.json()["error_codes"] == [54005]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:5000/other"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "other"}, "unauthorized_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_redemption_is_refused(sandbox: Sandbox, form: dict[str, str], error: str) -> None:
    answer = redeem(sandbox, authorize(sandbox)["code"], **form)
    assert answer.status_code in (400, 401)
    body = answer.json()
    assert body["error"] == error
    assert {"error_description", "error_codes", "timestamp", "trace_id", "correlation_id"} <= set(
        body
    )
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")


def test_cancel_goes_back_with_access_denied(sandbox: Sandbox) -> None:
    answer = authorize(sandbox, "cancel")
    assert (answer["error"], answer["error_subcode"]) == ("access_denied", "cancel")


def test_a_wrong_redirect_uri_is_never_followed(sandbox: Sandbox) -> None:
    query = {**QUERY, "redirect_uri": "http://evil.test/back"}
    answer = sandbox.http.get("/organizations/oauth2/v2.0/authorize", params=query)
    assert answer.status_code == 400
    assert "AADSTS50011" in answer.text


def test_refresh_gives_a_new_token_and_the_old_one_stays_good(sandbox: Sandbox) -> None:
    first = signed_in(sandbox)["refresh_token"]
    second = refresh(sandbox, first).json()["refresh_token"]
    assert second != first
    assert refresh(sandbox, first).status_code == 200
    assert refresh(sandbox, second).status_code == 200


def test_a_switch_makes_rotation_end_the_old_token(sandbox: Sandbox) -> None:
    first = signed_in(sandbox)["refresh_token"]
    sandbox.post("/control/switches", **{"entra.rotation_ends_old": True})
    assert refresh(sandbox, first).status_code == 200
    assert refresh(sandbox, first).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("number", "status", "error"),
    [
        ("50173", 400, "invalid_grant"),
        ("50076", 400, "invalid_grant"),
        ("50158", 400, "interaction_required"),
        ("53003", 400, "invalid_grant"),
        ("70008", 400, "invalid_grant"),
        ("65001", 400, "invalid_grant"),
        ("50057", 400, "invalid_grant"),
        ("7000215", 401, "invalid_client"),
        ("7000222", 401, "invalid_client"),
        ("temporarily_unavailable", 503, "temporarily_unavailable"),
    ],
)
def test_each_family_of_errors_can_be_switched_on(
    sandbox: Sandbox, number: str, status: int, error: str
) -> None:
    old = signed_in(sandbox)["refresh_token"]
    Client(sandbox).switch("entra.error", number)
    answer = refresh(sandbox, old)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    Client(sandbox).switch("entra.error", "")
    assert refresh(sandbox, old).status_code == 200


def test_mfa_and_conditional_access_carry_claims(sandbox: Sandbox) -> None:
    old = signed_in(sandbox)["refresh_token"]
    Client(sandbox).switch("entra.error", "50076")
    assert "claims" in refresh(sandbox, old).json()


@pytest.mark.parametrize("claims", ["{", "7", '{"access_token":7}'])
def test_claims_that_are_no_json_object_are_refused(sandbox: Sandbox, claims: str) -> None:
    old = signed_in(sandbox)["refresh_token"]
    answer = refresh(sandbox, old, claims=claims)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [9002313])


def test_taking_consent_away_ends_refreshing(sandbox: Sandbox) -> None:
    found = signed_in(sandbox)
    sandbox.post("/control/consent", address=BEN)
    answer = refresh(sandbox, found["refresh_token"]).json()
    assert (answer["error"], answer["error_codes"]) == ("invalid_grant", [65001])
    assert Client(sandbox, token=found["access_token"]).get("/me")["mail"] == BEN


def test_a_password_change_leaves_tokens_alone(sandbox: Sandbox) -> None:
    found = signed_in(sandbox)
    sandbox.post("/control/password", address=BEN)
    assert refresh(sandbox, found["refresh_token"]).status_code == 200


def test_an_admin_must_consent_where_the_tenant_says_so(sandbox: Sandbox) -> None:
    Client(sandbox).switch("entra.admin_consent", value=True)
    url = f"/organizations/oauth2/v2.0/authorize?{urlencode(QUERY)}"
    page = sandbox.http.post(url, data={"account": BEN, "decision": "accept"})
    assert "Need admin approval" in page.text
    assert authorize(sandbox, "leave")["error"] == "consent_required"
    approve = {"client_id": QUERY["client_id"], "redirect_uri": BACK, "state": "s", "scope": "x"}
    url = f"/organizations/v2.0/adminconsent?{urlencode(approve)}"
    answer = sandbox.http.post(url, data={"account": BEN, "decision": "accept"})
    assert "admin_consent=True" in answer.headers["Location"]
    assert "code" in authorize(sandbox)


def test_no_browser_is_needed_through_the_control_api(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/organizations/oauth2/v2.0/authorize?{urlencode(QUERY)}"
    found = sandbox.post("/control/microsoft/authorize", url=url, address=BEN)
    assert "code=" in found["location"]
