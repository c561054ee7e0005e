"""POST /webhooks/graph: the handshake, whose notification counts, and what becomes of it."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from workers.queue import Ask, Queue, Subscription

Notify = Callable[..., int]
STATE = "a-secret-of-this-subscription"


@pytest.fixture
def queue(redis: Any) -> Queue:
    queue = Queue(redis)
    for name, mailbox in (("sub-1", 7), ("sub-2", 8)):
        digest = hashlib.sha256(f"{STATE}-{name}".encode()).hexdigest()
        queue.remember_subscription(name, Subscription(mailbox, digest, f"FOLDER-{name}"))
    return queue


@pytest.fixture
def notify(client: FlaskClient, queue: Queue) -> Notify:
    def send(*items: Any, **options: Any) -> int:
        if "data" not in options:
            options.setdefault("json", {"value": list(items)})
        return client.post("/webhooks/graph", **options).status_code

    return send


def item(name: str = "sub-1", **changes: Any) -> dict[str, Any]:
    return {
        "subscriptionId": name,
        "clientState": f"{STATE}-{name}",
        "changeType": "created",
        "resource": "Users/x/Messages/y",
        "resourceData": {"id": "y"},
    } | changes


def test_the_handshake_gets_its_token_back_as_plain_text(client: FlaskClient) -> None:
    answer = client.post(
        "/webhooks/graph?validationToken=Validation%3a+Testing+client+%3Cb%3E",
        content_type="text/plain; charset=utf-8",
    )
    assert answer.status_code == 200
    assert answer.text == "Validation: Testing client <b>"
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("token", ["", "a" * 3000, "a%00b", "a%0d%0aSet-Cookie: x"])
def test_a_handshake_of_an_odd_shape_is_refused(token: str, client: FlaskClient) -> None:
    assert client.post(f"/webhooks/graph?validationToken={token}").status_code == 400


def test_a_notification_wakes_its_mailbox(notify: Notify, queue: Queue) -> None:
    assert notify(item()) == 202
    assert queue.claim() == 7


def test_notifications_of_several_subscriptions_come_in_one_request(
    notify: Notify, queue: Queue
) -> None:
    assert notify(item("sub-1"), item("sub-2"), item("sub-1", changeType="updated")) == 202
    assert queue.awake() == 2


def test_a_wrong_client_state_is_dropped_with_202(notify: Notify, queue: Queue) -> None:
    for state in ("wrong", "", None, 5, f"{STATE}-sub-2", "x" * 500):
        assert notify(item("sub-1", clientState=state)) == 202
    assert queue.awake() == 0


def test_one_wrong_item_does_not_hide_its_neighbours(notify: Notify, queue: Queue) -> None:
    assert notify(item("sub-1", clientState="wrong"), item("sub-2")) == 202
    assert queue.claim() == 8


def test_an_unknown_subscription_is_dropped_with_202(notify: Notify, queue: Queue) -> None:
    assert notify(item("sub-9")) == 202
    assert queue.awake() == 0


def lifecycle(event: str) -> dict[str, Any]:
    said = item("sub-1", lifecycleEvent=event)
    return {key: said[key] for key in ("subscriptionId", "clientState", "lifecycleEvent")}


@pytest.mark.parametrize(
    ("event", "ask"),
    [
        ("reauthorizationRequired", Ask.REAUTHORIZE),
        ("subscriptionRemoved", Ask.REMOVED),
        ("somethingNew", Ask.REAUTHORIZE),
    ],
)
def test_a_lifecycle_event_has_the_watches_looked_at(
    event: str, ask: Ask, notify: Notify, queue: Queue
) -> None:
    assert notify(lifecycle(event)) == 202
    assert queue.claim() == 7
    assert list(queue.take_rewatch(7)) == [ask]


def test_after_missed_notifications_the_mailbox_is_listed_and_no_push_counts_as_come(
    notify: Notify, queue: Queue
) -> None:
    assert notify(lifecycle("missed")) == 202
    assert queue.claim() == 7
    assert not queue.take_rewatch(7)
    assert queue.pushed(7, ["FOLDER-sub-1"]) == {}


def test_a_notification_leaves_the_time_of_its_folders_push(notify: Notify, queue: Queue) -> None:
    assert notify(item("sub-1"), item("sub-2")) == 202
    assert set(queue.pushed(7, ["FOLDER-sub-1", "FOLDER-sub-2"])) == {"FOLDER-sub-1"}
    assert set(queue.pushed(8, ["FOLDER-sub-2"])) == {"FOLDER-sub-2"}


@pytest.mark.parametrize(
    ("resource", "asked"),
    [
        ("Users('x')/mailFolders('OTHER')/messages('y')", [Ask.STRANGER]),
        ("users/x/MailFolders/OTHER/Messages/y", [Ask.STRANGER]),
        ("Users('x')/mailFolders('folder-SUB-1')/messages('y')", []),
        ("Users/x/Messages/y", []),
        (7, []),
    ],
)
def test_a_notification_from_a_folder_that_is_not_followed_has_the_rules_read_at_once(
    resource: object, asked: list[Ask], notify: Notify, queue: Queue
) -> None:
    assert notify(item("sub-1", resource=resource)) == 202
    assert queue.claim() == 7
    assert list(queue.take_rewatch(7)) == asked
    assert notify(item("sub-1", resource=resource)) == 202
    assert not queue.take_rewatch(7), "not for each such notification"


def test_ordinary_news_asks_for_no_look_at_the_watches(notify: Notify, queue: Queue) -> None:
    notify(item())
    assert not queue.take_rewatch(7)


NOT_NOTIFICATIONS: dict[str, Any] = {
    "a list": [],
    "no value": {},
    "a value that is an object": {"value": {}},
    "an item that is a word": {"value": ["x"]},
    "an item without a subscription": {"value": [{"clientState": "x"}]},
    "a subscription that is a number": {"value": [{"subscriptionId": 5}]},
    "an endless subscription": {"value": [{"subscriptionId": "x" * 300}]},
    "too many items": {"value": [{"subscriptionId": "x"}] * 1001},
}


@pytest.mark.parametrize("body", NOT_NOTIFICATIONS.values(), ids=NOT_NOTIFICATIONS)
def test_it_answers_400_to(body: Any, notify: Notify, queue: Queue) -> None:
    assert notify(json=body) == 400
    assert queue.awake() == 0


def test_it_answers_400_to_a_body_that_is_too_large_or_of_another_type(notify: Notify) -> None:
    assert (
        notify(data=b'{"value": [' + b" " * 1_100_000 + b"]}", content_type="application/json")
        == 400
    )
    assert notify(data=b'{"value": []}', content_type="text/plain") == 400
    assert notify(data=b"{", content_type="application/json") == 400
