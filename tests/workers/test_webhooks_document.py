"""docs/webhooks.md says what the code does: topics, bodies, schedule, paths."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from crm.store import mailboxes, outbox
from crm.store.deliveries import Due
from crm.topics import SCHEDULE, TEST, TOPICS
from tests.workers.outbox_desk import endpoint
from web.api.timelines import EntrySchema
from workers import event_bodies

TEXT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
EXAMPLES = {
    each["type"]: each
    for each in map(json.loads, re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))
}


def between(name):
    return TEXT.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]


def test_its_topics_are_those_of_the_code_with_their_sentences():
    assert (
        dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", between("topics"), re.MULTILINE)) == TOPICS
    )


def test_it_has_an_example_of_every_topic_and_of_the_test():
    assert set(EXAMPLES) == {*TOPICS, TEST}
    assert all(each.keys() == {"type", "timestamp", "data"} for each in EXAMPLES.values())


def test_its_schedule_is_that_of_the_code():
    units = {"second": 1, "minute": 60, "hour": 3600}
    said = [
        timedelta(seconds=int(number) * units[unit])
        for number, unit in re.findall(r"(\d+) (second|minute|hour)s?", between("schedule"))
    ]
    assert tuple(said) == SCHEDULE


@pytest.fixture
def database_url(sqlite_url):
    """What is sent does not depend on the database."""
    return sqlite_url


@pytest.fixture
def told_of(office):
    """The body of the newest event on a topic, of an office where each happened."""
    endpoint(office)
    ana = office.mailbox("ana@acme.test")
    office.contact("zoe@client.test")
    office.sync(ana)
    office.send(ana, "zoe@client.test", "An offer", "m1@acme.test")
    office.deliver(ana, "eve@x.test", "Win", "w1@x.test")
    office.sync(ana)
    with office.database.begin() as conn:
        mailboxes.need_reconnect(conn, office.account_id, ana, "revoked", office.clock)
        events = outbox.take_news(conn, office.clock, 100)

    def body(topic):
        (newest,) = [each for each in events if each.topic == topic][-1:]
        due = Due(1, newest.account_id, newest.id, 1, 1, topic, newest.payload, newest.created_at)
        with office.database.read() as conn:
            return event_bodies.body(conn, due)

    return body


@pytest.mark.parametrize("topic", ["email.logged", "email.refused", "contact.created", "mailbox.connected", "mailbox.reconnect"])  # fmt: skip
def test_an_example_has_the_fields_that_are_sent(told_of, topic):
    sent = told_of(topic)["data"]
    example = EXAMPLES[topic]["data"]
    assert sent.keys() == example.keys()
    for name, value in example.items():
        if isinstance(value, dict):
            assert sent[name].keys() == value.keys()


def test_the_fields_of_an_e_mail_are_those_of_the_api():
    fields = {field.data_key or name for name, field in EntrySchema().fields.items()}
    assert set(EXAMPLES["email.logged"]["data"]["email"]) == fields
