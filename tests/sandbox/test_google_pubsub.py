"""Watches, notifications and Pub/Sub of the pretend Google."""

import time
from itertools import pairwise

import httpx
import pytest
from google.auth.transport import requests as transport
from google.oauth2 import id_token, service_account

from tests.sandbox.google_kit import ANA, READ, TOPIC, Endpoint, Gmail, check, endpoint, until
from tests.sandbox_process import Sandbox

AUDIENCE = "https://crm.test/push"
ACCOUNT = "push@sandbox.iam.gserviceaccount.com"
HOUR = 3600


def subscribe(sandbox: Sandbox, kept: Endpoint, **more: object) -> None:
    sandbox.post(
        "/control/pubsub", endpoint=kept.url, audience=AUDIENCE, service_account=ACCOUNT, **more
    )


def watch(ana: Gmail, topic: str = TOPIC, **more: object) -> dict[str, str]:
    found: dict[str, str] = ana.post("watch", "WatchResponse", {"topicName": topic, **more})
    return found


def quick(sandbox: Sandbox) -> None:
    sandbox.post("/control/switches", **{"gmail.push_interval": 0})


def test_watch_pushes_at_once_with_a_token_google_auth_accepts(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    with endpoint() as kept:
        subscribe(sandbox, kept)
        answer = watch(ana)
        (push,) = kept.wait(1)
    days = (int(answer["expiration"]) / 1000 - time.time()) / 86_400
    assert 6.9 < days <= 7
    assert push.data == {"emailAddress": ANA, "historyId": int(answer["historyId"])}
    message = push.body["message"]
    assert message["messageId"] == message["message_id"]
    assert message["publishTime"] == message["publish_time"]
    claims = id_token.verify_token(
        push.token, transport.Request(), AUDIENCE, f"{sandbox.url}/oauth2/v1/certs"
    )
    assert (claims["email"], claims["email_verified"]) == (ACCOUNT, True)
    assert claims["iss"] == "https://accounts.google.com"


def test_one_notification_a_second_and_the_rest_is_dropped(sandbox: Sandbox) -> None:
    """The second is an hour here: a busy machine may take seconds for five messages."""
    ana = Gmail(sandbox)
    assert sandbox.get("/control/switches")["gmail.push_interval"] == 1.0
    sandbox.post("/control/switches", **{"gmail.push_interval": HOUR})
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        kept.wait(1)
        sandbox.post("/control/skew", seconds=HOUR)
        for _ in range(5):
            ana.arrive()
        kept.wait(2)
        time.sleep(0.2)
        assert len(kept.pushes) == 2
    log = sandbox.get("/control/notifications")["log"]
    assert [one["outcome"] for one in log].count("rate") == 4


def test_a_push_leaves_at_once_after_the_change(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    quick(sandbox)
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        for _ in range(20):
            ana.arrive()
        kept.wait(21)
    until(lambda: len(sandbox.get("/control/notifications")["log"]) == 21)
    waits = [o["detail"]["waited_ms"] for o in sandbox.get("/control/notifications")["log"]]
    assert min(waits) < 50


def test_refused_pushes_come_again_with_growing_pauses(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    with endpoint() as kept:
        kept.status = 503
        subscribe(sandbox, kept)
        watch(ana)
        pushes = kept.wait(4)
        kept.status = 204
        until(lambda: sandbox.get("/control/notifications")["log"][-1]["outcome"] == "204")
        gaps = [b.at - a.at for a, b in pairwise(pushes[:4])]
        assert all(gap > pause for gap, pause in zip(gaps, (0.09, 0.18, 0.36), strict=True))
        assert len({p.body["message"]["messageId"] for p in pushes}) == 1


@pytest.mark.parametrize("status", [102, 200, 201, 202, 204])
def test_the_five_acknowledging_statuses_end_the_delivery(sandbox: Sandbox, status: int) -> None:
    ana = Gmail(sandbox)
    with endpoint() as kept:
        kept.status = status
        subscribe(sandbox, kept)
        watch(ana)
        kept.wait(1)
        time.sleep(0.3)
        assert len(kept.pushes) == 1


def test_notifications_are_dropped_doubled_and_delayed_on_demand(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    quick(sandbox)
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        kept.wait(1)
        sandbox.post("/control/notifications", drop=True)
        ana.arrive()
        sandbox.post("/control/notifications", drop=False, duplicate=True, delay=0.3)
        before = time.time()
        ana.arrive()
        *_, one, two = kept.wait(3)
        assert one.body == two.body
        assert one.at - before > 0.29
        assert len(kept.pushes) == 3


def test_notifications_overtake_each_other_on_demand(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    quick(sandbox)
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        kept.wait(1)
        sandbox.post("/control/notifications", reorder=1.5)
        for _ in range(8):
            ana.arrive()
        seen = [p.data["historyId"] for p in kept.wait(9)]
    assert seen != sorted(seen)


def test_history_id_and_address_come_in_other_spellings(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    switches = {"gmail.history_id_number": False, "gmail.upper_case_address": True}
    sandbox.post("/control/switches", **switches)
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        (push,) = kept.wait(1)
    assert isinstance(push.data["historyId"], str)
    assert push.data["emailAddress"] == "Ana@Acme.Test"


def test_watch_checks_the_topic_and_allows_one_client_per_user(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    assert ana.refused("POST", "watch", {"topicName": "projects/other/topics/t"})[0] == 400
    assert ana.refused("POST", "watch", {"topicName": "projects/sandbox/topics/no"})[0] == 404
    watch(ana)
    other = "projects/sandbox/topics/other"
    sandbox.http.put(f"/v1/{other}")
    assert ana.refused("POST", "watch", {"topicName": other})[0] == 400
    assert ana.ask("POST", "stop").status_code == 204
    watch(ana, other, labelIds=["INBOX"], labelFilterBehavior="include")
    sandbox.post("/control/switches", **{"pubsub.publisher": False})
    assert ana.refused("POST", "watch", {"topicName": other})[0] == 403


def test_a_watch_ends_after_seven_days_or_by_stop(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    quick(sandbox)
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        kept.wait(1)
        sandbox.post("/control/skew", seconds=7 * 86_400 + 1)
        ana.arrive()
        sandbox.post("/control/skew", seconds=0)
        ana.post("stop", "Message")
        ana.arrive()
        time.sleep(0.2)
        assert len(kept.pushes) == 1


def test_pull_leases_messages_until_they_are_acknowledged(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    name = "/v1/projects/sandbox/subscriptions/pull"
    made = sandbox.http.put(name, json={"topic": TOPIC, "ackDeadlineSeconds": 600})
    check(made.json(), "Subscription", "pubsub.v1.json")
    watch(ana)
    pulled = sandbox.http.post(f"{name}:pull", json={"maxMessages": 10}).json()
    check(pulled, "PullResponse", "pubsub.v1.json")
    ack = pulled["receivedMessages"][0]["ackId"]
    again = {"maxMessages": 10, "returnImmediately": True}
    assert sandbox.http.post(f"{name}:pull", json=again).json() == {}
    late = {"ackIds": [ack], "ackDeadlineSeconds": 0}
    assert sandbox.http.post(f"{name}:modifyAckDeadline", json=late).json() == {}
    (redelivered,) = sandbox.http.post(f"{name}:pull", json=again).json()["receivedMessages"]
    done = sandbox.http.post(f"{name}:acknowledge", json={"ackIds": [redelivered["ackId"]]})
    assert done.json() == {}
    assert sandbox.http.post(f"{name}:pull", json=again).json() == {}


def test_pull_waits_for_the_first_message(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    sandbox.post("/control/pubsub", subscription="projects/sandbox/subscriptions/pull")
    sandbox.post("/control/switches", **{"pubsub.pull_wait": 0.3})
    begun = time.monotonic()
    path = "/v1/projects/sandbox/subscriptions/pull:pull"
    assert sandbox.http.post(path, json={"maxMessages": 1}).json() == {}
    assert time.monotonic() - begun > 0.25
    watch(ana)
    assert sandbox.http.post(path, json={"maxMessages": 1}).json()["receivedMessages"]


def test_a_dead_letter_topic_takes_what_was_refused_too_often(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    dead = "projects/sandbox/topics/dead"
    sandbox.http.put(f"/v1/{dead}")
    sandbox.http.put("/v1/projects/sandbox/subscriptions/dead", json={"topic": dead})
    with endpoint() as kept:
        kept.status = 500
        body = {
            "topic": TOPIC,
            "pushConfig": {"pushEndpoint": kept.url},
            "deadLetterPolicy": {"deadLetterTopic": dead, "maxDeliveryAttempts": 5},
        }
        made = sandbox.http.put("/v1/projects/sandbox/subscriptions/push", json=body)
        check(made.json(), "Subscription", "pubsub.v1.json")
        watch(ana)
        pushes = kept.wait(5)
        assert [p.body["deliveryAttempt"] for p in pushes] == [1, 2, 3, 4, 5]
        pulled = sandbox.http.post(
            "/v1/projects/sandbox/subscriptions/dead:pull", json={"maxMessages": 1}
        )
        assert len(pulled.json()["receivedMessages"]) == 1


def test_a_service_account_signs_in_for_pulling(sandbox: Sandbox) -> None:
    sandbox.post("/control/switches", **{"pubsub.auth": True})
    sandbox.post("/control/pubsub")
    path = "/v1/projects/sandbox/subscriptions/gmail:pull"
    body = {"maxMessages": 1, "returnImmediately": True}
    assert sandbox.http.post(path, json=body).status_code == 401
    key = sandbox.post("/control/google/service-account", email="puller@sandbox.test")
    scopes = ["https://www.googleapis.com/auth/pubsub"]
    found = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        key, scopes=scopes
    )
    found.refresh(transport.Request())
    answer = sandbox.http.post(path, json=body, headers={"Authorization": f"Bearer {found.token}"})
    assert answer.status_code == 200
    user = Gmail(sandbox, scopes=READ).token
    refused = sandbox.http.post(path, json=body, headers={"Authorization": f"Bearer {user}"})
    assert refused.status_code == 403


def test_certificates_rotate_and_forged_tokens_are_signed_by_nobody(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    before = httpx.get(f"{sandbox.url}/oauth2/v1/certs")
    assert "max-age=" in before.headers["Cache-Control"]
    kid = sandbox.post("/control/rotate-certs", keep_old=False)["kid"]
    assert list(httpx.get(f"{sandbox.url}/oauth2/v1/certs").json()) == [kid]
    assert [k["kid"] for k in httpx.get(f"{sandbox.url}/oauth2/v3/certs").json()["keys"]] == [kid]
    sandbox.post("/control/switches", **{"pubsub.foreign_key": True})
    with endpoint() as kept:
        subscribe(sandbox, kept)
        watch(ana)
        (push,) = kept.wait(1)
    with pytest.raises(ValueError, match="Certificate for key id"):
        id_token.verify_token(
            push.token, transport.Request(), AUDIENCE, f"{sandbox.url}/oauth2/v1/certs"
        )
