"""A small pretend webmail for two worlds."""

from pathlib import Path

import flask

from sandbox.world import World

FOLDER = Path(__file__).parent


def blueprint(world: World) -> flask.Blueprint:
    """The pages for people."""
    routes = flask.Blueprint("page", __name__)

    @routes.get("/")
    def index() -> str:
        with world.lock:
            return "\n".join(world.people)

    return routes
