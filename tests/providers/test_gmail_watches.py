"""Gmail's one watch: what it costs, what it never moves, and who must mend it where it is refused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from providers import causes
from providers.client import Operator
from tests.providers import mail
from tests.providers.contract import drain, ids
from tests.providers.gmail_rig import SUBSCRIPTION, TOPIC, GmailRig, counts, fresh, settings_for
from tests.sandbox_process import Sandbox


@pytest.fixture
def watched(sandbox: Sandbox) -> Iterator[GmailRig]:
    made = GmailRig(
        sandbox,
        settings_for(sandbox, google_pubsub_topic=TOPIC, google_pubsub_subscription=SUBSCRIPTION),
    )
    yield made
    made.close()


def test_without_a_topic_there_is_no_watch(sandbox):
    rig = GmailRig(sandbox, settings_for(sandbox))
    fresh(rig)
    assert rig.client.watch(()) == ()
    rig.client.unwatch(())
    assert counts(rig) == {}
    rig.close()


def test_a_watch_lasts_days_and_is_renewed_without_stopping(watched):
    (first,) = watched.client.watch(())
    assert first.expires_at > datetime.now(UTC) + timedelta(days=6)
    fresh(watched)
    watched.client.watch([first])
    assert counts(watched) == {"watch": 1}
    watched.client.unwatch([first])
    watched.client.unwatch([first])


def test_a_watch_never_moves_the_cursor(watched):
    cursor = watched.client.baseline()
    ref = watched.deliver(mail.PLAIN)
    watched.client.watch(())
    assert ids(drain(watched, cursor)[0]) == [ref]


def test_a_watch_of_another_environment_is_ended_first(watched):
    other = "projects/sandbox/topics/other"
    watched.sandbox.post(
        "/control/pubsub", topic=other, subscription="projects/sandbox/subscriptions/o"
    )
    watched.call("POST", "/watch", topicName=other)
    fresh(watched)
    assert len(watched.client.watch(())) == 1
    assert counts(watched)["stop"] == 1


def test_a_watch_that_another_environment_takes_again_at_once_is_the_operators(watched):
    said = (
        "Only one user push notification client allowed per developer (call /stop then try again)"
    )
    refusal = json.dumps({"error": {"code": 400, "message": said}})
    watched.sandbox.post(
        "/control/faults", match="/watch", kind="status", status=400, body=refusal, times=2
    )
    with pytest.raises(Operator) as caught:
        watched.client.watch(())
    assert caught.value.cause == causes.PUSH_CLIENT
    assert len(watched.client.watch(())) == 1


@pytest.mark.parametrize(
    "topic", ["projects/sandbox/topics/missing", "projects/foreign/topics/gmail"]
)
def test_a_topic_that_does_not_work_is_the_operators(sandbox, topic):
    rig = GmailRig(
        sandbox,
        settings_for(sandbox, google_pubsub_topic=topic, google_pubsub_subscription=SUBSCRIPTION),
    )
    with pytest.raises(Operator) as caught:
        rig.client.watch(())
    assert caught.value.cause == causes.PUSH_TOPIC
    rig.close()
