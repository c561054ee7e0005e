"""The webhook process stays small: what it must not import, and what it does when Redis is away."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.settings import Settings

ROOT = Path(__file__).parents[2]
SDKS = (
    "google",
    "googleapiclient",
    "httplib2",
    "msgraph",
    "kiota_http",
    "httpx",
    "msal",
    "providers",
)


def test_no_provider_sdk_is_imported_by_the_whole_life_of_a_push(
    redis_server: Any, sqlite_url: str
) -> None:
    program = f"""
import sys
from infra.settings import Settings
from webhooks.app import create_app
app = create_app(Settings(redis_url={redis_server.url!r}, database_url={sqlite_url!r})).test_client()
assert app.post("/webhooks/gmail", json={{}}).status_code == 401
body = {{"value": [{{"subscriptionId": "x", "clientState": "y"}}]}}
assert app.post("/webhooks/graph", json=body).status_code == 202
assert app.post("/webhooks/google/risc", data="x").status_code == 400
assert app.get("/metrics").status_code == 200
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={},
        cwd=ROOT,
    )
    loaded = set(done.stdout.split())
    assert "flask" in loaded
    assert not loaded & set(SDKS)


def test_a_redis_that_is_away_is_answered_with_503(sqlite_url: str) -> None:
    from webhooks.app import create_app

    settings = Settings(redis_url="unix:///nowhere/redis.sock", database_url=sqlite_url)
    client = create_app(settings).test_client()
    body = {"value": [{"subscriptionId": "x", "clientState": "y"}]}
    answer = client.post("/webhooks/graph", json=body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert 'replylog_webhooks_unavailable_total{what="redis"}' in client.get("/metrics").text
