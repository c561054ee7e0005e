"""/webhook-endpoints: who is told of events, what became of each, and sending again."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm.model import Scope
from crm.store import deliveries, endpoints
from crm.store.deliveries import Row
from crm.store.endpoints import Endpoint, NoSuchEndpoint, TooMany
from crm.store.paging import Page
from crm.topics import REFUSED, TOPICS, State
from infra import posting
from infra.posting import WrongUrl
from web.api import lists
from web.api.keys import caller
from web.api.lists import Window
from web.api.problems import Problem
from web.api.resources import Resource, row_id
from web.parts import parts

blueprint = Resource(
    "api_webhook_endpoints", __name__, url_prefix="/webhook-endpoints", description=__doc__
)
_TOPICS = ma.fields.List(
    ma.fields.String(validate=ma.validate.OneOf(list(TOPICS))),
    validate=ma.validate.Length(min=1),
    metadata={"description": "what it is told; see docs/webhooks.md"},
)
_ASKED = (State.ACTIVE.value, State.PAUSED.value)


class WebhookEndpointSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    url = ma.fields.String(required=True)
    topics = ma.fields.List(ma.fields.String(), required=True)
    state = ma.fields.String(
        required=True,
        metadata={"description": "active; paused; failing: paused for its failures; gone: 410"},
    )
    failing_since = ma.fields.AwareDateTime(required=True, allow_none=True)
    waiting = ma.fields.Integer(required=True, metadata={"description": "events still to come"})
    dead = ma.fields.Integer(required=True, metadata={"description": "events that were given up"})
    created_at = ma.fields.AwareDateTime(required=True)


class SecretSchema(ma.Schema):
    secret = ma.fields.String(required=True, metadata={"description": "shown this once"})


class NewEndpointSchema(WebhookEndpointSchema):
    secret = ma.fields.String(required=True, metadata={"description": "shown this once"})


class AskedEndpointSchema(ma.Schema):
    url = ma.fields.String(required=True)
    topics = ma.fields.List(
        _TOPICS.inner, required=True, validate=_TOPICS.validate, metadata=_TOPICS.metadata
    )


class ChangedEndpointSchema(ma.Schema):
    url = ma.fields.String()
    topics = _TOPICS
    state = ma.fields.String(validate=ma.validate.OneOf(_ASKED))


class DeliverySchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    event_id = ma.fields.String(required=True, metadata={"description": "its `webhook-id`"})
    type = ma.fields.String(required=True)
    timestamp = ma.fields.AwareDateTime(required=True)
    state = ma.fields.String(required=True, metadata={"description": "waiting, delivered, dead"})
    attempts = ma.fields.Integer(required=True)
    next_at = ma.fields.AwareDateTime(required=True, allow_none=True)
    delivered_at = ma.fields.AwareDateTime(required=True, allow_none=True)
    status = ma.fields.Integer(required=True, allow_none=True)
    error = ma.fields.String(required=True, metadata={"description": "class of the last failure"})


class DeliveriesWindow(Window):
    dead = ma.fields.Boolean(
        load_default=False, metadata={"description": "only those that were given up"}
    )


class ReplaySchema(ma.Schema):
    """One of them; none: all that were given up."""

    delivery_id = row_id()
    since = ma.fields.AwareDateTime(
        metadata={"description": "every event on its topics since then, delivered or not"}
    )


class ReplayedSchema(ma.Schema):
    replayed = ma.fields.Integer(required=True)


@blueprint.route("")
class Endpoints(MethodView):
    @blueprint.response(200, lists.listed(WebhookEndpointSchema))
    def get(self) -> dict[str, Any]:
        """All endpoints of the account."""
        with parts().database.read() as conn:
            rows = endpoints.rows(conn, caller().account_id)
        return lists.answer(lambda: Page(tuple(rows)), _shape)

    @blueprint.arguments(AskedEndpointSchema)
    @blueprint.response(201, NewEndpointSchema)
    def post(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Add an endpoint. Its secret is in this answer alone."""
        here, account_id = parts(), caller().account_id
        topics, url = _topics(asked["topics"]), _url(asked["url"])
        try:
            with here.database.begin() as conn:
                made = endpoints.add(conn, account_id, url, topics, here.secrets, here.clock())
        except TooMany:
            raise Problem(409, f"There is room for {endpoints.MOST} endpoints.") from None
        return _shape(_found(made.id)) | {"secret": made.secret}


@blueprint.route("/<int:endpoint_id>")
class OneEndpoint(MethodView):
    @blueprint.response(200, WebhookEndpointSchema)
    def get(self, endpoint_id: int) -> dict[str, Any]:
        """One endpoint."""
        return _shape(_found(endpoint_id))

    @blueprint.arguments(ChangedEndpointSchema, required=False)
    @blueprint.response(200, WebhookEndpointSchema)
    def patch(self, asked: dict[str, Any], endpoint_id: int) -> dict[str, Any]:
        """Change URL or topics, pause it, or have it told again."""
        here, mine = parts(), (caller().account_id, endpoint_id)
        old = _found(endpoint_id)
        topics = _topics(asked.get("topics", old.topics))
        url = _url(asked["url"]) if "url" in asked else None
        with here.database.begin() as conn:
            endpoints.change(conn, *mine, url, topics)
            if asked.get("state") == State.PAUSED:
                endpoints.pause(conn, *mine, State.PAUSED)
            elif asked.get("state") == State.ACTIVE:
                endpoints.resume(conn, *mine, here.clock())
        return _shape(_found(endpoint_id))

    @blueprint.response(204)
    def delete(self, endpoint_id: int) -> None:
        """Remove an endpoint and its deliveries."""
        _found(endpoint_id)
        with parts().database.begin() as conn:
            endpoints.remove(conn, caller().account_id, endpoint_id)


@blueprint.route("/<int:endpoint_id>/rotate")
class Rotated(MethodView):
    @blueprint.response(200, SecretSchema)
    def post(self, endpoint_id: int) -> dict[str, Any]:
        """A new secret. For a day events carry two signatures, by it and by the former one."""
        _found(endpoint_id)
        here = parts()
        with here.database.begin() as conn:
            secret = endpoints.rotate(
                conn, caller().account_id, endpoint_id, here.secrets, here.clock()
            )
        return {"secret": secret}


@blueprint.route("/<int:endpoint_id>/test")
class Tested(MethodView):
    @blueprint.response(202)
    def post(self, endpoint_id: int) -> None:
        """Send an event of the type `webhook.test`. Its outcome is among the deliveries."""
        _found(endpoint_id)
        with parts().database.begin() as conn:
            endpoints.send_test(conn, caller().account_id, endpoint_id, parts().clock())


@blueprint.route("/<int:endpoint_id>/deliveries")
class Deliveries(MethodView):
    @blueprint.arguments(DeliveriesWindow, location="query")
    @blueprint.response(200, lists.listed(DeliverySchema))
    def get(self, window: dict[str, Any], endpoint_id: int) -> dict[str, Any]:
        """What became of each event, the newest first; kept for 30 days."""
        _found(endpoint_id)

        def ask() -> Page[Row]:
            with parts().database.read() as conn:
                return deliveries.listing(
                    conn,
                    caller().account_id,
                    endpoint_id,
                    window["limit"],
                    window["cursor"],
                    window["dead"],
                )

        return lists.answer(ask, _delivery)


@blueprint.route("/<int:endpoint_id>/replay")
class Replayed(MethodView):
    @blueprint.arguments(ReplaySchema, required=False)
    @blueprint.response(202, ReplayedSchema)
    def post(self, asked: dict[str, Any], endpoint_id: int) -> dict[str, Any]:
        """Send again: all that were given up, one delivery, or every event since a time."""
        _found(endpoint_id)
        if len(asked) > 1:
            raise Problem(422, "Send `delivery_id` or `since`, not both.")
        mine, now = (caller().account_id, endpoint_id), parts().clock()
        with parts().database.begin() as conn:
            if "since" in asked:
                number = endpoints.replay_since(conn, *mine, asked["since"], now)
            else:
                number = endpoints.replay(conn, *mine, now, asked.get("delivery_id"))
        if "delivery_id" in asked and not number:
            raise Problem(404, "There is no such delivery that is over.")
        return {"replayed": number}


def _found(endpoint_id: int) -> Endpoint:
    try:
        with parts().database.read() as conn:
            return endpoints.one(conn, caller().account_id, endpoint_id)
    except NoSuchEndpoint:
        raise Problem(404, "There is no such endpoint.") from None


def _url(text: str) -> str:
    try:
        return posting.check(text, parts().settings.posts_anywhere)
    except WrongUrl as error:
        raise Problem(422, f"`url`: {error}") from None


def _topics(asked: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """In the order of the document. Events tell what the scope `read` shows, and `email.refused`
    what `journal` does: a key gets no further by an endpoint. Raises Problem 403."""
    needed = {Scope.READ, *([Scope.JOURNAL] if REFUSED in asked else [])}
    for scope in sorted(needed - set(caller().scopes)):
        raise Problem(403, f"The key lacks the scope “{scope}”.", scope=scope.value)
    return tuple(each for each in TOPICS if each in asked)


def _shape(row: Endpoint) -> dict[str, Any]:
    with parts().database.read() as conn:
        counts = deliveries.counts(conn, row.account_id, row.id)
    return {
        "id": row.id,
        "url": row.url,
        "topics": list(row.topics),
        "state": row.state.value,
        "failing_since": row.failing_since,
        "waiting": counts.waiting,
        "dead": counts.dead,
        "created_at": row.created_at,
    }


def _delivery(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_id": f"evt_{row.event_id}",
        "type": row.topic,
        "timestamp": row.told_at,
        "state": row.state,
        "attempts": row.attempts,
        "next_at": row.next_at,
        "delivered_at": row.delivered_at,
        "status": row.status,
        "error": row.error,
    }
