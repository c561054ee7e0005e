"""The HTTP side of the pretend Google."""

import flask
from flask.typing import ResponseReturnValue

from sandbox.google import batch, gmail, oauth, pubsub_http
from sandbox.google.state import Google
from sandbox.world import World

_VERBS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


def blueprint(world: World) -> flask.Blueprint:
    """All routes of Google's sign-in, Gmail and Pub/Sub."""
    google = Google.of(world)
    routes = flask.Blueprint("google", __name__)
    oauth.routes(google, routes)

    @routes.route("/gmail/v1/users/<path:_rest>", methods=_VERBS)
    @routes.route("/upload/gmail/v1/users/<path:_rest>", methods=_VERBS)
    def mail(_rest: str) -> ResponseReturnValue:
        return gmail.respond(google)

    @routes.post("/batch")
    @routes.post("/batch/gmail/v1")
    def many() -> ResponseReturnValue:
        return batch.respond(google)

    @routes.route(
        "/v1/projects/<project>/<any(topics,subscriptions):kind>/<path:rest>", methods=_VERBS
    )
    def pubsub(project: str, kind: str, rest: str) -> ResponseReturnValue:
        return pubsub_http.respond(google, project, kind, rest)

    return routes
