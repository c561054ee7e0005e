"""The role `pull`, at the sandbox's Pub/Sub: who is rung, what is acknowledged, what is said."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from redis import Redis
from structlog.testing import capture_logs

from crm.database import Database
from infra.settings import Settings
from replylog.pretend import TOPIC, Pretend
from tests.sandbox_process import Sandbox
from tests.waiting import within
from tests.workers.conftest import Office
from workers.pull import NotNow, Pull, SetUp, follow
from workers.queue import Queue

ROOT = Path(__file__).resolve().parents[2]
SUBSCRIPTION = "projects/sandbox/subscriptions/gmail"
ACCOUNT = "puller@sandbox.iam.gserviceaccount.com"


@dataclass
class Topic:
    """Gmail's topic with a pull subscription, which demands a service account."""

    sandbox: Sandbox

    def publish(self, address: str, data: bytes | None = None) -> None:
        body = {"emailAddress": address, "historyId": 7}
        text = base64.b64encode(data or json.dumps(body).encode()).decode()
        self.sandbox.post("/control/switches", **{"pubsub.auth": False})
        self.sandbox.post(f"/v1/{TOPIC}:publish", messages=[{"data": text}])
        self.sandbox.post("/control/switches", **{"pubsub.auth": True})

    @property
    def left(self) -> tuple[int, int]:
        """How many messages wait, and how many are pulled but not acknowledged."""
        found = self.sandbox.get("/control/pubsub")[SUBSCRIPTION]
        return found["waiting"], found["unacknowledged"]


@pytest.fixture
def topic(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topic:
    sandbox.post("/control/pubsub", topic=TOPIC, subscription=SUBSCRIPTION)
    sandbox.post("/control/switches", **{"pubsub.auth": True, "pubsub.pull_wait": 0.2})
    key = sandbox.post("/control/google/service-account", email=ACCOUNT)
    (tmp_path / "key.json").write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    return Topic(sandbox)


def settings_for(url: str, subscription: str = SUBSCRIPTION) -> Settings:
    return Settings(
        pubsub_api_url=url,
        google_client_id="i",
        google_client_secret="s",
        google_pubsub_topic=TOPIC,
        google_pubsub_subscription=subscription,
    )


@pytest.fixture
def pull(sqlite_office: Office, topic: Topic) -> Iterator[Pull]:
    made = Pull(settings_for(topic.sandbox.url), sqlite_office.queue, sqlite_office.database)
    yield made
    made.close()


def test_a_message_rings_its_mailbox_and_is_acknowledged(sqlite_office, topic, pull):
    box = sqlite_office.mailbox("ana@acme.test")
    topic.publish("Ana@Acme.test")

    assert pull.round() == 1
    assert sqlite_office.queue.claim() == box
    assert topic.left == (0, 0)


def test_a_round_without_messages_is_no_error(topic, pull):
    assert pull.round() == 0


def test_what_nobody_can_use_is_acknowledged_and_rings_nobody(sqlite_office, topic, pull):
    sqlite_office.mailbox("ana@acme.test")
    topic.publish("stranger@acme.test")
    topic.publish("", b"not Gmail's")
    topic.publish("ana")

    assert sum(pull.round() for _ in range(3)) == 3
    assert sqlite_office.queue.awake() == 0
    assert topic.left == (0, 0)


def test_many_messages_are_one_ring_a_mailbox(sqlite_office, topic, pull):
    sqlite_office.mailbox("ana@acme.test")
    for _ in range(5):
        topic.publish("ana@acme.test")

    assert pull.round() == 5
    assert sqlite_office.queue.awake() == 1


def test_without_redis_nothing_is_acknowledged(sqlite_office, topic):
    sqlite_office.mailbox("ana@acme.test")
    topic.publish("ana@acme.test")
    nowhere = Redis.from_url("unix:///nowhere/redis.sock")
    pull = Pull(settings_for(topic.sandbox.url), Queue(nowhere), sqlite_office.database)

    with pytest.raises(NotNow):
        pull.round()

    pull.close()
    assert topic.left == (0, 1)


def test_without_the_database_nothing_is_acknowledged(sqlite_office, topic, tmp_path: Path):
    topic.publish("ana@acme.test")
    missing = Database(f"sqlite:///{tmp_path}/none/crm.sqlite3")
    pull = Pull(settings_for(topic.sandbox.url), sqlite_office.queue, missing)

    with pytest.raises(NotNow):
        pull.round()

    pull.close()
    assert topic.left == (0, 1)


def test_a_subscription_that_is_not_there_is_for_the_operator(sqlite_office, topic):
    settings = settings_for(topic.sandbox.url, "projects/sandbox/subscriptions/other")
    pull = Pull(settings, sqlite_office.queue, sqlite_office.database)

    with pytest.raises(SetUp, match="404: there is no such subscription"):
        pull.round()
    pull.close()


def test_a_push_subscription_cannot_be_pulled_from(topic, pull):
    topic.sandbox.post(
        "/control/pubsub", topic=TOPIC, subscription=SUBSCRIPTION, endpoint="http://127.0.0.1:9/"
    )

    with pytest.raises(SetUp, match="400: the subscription cannot be pulled from"):
        pull.round()


def test_a_key_that_google_does_not_know_is_for_the_operator(topic, pull, tmp_path: Path):
    key = topic.sandbox.post("/control/google/service-account", email=ACCOUNT)

    with pytest.raises(SetUp, match="make a new one"):
        pull.round()

    (tmp_path / "key.json").write_text(json.dumps(key))
    assert pull.round() == 0


def test_no_key_is_for_the_operator(pull, tmp_path: Path):
    (tmp_path / "key.json").unlink()

    with pytest.raises(SetUp, match="GOOGLE_APPLICATION_CREDENTIALS"):
        pull.round()


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, SetUp), (403, SetUp), (408, NotNow), (429, NotNow), (500, NotNow), (503, NotNow)],
)
def test_an_answer_says_who_can_mend_it(sqlite_office, status, error):
    url = "https://pubsub.example"
    pull = Pull(settings_for(url), sqlite_office.queue, sqlite_office.database, requests.Session)
    with responses.RequestsMock() as mock:
        mock.post(f"{url}/v1/{SUBSCRIPTION}:pull", status=status)
        with pytest.raises(error, match=str(status)):
            pull.round()
    pull.close()


def test_a_poll_that_google_keeps_open_too_long_is_no_error(sqlite_office):
    url = "https://pubsub.example"
    pull = Pull(settings_for(url), sqlite_office.queue, sqlite_office.database, requests.Session)
    with responses.RequestsMock() as mock:
        mock.post(f"{url}/v1/{SUBSCRIPTION}:pull", body=requests.ReadTimeout())
        assert pull.round() == 0
    pull.close()


class Waits(threading.Event):
    """Writes down every pause instead of making it, and is set after `most`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0)
        if len(self.pauses) >= self.most:
            self.set()
        return self.is_set()


def test_what_a_person_must_mend_is_said_once_and_asked_ever_more_rarely():
    def refused() -> int:
        raise SetUp("give it the role")

    waits = Waits(8)
    with capture_logs() as logs:
        follow(refused, waits)

    assert waits.pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [(line["log_level"], line["reason"]) for line in logs] == [("error", "give it the role")]


def test_empty_answers_that_come_at_once_are_not_asked_for_in_a_loop():
    waits = Waits(3)
    follow(lambda: 0, waits, clock=lambda: 0.0)

    assert waits.pauses == [1, 1, 1]


def test_a_success_makes_the_next_pause_short_again():
    answers: Iterator[Any] = iter([NotNow("x"), NotNow("x"), 5, NotNow("x")])

    def once() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    waits = Waits(3)
    with capture_logs() as logs:
        follow(once, waits)

    assert waits.pauses == [1, 2, 1]
    assert [line["log_level"] for line in logs] == ["warning", "info", "warning"]


def test_the_role_rings_and_ends_at_once_when_it_is_asked(
    sqlite_office, sqlite_url, redis_server, topic: Topic, tmp_path: Path
):
    topic.sandbox.post("/control/switches", **{"pubsub.pull_wait": 90.0})
    sqlite_office.mailbox("ana@acme.test")
    pretend = Pretend(topic.sandbox.url, topic.sandbox.dns)
    environment = {
        **os.environ,
        **pretend.environment("http://127.0.0.1:8080"),
        "PYTHONPATH": str(ROOT),
        "REPLYLOG_DATABASE_URL": sqlite_url,
        "REPLYLOG_REDIS_URL": redis_server.url,
        "REPLYLOG_GOOGLE_PUBSUB_SUBSCRIPTION": SUBSCRIPTION,
    }
    with subprocess.Popen([sys.executable, "-m", "replylog", "pull"], env=environment) as process:
        try:
            topic.publish("ana@acme.test")
            assert within(30, lambda: sqlite_office.queue.awake() == 1)
            assert within(5, lambda: topic.left == (0, 0))
            time.sleep(0.3)  # it waits for the next message by now
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, "it does not wait for the answer"
        finally:
            process.kill()
