"""Who may ask the pretend Graph, and how often."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.graph_kit import BEN, Client, code_of
from tests.sandbox_process import Sandbox


def test_no_token_a_wrong_one_and_an_expired_one_are_401(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    assert sandbox.http.get("/v1.0/me").status_code == 401
    wrong = Client(sandbox, token="eyJ.wrong.one").call("GET", "/me")
    assert (wrong.status_code, code_of(wrong)) == (401, "InvalidAuthenticationToken")
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer ")
    sandbox.post("/control/expire-tokens", address=BEN)
    assert ben.call("GET", "/me").status_code == 401


def test_a_claims_challenge_can_be_switched_on(sandbox: Sandbox) -> None:
    able = json.dumps({"access_token": {"xms_cc": {"values": ["CP1"]}}})
    given = sandbox.post("/control/microsoft/token", address=BEN, claims=able)
    ben = Client(sandbox, token=given["access_token"])
    ben.switch("graph.claims_challenge", value=True)
    answer = ben.call("GET", "/me")
    assert answer.status_code == 401
    assert 'error="insufficient_claims"' in answer.headers["WWW-Authenticate"]
    assert 'claims="' in answer.headers["WWW-Authenticate"]
    assert Client(sandbox).call("GET", "/me").status_code == 200, "it could not answer one"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/me/messages"),
        ("GET", "/me/mailFolders/inbox/messages/delta"),
        ("GET", "/subscriptions"),
        ("POST", "/me/sendMail"),
    ],
)
def test_a_missing_scope_is_403(sandbox: Sandbox, method: str, path: str) -> None:
    answer = Client(sandbox, scopes=["User.Read"]).call(method, path)
    assert (answer.status_code, code_of(answer)) == (403, "ErrorAccessDenied")


def test_read_basic_hides_bodies(sandbox: Sandbox) -> None:
    ben = Client(sandbox, scopes=["Mail.ReadBasic"])
    key = ben.deliver()
    assert "body" not in ben.get(f"/me/messages/{key}")
    assert ben.call("GET", f"/me/messages/{key}?$select=body").status_code == 403
    assert ben.call("GET", f"/me/messages/{key}/$value").status_code == 403


def test_a_write_scope_does_not_do_for_subscriptions(sandbox: Sandbox) -> None:
    assert (
        Client(sandbox, scopes=["Mail.ReadWrite"]).call("GET", "/subscriptions").status_code == 403
    )


def test_another_mailbox_is_closed_and_unknown_ones_are_not_there(sandbox: Sandbox) -> None:
    sandbox.post("/control/people", address="eve@acme365.test", name="Eve", provider="microsoft")
    ben = Client(sandbox)
    assert ben.call("GET", "/users/eve@acme365.test/messages").status_code == 403
    answer = ben.call("GET", "/users/nobody@acme365.test/messages")
    assert (answer.status_code, code_of(answer)) == (404, "ErrorInvalidUser")


def test_the_fifth_request_at_one_time_is_refused(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.latency", 4)  # seconds: all are there before the first one ends
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ben.call("GET", "/me/mailFolders/inbox"), range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 4 + [429] * 4
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert code_of(refused) == "ApplicationThrottled"
    assert "MailboxConcurrency" in refused.json()["error"]["message"]


@pytest.mark.parametrize(("how", "header"), [("seconds", None), ("zero", "0"), ("missing", "")])
def test_too_many_requests_in_ten_minutes_are_refused(
    sandbox: Sandbox, how: str, header: str | None
) -> None:
    ben = Client(sandbox)
    ben.switch("graph.requests_per_10_minutes", 2)
    ben.switch("graph.retry_after", how)
    for _ in range(2):
        ben.get("/me/mailFolders/inbox")
    answer = ben.call("GET", "/me/mailFolders/inbox")
    assert answer.status_code == 429
    found = answer.headers.get("Retry-After", "")
    assert found == header if header is not None else 0 < int(found) <= 601


def test_a_mailbox_that_is_not_in_the_cloud(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.mailbox_disabled", value=True)
    answer = ben.call("GET", "/me/messages")
    assert (answer.status_code, code_of(answer)) == (404, "MailboxNotEnabledForRESTAPI")


def test_batch_members_answer_for_themselves(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver()
    requests = [
        {
            "id": "1",
            "method": "GET",
            "url": f"/me/messages/{key}?$select=id,subject",
            "headers": {"Prefer": 'IdType="ImmutableId"'},
        },
        {"id": "2", "method": "GET", "url": "/me/messages/nonsense"},
        {"id": "3", "method": "GET", "url": "/me", "dependsOn": ["2"]},
        {"id": "4", "method": "GET", "url": "/me/mailFolders('inbox')", "dependsOn": ["1"]},
    ]
    headers = {"Authorization": f"Bearer {ben.token}"}
    sandbox.post("/control/counts/reset")
    answer = sandbox.http.post("/v1.0/$batch", json={"requests": requests}, headers=headers)
    assert answer.status_code == 200
    found = {one["id"]: one for one in answer.json()["responses"]}
    assert [found[str(n)]["status"] for n in (1, 2, 3, 4)] == [200, 400, 424, 200]
    assert found["1"]["body"]["id"] == key
    counts = sandbox.get("/control/counts")
    assert (counts["graph.batch"], counts["graph.messages.get"]) == (1, 2)
    many = [{"id": str(n), "method": "GET", "url": "/me"} for n in range(21)]
    answer = sandbox.http.post("/v1.0/$batch", json={"requests": many}, headers=headers)
    assert answer.status_code == 400


def test_a_fault_can_hit_one_member_of_a_batch(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    sandbox.post(
        "/control/faults", match="GET /v1.0/me/mailFolders", kind="status", status=503, body="{}"
    )
    requests = [
        {"id": "1", "method": "GET", "url": "/me"},
        {"id": "2", "method": "GET", "url": "/me/mailFolders"},
    ]
    answer = sandbox.http.post(
        "/v1.0/$batch",
        json={"requests": requests},
        headers={"Authorization": f"Bearer {ben.token}"},
    )
    found = {one["id"]: one["status"] for one in answer.json()["responses"]}
    assert found == {"1": 200, "2": 503}
