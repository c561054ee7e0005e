"""Endpoints by the API: their life, their secrets, what became of events, sending again."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from crm.model import Scope
from crm.store import deliveries, endpoints, outbox
from crm.store.deliveries import Due
from crm.topics import TOPICS
from tests.web import story
from workers import event_bodies

URL = "https://crm.test/hook"


@pytest.fixture
def program(make_program):
    return make_program(Scope.SETTINGS, Scope.READ)


@pytest.fixture
def made(program):
    return program.post("/webhook-endpoints", 201, url=URL, topics=["contact.created"])


def tell(company, key="t:1", topic="contact.created"):
    """An event, and its delivery to the one endpoint; the delivery's id."""
    with company.database.begin() as conn:
        outbox.tell(conn, company.account, topic, key, {"contact_id": 1}, company.now)
        told = outbox.by_key(conn, company.account, key)
        (endpoint,) = endpoints.rows(conn, company.account)
        pairs = [(told, endpoint.id)]
        deliveries.add(conn, company.account, deliveries.WEBHOOK, pairs, company.now)
        return deliveries.listing(conn, company.account, endpoint.id, 1).items[0].id


def give_up(company, status=500):
    """Have the delivery that is due fail for good."""
    with company.database.begin() as conn:
        until = company.now + timedelta(minutes=1)
        for due in deliveries.claim(conn, deliveries.WEBHOOK, company.now, until, 50):
            deliveries.failed(conn, due, None, status, "Status")


def test_an_endpoint_is_added_and_its_secret_shown_once(program, made):
    assert made["secret"].startswith("whsec_")
    (listed,) = program.get("/webhook-endpoints")["items"]
    assert "secret" not in listed
    assert listed == program.get(f"/webhook-endpoints/{made['id']}")
    assert (listed["url"], listed["topics"], listed["state"]) == (
        URL,
        ["contact.created"],
        "active",
    )


def test_it_is_changed_paused_resumed_and_removed(program, made):
    path = f"/webhook-endpoints/{made['id']}"
    changed = program.patch(path, url=f"{URL}/2", topics=["email.logged"], state="paused")
    assert (changed["url"], changed["topics"], changed["state"]) == (
        f"{URL}/2", ["email.logged"], "paused",
    )  # fmt: skip
    assert program.patch(path, state="active")["state"] == "active"
    program.delete(path)
    program.get(path, 404)


@pytest.mark.parametrize(
    "body",
    [{"url": "http://crm.test/hook"}, {"url": "https://10.1.2.3/"}, {"topics": []}, {"topics": ["everything"]}],
    ids=["no https", "a private address", "no topic", "an unknown topic"],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_is_written_down(make_app, make_program, body):
    program = make_program(Scope.SETTINGS, Scope.READ)
    program.http = make_app({"public_url": "https://log.acme.test"}).test_client()

    program.post("/webhook-endpoints", 422, **{"url": URL, "topics": ["email.logged"], **body})


def test_a_key_gets_no_further_by_an_endpoint_than_by_the_api(make_program):
    body = {"url": URL, "topics": ["email.logged"]}
    make_program(Scope.READ).post("/webhook-endpoints", 403, **body)
    assert make_program(Scope.SETTINGS).post("/webhook-endpoints", 403, **body)["scope"] == "read"
    both = make_program(Scope.SETTINGS, Scope.READ)
    refused = both.post("/webhook-endpoints", 403, url=URL, topics=["email.refused"])
    assert refused["scope"] == "journal"
    all_three = make_program(Scope.SETTINGS, Scope.READ, Scope.JOURNAL)
    made = all_three.post("/webhook-endpoints", 201, url=URL, topics=list(TOPICS))
    assert made["topics"] == list(TOPICS)
    both.patch(f"/webhook-endpoints/{made['id']}", 403, url=f"{URL}/mine")


def test_there_is_room_for_some_endpoints_and_no_more(program):
    for _ in range(endpoints.MOST):
        program.post("/webhook-endpoints", 201, url=URL, topics=["contact.created"])
    program.post("/webhook-endpoints", 409, url=URL, topics=["contact.created"])


def test_rotating_gives_another_secret(program, made):
    rotated = program.post(f"/webhook-endpoints/{made['id']}/rotate")
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]


def test_a_test_event_is_among_the_deliveries(program, made):
    path = f"/webhook-endpoints/{made['id']}"
    program.post(f"{path}/test", 202)
    (row,) = program.get(f"{path}/deliveries")["items"]
    assert (row["type"], row["state"]) == ("webhook.test", "waiting")
    assert program.get(path)["waiting"] == 1


def test_dead_deliveries_are_listed_and_sent_again(company, program, made):
    path = f"/webhook-endpoints/{made['id']}"
    first = tell(company, "t:1")
    tell(company, "t:2")
    give_up(company)
    tell(company, "t:3")
    dead = program.get(f"{path}/deliveries", dead=True)["items"]
    assert [(each["state"], each["status"], each["error"]) for each in dead] == [
        ("dead", 500, "Status")
    ] * 2
    assert program.get(path)["dead"] == 2

    assert program.post(f"{path}/replay", 202, delivery_id=first) == {"replayed": 1}
    program.post(f"{path}/replay", 404, delivery_id=first)  # it is on its way
    assert program.post(f"{path}/replay", 202) == {"replayed": 1}
    assert program.get(path)["dead"] == 0


def test_everything_since_a_time_is_sent_again(company, program, made):
    tell(company)
    path = f"/webhook-endpoints/{made['id']}/replay"
    later = (company.now + timedelta(seconds=1)).isoformat()
    assert program.post(path, 202, since=later) == {"replayed": 0}
    assert program.post(path, 202, since=company.now.isoformat())["replayed"] >= 1
    program.post(path, 422, since=later, delivery_id=1)


def test_deliveries_come_in_pages(company, program, made):
    path = f"/webhook-endpoints/{made['id']}/deliveries"
    for number in range(3):
        tell(company, f"t:{number}")
    first = program.get(path, limit=2)
    rest = program.get(path, limit=2, cursor=first["next"])
    assert len(first["items"]) == 2
    assert len({each["id"] for each in (*first["items"], *rest["items"])}) == 3
    program.get(path, 400, cursor="nonsense")


def test_another_accounts_endpoint_is_not_there(company, program):
    other = company.world.other_account()
    with company.database.begin() as conn:
        made = endpoints.add(
            conn, other.account, URL, ["email.logged"], company.world.secrets, company.now
        )
    path = f"/webhook-endpoints/{made.id}"
    program.get(path, 404)
    program.patch(path, 404, state="paused")
    program.delete(path, 404)
    program.post(f"{path}/rotate", 404)
    program.post(f"{path}/test", 404)
    program.get(f"{path}/deliveries", 404)
    program.post(f"{path}/replay", 404)


def test_the_document_on_webhooks_names_every_path(app):
    text = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    document = app.test_client().get("/api/v1/openapi.json").get_json()
    served = {re.sub(r"{\w+}", "{id}", path) for path in document["paths"] if "/webhook-" in path}
    assert served == set(re.findall(r" (/api/v1/webhook-[^`?]+)", text)) - {""}
    assert len(served) > 5


def test_an_event_says_of_an_e_mail_a_contact_and_a_mailbox_what_the_api_says(company, program):
    told = story.tell(company)
    contact = program.get(f"/contacts/{told['maria']}")
    (mailbox, *_) = program.get("/mailboxes")["items"]
    with company.database.read() as conn:
        for entry in program.get(f"/contacts/{told['maria']}/timeline")["items"]:
            payload = {"email_id": entry["id"], "contact_ids": [told["maria"]]}
            assert body(conn, company, "email.logged", payload)["email"] == entry
        payload = {"contact_id": told["maria"]}
        assert body(conn, company, "contact.created", payload)["contact"].items() <= contact.items()
        payload = {"mailbox_id": mailbox["id"], "cause": ""}
        for topic in ("mailbox.connected", "mailbox.reconnect"):
            assert body(conn, company, topic, payload)["mailbox"].items() <= mailbox.items()


def body(conn, company, topic, payload):
    due = Due(1, company.account, 1, 1, 1, topic, payload, company.now)
    return json.loads(json.dumps(event_bodies.body(conn, due)))["data"]
