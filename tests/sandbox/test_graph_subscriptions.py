"""Subscriptions at the pretend Graph, and the notifications they send."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.graph_kit import BEN, Client, Webhook, code_of, until
from tests.sandbox_process import Sandbox


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


def ahead(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def wanted(hook: Webhook, **more: Any) -> dict[str, Any]:
    return {
        "changeType": "created",
        "notificationUrl": hook.url,
        "resource": "me/mailFolders('inbox')/messages",
        "expirationDateTime": ahead(1000),
        "clientState": "secret",
        **more,
    }


def subscribe(ben: Client, hook: Webhook, **more: Any) -> Any:
    answer = ben.call("POST", "/subscriptions", json=wanted(hook, **more))
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_both_urls_are_validated_during_the_post(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    made = subscribe(ben, hook, lifecycleNotificationUrl=hook.url + "?m=1")
    assert len(hook.validations) == 2
    assert hook.validations[0].startswith(
        "Validation: Testing client application reachability for subscription Request-Id: "
    )
    assert made["clientState"] == "secret"
    assert ben.get(f"/subscriptions/{made['id']}")["clientState"] is None
    assert [one["id"] for one in ben.get("/subscriptions")["value"]] == [made["id"]]


@pytest.mark.parametrize(
    ("echo", "text"),
    [
        (lambda token: (200, "text/plain", token + " "), "exactly match"),
        (lambda token: (200, "text/html", token), "exactly match"),
        (lambda token: (200, "text/plain", token.replace(" ", "+")), "exactly match"),
        (lambda token: (202, "text/plain", token), "200 OK"),
    ],
)
def test_a_wrong_answer_to_the_validation_is_refused(
    sandbox: Sandbox, hook: Webhook, echo: Any, text: str
) -> None:
    hook.echo = echo
    answer = Client(sandbox).call("POST", "/subscriptions", json=wanted(hook))
    assert (answer.status_code, code_of(answer)) == (400, "InvalidRequest")
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"resource": "me/mailFolders('My folder')/messages"}, 400, "ExtensionError"),
        ({"resource": "me/mailFolders/inbox/messageRules"}, 400, "ExtensionError"),
        ({"expirationDateTime": ahead(20_000)}, 400, "InvalidRequest"),
        ({"expirationDateTime": ahead(-1)}, 400, "InvalidRequest"),
        ({"clientState": "x" * 129}, 400, "InvalidRequest"),
        ({"notificationUrl": "http://example.test/hook"}, 400, "InvalidRequest"),
        ({"changeType": "moved"}, 400, "InvalidRequest"),
        ({"resource": ""}, 400, "InvalidRequest"),
        ({"vapidPublicKey": "x"}, 400, "InvalidRequest"),
    ],
)
def test_wrong_requests_are_refused(
    sandbox: Sandbox, hook: Webhook, more: dict[str, Any], status: int, code: str
) -> None:
    answer = Client(sandbox).call("POST", "/subscriptions", json=wanted(hook, **more))
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert hook.validations == []


def test_a_short_expiry_is_raised_and_renewing_works(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    made = subscribe(ben, hook, expirationDateTime=ahead(5))
    assert made["expirationDateTime"] > ahead(40)
    url = f"/subscriptions/{made['id']}"
    renewed = ben.call("PATCH", url, json={"expirationDateTime": ahead(9_000)})
    assert renewed.status_code == 200
    assert ben.call("PATCH", url, json={"expirationDateTime": ahead(20_000)}).status_code == 400
    assert ben.call("PATCH", url, json={"lifecycleNotificationUrl": hook.url}).status_code == 400
    assert ben.call("POST", f"{url}/reauthorize").status_code == 204
    assert ben.call("DELETE", url).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        gone = ben.call(
            method,
            url,
            **({"json": {"expirationDateTime": ahead(50)}} if method == "PATCH" else {}),
        )
        assert (gone.status_code, code_of(gone)) == (404, "ResourceNotFound")


def test_a_subscription_ends_when_its_time_is_up(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    subscribe(ben, hook, expirationDateTime=ahead(50))
    sandbox.post("/control/skew", seconds=3300)
    assert ben.get("/subscriptions")["value"] == []


def test_duplicates_conflict_and_quotas_forbid(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    made = subscribe(ben, hook)
    again = wanted(hook, resource=f"users/{BEN}/mailFolders('{ben.folder('inbox')}')/messages")
    answer = ben.call("POST", "/subscriptions", json=again)
    assert (answer.status_code, code_of(answer)) == (409, "Conflict")
    assert made["id"] in answer.json()["error"]["message"]
    ben.switch("graph.subscription_quota", 1)
    answer = ben.call("POST", "/subscriptions", json=wanted(hook, resource="me/messages"))
    assert (answer.status_code, code_of(answer)) == (403, "Forbidden")


def test_a_notification_names_the_message_and_no_folder(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox, prefer='IdType="ImmutableId"')
    made = subscribe(ben, hook)
    key = ben.deliver()
    item = until(lambda: hook.items)[0]
    assert (item["subscriptionId"], item["clientState"], item["changeType"]) == (
        made["id"],
        "secret",
        "created",
    )
    assert item["resourceData"]["id"] == key
    assert item["resourceData"]["@odata.type"] == "#Microsoft.Graph.Message"
    assert item["resource"].lower().startswith("users")
    assert "tenantId" in item
    assert "folder" not in str(item).lower()
    assert ben.get(f"/me/messages/{key}")["subject"] == "Hello"


def test_a_notification_leaves_at_once(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    subscribe(ben, hook)
    waits: list[float] = []
    while min(waits, default=1) > 0.3 and len(waits) < 50:  # a busy machine has quiet moments
        start = time.monotonic()
        ben.deliver()
        until(lambda: len(hook.items) > len(waits))
        waits.append(time.monotonic() - start)
    assert min(waits) < 0.3


def test_rule_folders_and_sent_items_announce_for_themselves(
    sandbox: Sandbox, hook: Webhook
) -> None:
    ben = Client(sandbox)
    sandbox.post("/control/rule", address=BEN, name="C", from_contains="globex", target_folder="C")
    target = ben.get("/me/mailFolders/inbox/messageRules")["value"][0]["actions"]["moveToFolder"]
    inbox = subscribe(ben, hook)
    rule = subscribe(ben, hook, resource=f"me/mailFolders('{target}')/messages")
    sent = subscribe(ben, hook, resource="me/mailFolders('SentItems')/messages")
    ben.deliver()
    sandbox.post(
        "/control/send", **{"from": BEN, "to": ["maria@globex.test"], "subject": "s", "text": ""}
    )
    items = until(lambda: len(hook.items) >= 2 and hook.items)
    assert {item["subscriptionId"] for item in items} == {rule["id"], sent["id"]}
    assert inbox["id"] not in {item["subscriptionId"] for item in items}


def test_a_whole_mailbox_hears_of_one_send_more_than_once(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox, prefer='IdType="ImmutableId"')
    subscribe(ben, hook, resource="me/messages")
    message = {"subject": "x", "toRecipients": [{"emailAddress": {"address": "maria@globex.test"}}]}
    ben.post("/me/sendMail", message=message)
    assert len(until(lambda: len(hook.items) >= 3 and hook.items)) == 3


def test_a_filter_keeps_drafts_out(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    subscribe(ben, hook, resource="me/messages?$filter=isDraft eq false")
    ben.post("/me/messages", subject="draft")
    ben.deliver()
    until(lambda: hook.items)
    assert len(hook.items) == 1


def test_updates_and_deletions_are_told_to_who_asked(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox, prefer='IdType="ImmutableId"')
    subscribe(ben, hook, changeType="created,updated,deleted")
    key = ben.deliver()
    until(lambda: len(hook.items) == 2)
    assert {item["changeType"] for item in hook.items} == {"created", "updated"}
    ben.control("read", id=key)
    until(lambda: len(hook.items) == 3)
    sandbox.post("/control/move", address=BEN, id=key, to="archive")
    until(lambda: len(hook.items) == 4)
    assert hook.items[-1]["changeType"] == "deleted"


def test_one_post_may_hold_several_items(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    ben.switch("graph.notification_batch", 0.3)
    ben.switch("graph.organization_id", value=True)
    subscribe(ben, hook)
    subscribe(ben, hook, resource="me/messages")
    ben.deliver()
    ben.deliver()
    until(lambda: len(hook.items) == 4)
    assert max(len(body["value"]) for body in hook.bodies) >= 2
    assert "organizationId" in hook.items[0]


def test_a_refused_notification_is_tried_again(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    ben.switch("graph.time_scale", 0.005)
    hook.statuses = [500, 400]
    subscribe(ben, hook)
    ben.deliver()
    until(lambda: len(hook.items) == 3)
    assert len({item["resourceData"]["id"] for item in hook.items}) == 1
    until(lambda: sandbox.get("/control/notifications")["log"][-1]["outcome"] == "202")


def test_a_slow_answer_counts_as_no_answer(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    ben.switch("graph.time_scale", 0.001)
    hook.slow = 3.2
    subscribe(ben, hook)
    ben.deliver()
    until(lambda: len(hook.items) >= 2, 8)
    hook.slow = 0


def test_notifications_can_be_dropped_and_doubled(sandbox: Sandbox, hook: Webhook) -> None:
    ben = Client(sandbox)
    subscribe(ben, hook)
    sandbox.post("/control/notifications", drop=True)
    ben.deliver()
    sandbox.post("/control/notifications", drop=False, duplicate=True)
    ben.deliver()
    until(lambda: len(hook.items) == 2)
    assert len({item["resourceData"]["id"] for item in hook.items}) == 1
    outcomes = [one["outcome"] for one in sandbox.get("/control/notifications")["log"]]
    assert "dropped" in outcomes


def test_a_password_change_removes_the_subscriptions_and_says_so(
    sandbox: Sandbox, hook: Webhook
) -> None:
    ben = Client(sandbox)
    made = subscribe(ben, hook, lifecycleNotificationUrl=hook.url)
    sandbox.post("/control/password", address=BEN)
    item = until(lambda: hook.items)[0]
    assert (item["lifecycleEvent"], item["subscriptionId"]) == ("subscriptionRemoved", made["id"])
    assert "resourceData" not in item
    assert ben.call("GET", f"/subscriptions/{made['id']}").status_code == 404


def test_changes_are_lost_until_the_subscription_is_reauthorized(
    sandbox: Sandbox, hook: Webhook
) -> None:
    ben = Client(sandbox)
    made = subscribe(ben, hook, lifecycleNotificationUrl=hook.url)
    ben.control("lifecycle", kind="reauthorizationRequired")
    until(lambda: [i for i in hook.items if i.get("lifecycleEvent") == "reauthorizationRequired"])
    ben.deliver(subject="lost")
    ben.call("PATCH", f"/subscriptions/{made['id']}", json={"expirationDateTime": ahead(2000)})
    ben.deliver(subject="told")
    created = until(lambda: [i for i in hook.items if i.get("changeType") == "created"])
    assert len(created) == 1
    ben.control("lifecycle", kind="missed")
    until(lambda: [i for i in hook.items if i.get("lifecycleEvent") == "missed"])
