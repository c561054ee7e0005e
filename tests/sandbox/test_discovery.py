"""Every method the pretend Gmail and Pub/Sub play is one of the discovery documents, and answers in
its shape. (The other tests hold each answer they get to the same schemas.)"""

import json
from typing import Any

import pytest

from sandbox.google.methods import FIELDS, METHODS
from tests.sandbox.google_kit import (
    ALL,
    DOCUMENTS,
    MARIA,
    TOPIC,
    Gmail,
    b64,
    check,
    discovery,
    mime,
)
from tests.sandbox_process import Sandbox

NAMES = {
    "profile": "getProfile",
    "watch": "watch",
    "stop": "stop",
    "attachments.get": "messages.attachments.get",
    "sendAs.list": "settings.sendAs.list",
}


def described(name: str) -> dict[str, Any]:
    document = json.loads((DOCUMENTS / "gmail.v1.json").read_text(encoding="utf-8"))
    found = document["resources"]["users"]
    *folders, last = NAMES.get(name, name).split(".")
    for folder in folders:
        found = found["resources"][folder]
    method: dict[str, Any] = found["methods"][last]
    return method


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_verb_path_scopes_and_parameters_are_those_of_the_document(method: Any) -> None:
    real = described(method.name)
    path = method.path.replace("{attachment}", "{id}")
    if "attachments" in path:
        path = "messages/{messageId}/attachments/{id}"
    assert real["httpMethod"] == method.verb
    assert real["path"] == f"gmail/v1/users/{{userId}}/{path}"
    assert set(real["scopes"]) - {
        "https://www.googleapis.com/auth/gmail.addons.current.action.compose",
        "https://www.googleapis.com/auth/gmail.addons.current.message.action",
        "https://www.googleapis.com/auth/gmail.addons.current.message.metadata",
        "https://www.googleapis.com/auth/gmail.addons.current.message.readonly",
    } == set(method.scopes)
    in_query = {k for k, v in real["parameters"].items() if v["location"] == "query"}
    assert method.params <= in_query
    if method.fields is not None:
        schema = discovery("gmail.v1.json")["$defs"][real["request"]["$ref"]]
        assert method.fields <= set(schema["properties"])


def test_all_names_a_mask_may_have_are_in_the_document() -> None:
    schemas = discovery("gmail.v1.json")["$defs"].values()
    known = {name for schema in schemas for name in schema.get("properties", {})}
    assert known >= FIELDS


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_method_answers_in_its_shape(sandbox: Sandbox, method: Any) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    raw = b64(mime(To=MARIA, Subject="Offer"))
    file = {"name": "a.bin", "content": "AAAA"}
    found = ana.arrive(attachments=[file])
    whole = ana.get(f"messages/{found}", "Message")
    draft = ana.post("drafts", "Draft", {"message": {"raw": raw}})["id"]
    attachment = whole["payload"]["parts"][1]["body"]["attachmentId"]
    target = draft if method.name.startswith("drafts") else found
    target = whole["threadId"] if method.name.startswith("threads") else target
    if method.name == "labels.delete":
        target = ana.post("labels", "Label", {"name": "Old"})["id"]
    bodies: dict[str, Any] = {
        "watch": {"topicName": TOPIC},
        "labels.create": {"name": "New"},
        "messages.modify": {"addLabelIds": ["STARRED"]},
        "messages.send": {"raw": raw},
        "messages.insert": {"raw": raw},
        "messages.import": {"raw": raw},
        "drafts.create": {"message": {"raw": raw}},
        "drafts.update": {"message": {"raw": raw}},
        "drafts.send": {"id": draft},
    }
    params = {"startHistoryId": "1"} if method.name == "history.list" else {}
    path = method.path.format(id=target, attachment=attachment)
    answer = ana.ask(method.verb, path, bodies.get(method.name), **params)
    schema = described(method.name).get("response")
    if schema is None:
        assert (answer.status_code, answer.content) == (204, b"")
    else:
        assert answer.status_code == 200, answer.text
        check(answer.json(), schema["$ref"])


def test_pubsub_answers_have_the_shape_of_the_document(sandbox: Sandbox) -> None:
    document = "pubsub.v1.json"
    http = sandbox.http
    topic = http.put("/v1/projects/p/topics/t", json={}).json()
    check(topic, "Topic", document)
    assert http.put("/v1/projects/p/topics/t", json={}).status_code == 409
    body = {
        "topic": "projects/p/topics/t",
        "ackDeadlineSeconds": 30,
        "pushConfig": {
            "pushEndpoint": "http://127.0.0.1:1/",
            "oidcToken": {"serviceAccountEmail": "a@b", "audience": "c"},
        },
    }
    name = "/v1/projects/p/subscriptions/s"
    check(http.put(name, json=body).json(), "Subscription", document)
    check(http.get(name).json(), "Subscription", document)
    published = http.post(
        "/v1/projects/p/topics/t:publish", json={"messages": [{"data": "eA=="}]}
    ).json()
    check(published, "PublishResponse", document)
    pull = http.post(f"{name}:modifyPushConfig", json={"pushConfig": {}})
    check(pull.json(), "Empty", document)
    assert http.post(f"{name}:pull", json={}).status_code == 400
    assert http.post(f"{name}:pull", json={"maxMessages": 1, "colour": 1}).status_code == 400
    assert http.put(name, json={"topic": "projects/p/topics/none"}).status_code == 409
    check(http.delete(name).json(), "Empty", document)
    assert http.get(name).status_code == 404
