"""Pub/Sub over HTTP: topics, subscriptions, pull, acknowledge."""

import base64

import flask
from flask.typing import ResponseReturnValue

from sandbox.google.errors import (
    GoogleError,
    bad_credentials,
    invalid,
    login_required,
    scope_missing,
)
from sandbox.google.message import Json
from sandbox.google.pubsub import Subscription
from sandbox.google.push import PushConfig
from sandbox.google.state import Google

SCOPES = frozenset(
    {"https://www.googleapis.com/auth/pubsub", "https://www.googleapis.com/auth/cloud-platform"}
)


def _admit(google: Google) -> None:
    kind, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    if not token and not google.world.switches["pubsub.auth"]:
        return
    if kind.lower() != "bearer":
        raise login_required()
    with google.world.lock:
        access = google.accounts.live(token)
    if access is None:
        raise bad_credentials()
    if not access.scopes & SCOPES:
        raise scope_missing("pubsub")


def _body() -> Json:
    body = flask.request.get_json(force=True, silent=True) if flask.request.get_data() else {}
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received.", "parseError")
    return body


def _known(body: Json, *names: str) -> None:
    for name in body:
        if name not in names:
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.',
                "badRequest",
            )


def _push_config(value: object) -> PushConfig | None:
    if not isinstance(value, dict) or not value.get("pushEndpoint"):
        return None
    token = value.get("oidcToken") or {}
    return PushConfig(
        str(value["pushEndpoint"]),
        str(token.get("serviceAccountEmail", "")),
        str(token.get("audience", "")),
    )


_SUBSCRIPTION = [
    "name",
    "topic",
    "pushConfig",
    "ackDeadlineSeconds",
    "retainAckedMessages",
    "messageRetentionDuration",
    "labels",
    "enableMessageOrdering",
    "expirationPolicy",
    "filter",
    "deadLetterPolicy",
    "retryPolicy",
    "detached",
    "enableExactlyOnceDelivery",
]


def _put_subscription(google: Google, name: str) -> ResponseReturnValue:
    body = _body()
    _known(body, *_SUBSCRIPTION)
    dead = body.get("deadLetterPolicy")
    dead = dead if isinstance(dead, dict) else {}
    subscription = Subscription(
        name,
        str(body.get("topic", "")),
        _push_config(body.get("pushConfig")),
        int(str(body.get("ackDeadlineSeconds") or 10)),
        str(dead.get("deadLetterTopic", "")),
        int(str(dead.get("maxDeliveryAttempts") or 5)),
    )
    with google.world.lock:
        if name in google.pubsub.subscriptions:
            raise GoogleError(409, "Subscription already exists", "alreadyExists")
        google.pubsub.put(subscription)
    return flask.jsonify(subscription.shown())


def _put_topic(google: Google, name: str) -> ResponseReturnValue:
    with google.world.lock:
        if google.pubsub.has_topic(name):
            raise GoogleError(409, "Topic already exists", "alreadyExists")
        google.pubsub.put_topic(name)
    return flask.jsonify(name=name)


def _publish(google: Google, name: str) -> ResponseReturnValue:
    messages = _body().get("messages")
    with google.world.lock:
        if not google.pubsub.has_topic(name):
            raise GoogleError(404, f"Resource not found (resource={name}).", "notFound")
        ids = [
            google.pubsub.publish(name, base64.b64decode(str(one.get("data", ""))))
            for one in (messages if isinstance(messages, list) else [])
        ]
    return flask.jsonify(messageIds=ids)


def _pull(google: Google, name: str) -> ResponseReturnValue:
    body = _body()
    _known(body, "maxMessages", "returnImmediately")
    limit = body.get("maxMessages")
    if not isinstance(limit, int) or limit < 1:
        raise invalid("You have passed an invalid argument to the service (argument=max_messages).")
    found = google.pubsub.pull(name, min(limit, 1000), bool(body.get("returnImmediately")))
    return flask.jsonify({"receivedMessages": found} if found else {})


def _acknowledge(google: Google, name: str) -> ResponseReturnValue:
    body = _body()
    _known(body, "ackIds")
    with google.world.lock:
        google.pubsub.acknowledge(name, _ack_ids(body))
    return flask.jsonify({})


def _extend(google: Google, name: str) -> ResponseReturnValue:
    body = _body()
    _known(body, "ackIds", "ackDeadlineSeconds")
    with google.world.lock:
        google.pubsub.extend(name, _ack_ids(body), int(str(body.get("ackDeadlineSeconds") or 0)))
    return flask.jsonify({})


def _ack_ids(body: Json) -> list[str]:
    ids = body.get("ackIds")
    if not isinstance(ids, list) or not ids:
        raise invalid("You have passed an invalid argument to the service (argument=ack_ids).")
    return [str(one) for one in ids]


def _change_push(google: Google, name: str) -> ResponseReturnValue:
    config = _push_config(_body().get("pushConfig"))
    with google.world.lock:
        old = google.pubsub.get(name)
        google.pubsub.put(
            Subscription(
                name, old.topic, config, old.ack_deadline, old.dead_letter, old.max_attempts
            )
        )
    return flask.jsonify({})


def _show(google: Google, kind: str, name: str) -> ResponseReturnValue:
    with google.world.lock:
        if kind == "subscriptions":
            return flask.jsonify(google.pubsub.get(name).shown())
        if not google.pubsub.has_topic(name):
            raise GoogleError(404, f"Resource not found (resource={name}).", "notFound")
    return flask.jsonify(name=name)


def _delete(google: Google, kind: str, name: str) -> ResponseReturnValue:
    with google.world.lock:
        if kind == "subscriptions":
            google.pubsub.delete(name)
        else:
            google.pubsub.topics.discard(name)
    return flask.jsonify({})


def respond(google: Google, project: str, kind: str, rest: str) -> ResponseReturnValue:
    """The current request of Flask, answered."""
    name, _, verb = rest.partition(":")
    full = f"projects/{project}/{kind}/{name}"
    try:
        _admit(google)
        return _dispatch(google, kind, full, f"{flask.request.method} {verb}".strip())
    except GoogleError as error:
        return flask.jsonify(error.body()), error.code


def _dispatch(google: Google, kind: str, full: str, what: str) -> ResponseReturnValue:
    if what == "PUT":
        return _put_topic(google, full) if kind == "topics" else _put_subscription(google, full)
    if what == "GET":
        return _show(google, kind, full)
    if what == "DELETE":
        return _delete(google, kind, full)
    verbs = {
        "topics POST publish": _publish,
        "subscriptions POST pull": _pull,
        "subscriptions POST acknowledge": _acknowledge,
        "subscriptions POST modifyAckDeadline": _extend,
        "subscriptions POST modifyPushConfig": _change_push,
    }
    handler = verbs.get(f"{kind} {what}")
    if handler is None:
        raise GoogleError(404, "Requested entity was not found.", "notFound")
    return handler(google, full)
