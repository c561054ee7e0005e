from datetime import timedelta

import pytest

from crm.model import WatchState
from providers.client import Operator, Retry
from tests.providers.graph_mailbox import NOW, rule
from tests.providers.graph_stub import Reply

UNTIL = NOW + timedelta(minutes=10_000)


def sent(box, method: str):
    return [one for one in box.asked("/subscriptions") if one.method == method]


def test_each_followed_folder_and_sent_items_are_announced_but_not_junk(box):
    box.rules = [rule("r", moveToFolder="CUST")]
    states = box.client.watch(())
    assert [state.resource for state in states] == ["IN", "CUST", "SENT"]
    assert {state.expires_at for state in states} == {UNTIL}
    assert [one["changeType"] for one in box.subscriptions.values()] == [
        "created",
        "created",
        "created,updated",
    ]
    for asked in sent(box, "POST"):
        assert asked.prefer == {'IdType="ImmutableId"'}
        assert asked.body["notificationUrl"] == "http://127.0.0.1:8080/webhooks/graph"
        assert asked.body["lifecycleNotificationUrl"] == asked.body["notificationUrl"]
        assert asked.body["expirationDateTime"] == f"{UNTIL:%Y-%m-%dT%H:%M:%SZ}"


def test_every_subscription_has_a_long_secret_of_its_own(box):
    states = box.client.watch(())
    assert len({state.secret for state in states}) == len(states)
    for state in states:
        assert 43 <= len(state.secret) <= 128
        assert box.subscriptions[state.provider_id]["clientState"] == state.secret


def test_what_is_there_is_renewed_and_keeps_its_secret(box):
    first = box.client.watch(())
    again = box.client.watch(first)
    assert [state.provider_id for state in again] == [state.provider_id for state in first]
    assert {state.secret for state in again} == {""}
    assert len(sent(box, "POST")) == len(first)
    assert len(sent(box, "PATCH")) == len(first)


def test_a_subscription_that_is_gone_is_made_again(box):
    first = box.client.watch(())
    del box.subscriptions[first[0].provider_id]
    again = box.client.watch(first)
    assert again[0].provider_id != first[0].provider_id
    assert again[0].secret
    assert again[1].provider_id == first[1].provider_id


def test_a_forgotten_twin_is_replaced_because_its_secret_is_unknown(box):
    first = box.client.watch(())
    again = box.client.watch(())
    assert not {s.provider_id for s in first} & {s.provider_id for s in again}
    assert all(state.secret for state in again)
    assert set(box.subscriptions) == {state.provider_id for state in again}


def test_a_twin_that_cannot_be_ended_is_tried_again_later(box):
    conflict = Reply(409, {"error": {"code": "Conflict"}})
    box.refusals = [conflict, Reply(200, {"value": []}), conflict]
    with pytest.raises(Retry):
        box.client.watch(())


def test_folders_no_longer_followed_are_announced_no_more(box):
    box.rules = [rule("r", moveToFolder="CUST")]
    client = box.client
    first = client.watch(())
    box.rules = []
    again = client.watch(first)
    assert [state.resource for state in again] == ["IN", "SENT"]
    assert set(box.subscriptions) == {state.provider_id for state in again}


def test_a_folder_that_graph_does_not_know_is_left_out(box):
    box.refusals = [Reply(400, {"error": {"code": "ExtensionError"}})]
    assert [state.resource for state in box.client.watch(())] == ["SENT"]


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [(403, "Forbidden", "subscription-quota"), (400, "InvalidRequest", "public-url")],
)
def test_what_the_operator_must_mend_is_said(box, status, code, cause):
    box.refusals = [Reply(status, {"error": {"code": code}})]
    with pytest.raises(Operator) as caught:
        box.client.watch(())
    assert caught.value.cause == cause


def test_all_can_be_ended_and_what_is_gone_is_no_error(box):
    client = box.client
    states = client.watch(())
    client.unwatch(states)
    assert box.subscriptions == {}
    client.unwatch([*states, WatchState("IN", "", NOW)])


def test_an_error_tells_which_watches_there_are_nevertheless(box):
    client = box.client
    first = client.watch(())
    box.rules = [rule("r", moveToFolder="CUST")]
    quota = Reply(403, {"error": {"code": "Forbidden"}})
    answer = box.stub.script

    def script(asked):
        making = asked.method == "POST" and asked.path.endswith("/subscriptions")
        return quota if making else answer(asked)

    box.stub.script = script
    with pytest.raises(Operator) as caught:
        client.watch(first)
    have = caught.value.have
    assert [state.provider_id for state in have] == [state.provider_id for state in first]
    assert {state.secret for state in have} == {""}


def test_what_is_followed_no_more_makes_room_before_anything_is_made(box):
    box.rules = [rule("r", moveToFolder="CUST")]
    client = box.client
    first = client.watch(())
    box.rules = [rule("r", moveToFolder="GLOBEX")]
    begin = len(box.asked("/subscriptions"))
    client.watch(first)
    methods = [one.method for one in box.asked("/subscriptions")[begin:]]
    assert methods == ["PATCH", "PATCH", "DELETE", "POST"]
