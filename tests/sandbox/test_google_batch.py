"""Batches and limits of the pretend Gmail."""

from typing import Any

import googleapiclient.discovery
import httplib2
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest

from tests.sandbox.google_kit import ALL, ANA, Gmail
from tests.sandbox_process import Sandbox


def service(sandbox: Sandbox, token: str) -> tuple[Any, AuthorizedHttp]:
    credentials = Credentials(token=token)  # type: ignore[no-untyped-call]
    http = AuthorizedHttp(credentials, http=httplib2.Http(timeout=10))
    options = {"api_endpoint": sandbox.url}
    return googleapiclient.discovery.build("gmail", "v1", http=http, client_options=options), http


def batch(
    sandbox: Sandbox, token: str, ids: list[str], path: str = "/batch/gmail/v1"
) -> tuple[dict[str, Any], dict[str, HttpError]]:
    gmail, http = service(sandbox, token)
    good: dict[str, Any] = {}
    bad: dict[str, HttpError] = {}

    def taken(request_id: str, response: Any, error: HttpError | None) -> None:
        if error is None:
            good[request_id] = response
        else:
            bad[request_id] = error

    many = BatchHttpRequest(callback=taken, batch_uri=f"{sandbox.url}{path}")
    for number, one in enumerate(ids):
        request = gmail.users().messages().get(userId="me", id=one, format="minimal")
        many.add(request, request_id=str(number))
    try:
        many.execute(http=http)
    finally:
        gmail.close()
    return good, bad


@pytest.mark.parametrize("path", ["/batch", "/batch/gmail/v1"])
def test_a_batch_of_the_google_client_works_part_by_part(sandbox: Sandbox, path: str) -> None:
    ana = Gmail(sandbox)
    ids = [ana.arrive() for _ in range(3)]
    good, bad = batch(sandbox, ana.token, [*ids, "00000000000000ff"], path)
    assert [good[str(n)]["id"] for n in range(3)] == ids
    assert bad["3"].resp.status == 404
    counts = sandbox.get("/control/counts")
    assert counts["gmail.batch"] == 1
    assert counts["gmail.messages.get.minimal"] == 4


def test_a_batch_of_too_many_calls_is_refused_as_a_whole(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    with pytest.raises(HttpError, match="Received: 101, Limit: 100"):
        batch(sandbox, ana.token, ["00000000000000ff"] * 101)


def test_calls_of_a_large_batch_get_429_beyond_the_concurrency(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    good, bad = batch(sandbox, ana.token, [ana.arrive()] * 60)
    assert len(good) == 25
    assert {e.resp.status for e in bad.values()} == {429}
    assert "Too many concurrent requests for user" in str(bad["59"])
    assert len(batch(sandbox, ana.token, [ana.arrive()] * 10)[0]) == 10


def test_a_batch_that_is_none_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.http.post("/batch", content=b"x")
    assert answer.status_code == 400


def test_units_of_a_minute_run_out_with_a_time_to_come_back(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    sandbox.post("/control/switches", **{"gmail.units_per_minute": 45})
    found = ana.arrive()
    for _ in range(2):
        ana.get(f"messages/{found}", "Message", format="metadata")
    answer = ana.ask("GET", f"messages/{found}")
    assert answer.status_code == 429
    assert answer.json()["error"]["message"].startswith("User-rate limit exceeded.  Retry after 20")
    assert ana.refused("GET", "profile")[0] == 429
    Gmail(sandbox, "cleo@acme.test").get("profile", "Profile")
    sandbox.post("/control/skew", seconds=16 * 60)
    ana = Gmail(sandbox)
    ana.get("profile", "Profile")


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("retry-after", 429, "rateLimitExceeded"),
        ("concurrent", 429, "rateLimitExceeded"),
        ("exhausted", 429, "rateLimitExceeded"),
        ("403-rate", 403, "rateLimitExceeded"),
        ("403-user", 403, "userRateLimitExceeded"),
        ("403-daily", 403, "dailyLimitExceeded"),
        ("403-domain", 403, "domainPolicy"),
        ("mail-off", 400, "failedPrecondition"),
    ],
)
def test_each_refusal_by_limits_can_be_had(
    sandbox: Sandbox, kind: str, status: int, reason: str
) -> None:
    ana = Gmail(sandbox)
    sandbox.post("/control/google/limit", address=ANA, kind=kind, seconds=60)
    assert ana.refused("GET", "profile") == (status, reason)


def test_the_google_client_works_with_all_its_own_ways(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    found = ana.arrive()
    gmail, _ = service(sandbox, ana.token)
    users = gmail.users()
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA
    long = " OR ".join(f"from:somebody{n}@globex.test" for n in range(200))
    assert "messages" not in users.messages().list(userId="me", q=long).execute()
    assert users.messages().get(userId=ANA, id=found).execute()["id"] == found
    users.stop(userId="me").execute()
    gmail.close()
