"""Google's sign-in: consent page, codes, tokens, revocation."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from google.auth.transport import requests as transport
from google.oauth2 import id_token

from tests.sandbox.google_kit import ANA, ROOT, Gmail, endpoint
from tests.sandbox_process import Sandbox

CLIENT = {"client_id": "sandbox-google-client", "client_secret": "sandbox-google-secret"}
BACK = "http://127.0.0.1:5000/back"
VERIFIER = "v" * 64
READ = f"{ROOT}readonly"


def page(**changed: str) -> str:
    hashed = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    query = {
        "client_id": "sandbox-google-client",
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": f"openid email {READ} {ROOT}send",
        "state": "st",
        "access_type": "offline",
        "code_challenge": hashed.decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return f"/o/oauth2/v2/auth?{urlencode({**query, **changed})}"


def allow(
    sandbox: Sandbox, *scopes: str, decision: str = "allow", **changed: str
) -> dict[str, str]:
    form = {"account": ANA, "scope": list(scopes or (READ,)), "decision": decision}
    answer = sandbox.http.post(page(**changed), data=form)
    assert answer.status_code == 302, answer.text
    location = urlsplit(answer.headers["Location"])
    assert location._replace(query="").geturl() == BACK
    return {k: v[0] for k, v in parse_qs(location.query).items()}


def tokens(sandbox: Sandbox, **form: str) -> tuple[int, dict[str, Any]]:
    answer = sandbox.http.post("/token", data={**CLIENT, **form})
    return answer.status_code, answer.json()


def redeem(sandbox: Sandbox, code: str, **changed: str) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "authorization_code", "redirect_uri": BACK, "code_verifier": VERIFIER}
    return tokens(sandbox, code=code, **{**form, **changed})


def test_the_page_offers_accounts_and_tick_boxes(sandbox: Sandbox) -> None:
    text = sandbox.http.get(page(login_hint=ANA)).text
    assert "ana@acme.test" in text
    assert "cleo@acme.test" in text
    assert "ben@acme365.test" not in text
    assert text.count('type="checkbox"') == 2
    assert text.count("checked") == 3
    sandbox.post("/control/switches", **{"google.scopes_ticked": False})
    assert sandbox.http.get(page()).text.count("checked") == 1


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"redirect_uri": "https://evil.test/"}, 400, "redirect_uri_mismatch"),
        ({"response_type": "token"}, 400, "unsupported_response_type"),
        ({"scope": ""}, 400, "invalid_request"),
        ({"code_challenge_method": "S512"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_on_a_page(
    sandbox: Sandbox, changed: dict[str, str], status: int, error: str
) -> None:
    answer = sandbox.http.get(page(**changed))
    assert answer.status_code == status
    assert error in answer.text


def test_a_code_becomes_tokens_of_the_ticked_scopes_only(sandbox: Sandbox) -> None:
    back = allow(sandbox, READ)
    assert back["state"] == "st"
    status, found = redeem(sandbox, back["code"])
    assert status == 200
    assert found["expires_in"] == 3599
    assert set(found["scope"].split()) == {
        "openid",
        "https://www.googleapis.com/auth/userinfo.email",
        READ,
    }
    claims = id_token.verify_token(
        found["id_token"],
        transport.Request(),
        CLIENT["client_id"],
        f"{sandbox.url}/oauth2/v1/certs",
    )
    assert (claims["email"], claims["iss"]) == (ANA, "https://accounts.google.com")
    assert claims["sub"].isdigit()
    gmail = Gmail(sandbox)
    gmail.token = found["access_token"]
    assert gmail.get("profile", "Profile")["emailAddress"] == ANA


def test_denying_goes_back_with_an_error(sandbox: Sandbox) -> None:
    assert allow(sandbox, decision="deny") == {"error": "access_denied", "state": "st"}


def test_a_code_works_once_for_ten_minutes_with_its_verifier(sandbox: Sandbox) -> None:
    code = allow(sandbox)["code"]
    assert redeem(sandbox, code, code_verifier="wrong")[1]["error"] == "invalid_grant"
    assert (
        redeem(sandbox, code, code_verifier="")[1]["error_description"] == "Missing code verifier."
    )
    assert redeem(sandbox, code, redirect_uri="http://localhost/")[0] == 400
    assert redeem(sandbox, code)[0] == 200
    assert redeem(sandbox, code) == (
        400,
        {"error": "invalid_grant", "error_description": "Bad Request"},
    )
    late = allow(sandbox)["code"]
    sandbox.post("/control/skew", seconds=601)
    assert redeem(sandbox, late)[0] == 400


def test_a_wrong_secret_is_an_invalid_client(sandbox: Sandbox) -> None:
    code = allow(sandbox)["code"]
    status, body = redeem(sandbox, code, client_secret="wrong")
    assert (status, body["error"]) == (401, "invalid_client")
    assert tokens(sandbox, grant_type="password")[1]["error"] == "unsupported_grant_type"


def test_a_refresh_token_comes_first_time_or_with_prompt_consent(sandbox: Sandbox) -> None:
    assert "refresh_token" in redeem(sandbox, allow(sandbox)["code"])[1]
    assert "refresh_token" not in redeem(sandbox, allow(sandbox)["code"])[1]
    again = allow(sandbox, prompt="consent")["code"]
    assert "refresh_token" in redeem(sandbox, again)[1]
    online = allow(sandbox, prompt="consent", access_type="online")["code"]
    assert "refresh_token" not in redeem(sandbox, online)[1]


def test_refresh_gives_access_tokens_and_no_new_refresh_token(sandbox: Sandbox) -> None:
    found = redeem(sandbox, allow(sandbox)["code"])[1]
    form = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
    status, fresh = tokens(sandbox, **form)
    assert status == 200
    assert fresh["access_token"] != found["access_token"]
    assert "refresh_token" not in fresh
    assert tokens(sandbox, **form, scope="https://mail.google.com/")[1]["error"] == "invalid_scope"


@pytest.mark.parametrize("how", ["password", "consent", "revoke"])
def test_a_lost_grant_is_an_invalid_grant(sandbox: Sandbox, how: str) -> None:
    found = redeem(sandbox, allow(sandbox)["code"])[1]
    if how == "revoke":
        answer = sandbox.http.post("/revoke", data={"token": found["refresh_token"]})
        assert answer.status_code == 200
        again = sandbox.http.post("/revoke", data={"token": found["refresh_token"]})
        assert (again.status_code, again.json()["error"]) == (400, "invalid_token")
    else:
        sandbox.post(f"/control/{how}", address=ANA)
    form = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
    status, body = tokens(sandbox, **form)
    assert (status, body["error"]) == (400, "invalid_grant")
    gmail = Gmail(sandbox)
    gmail.token = found["access_token"]
    assert gmail.refused("GET", "profile") == (401, "authError")


def test_access_tokens_end_after_an_hour_or_on_demand(sandbox: Sandbox) -> None:
    gmail = Gmail(sandbox)
    sandbox.post("/control/skew", seconds=3601)
    assert gmail.refused("GET", "profile") == (401, "authError")
    sandbox.post("/control/skew", seconds=0)
    sandbox.post("/control/expire-tokens", address=ANA)
    assert gmail.refused("GET", "profile") == (401, "authError")


def test_the_101st_refresh_token_kills_the_oldest(sandbox: Sandbox) -> None:
    first, *_ = (
        sandbox.post("/control/google/token", address=ANA, scopes=[READ])["refresh_token"]
        for _ in range(101)
    )
    status, _ = tokens(sandbox, grant_type="refresh_token", refresh_token=first)
    assert status == 400


def test_control_can_walk_through_the_consent_page(sandbox: Sandbox) -> None:
    answer = sandbox.post("/control/google/authorize", url=f"{sandbox.url}{page()}", address=ANA)
    assert "code=" in answer["location"]


def test_security_events_are_signed_for_the_client(sandbox: Sandbox) -> None:
    with endpoint() as kept:
        kept.status = 202
        answer = sandbox.post("/control/google/risc", endpoint=kept.url, address=ANA)
    assert answer["status"] == 202
    head, claims, _ = kept.texts[0].split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] == "RS256"
    found = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert found["aud"] == "sandbox-google-client"
    assert "exp" not in found
