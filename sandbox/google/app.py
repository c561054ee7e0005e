"""The HTTP side of the pretend Google."""

import flask

from sandbox.world import World


def blueprint(world: World) -> flask.Blueprint:
    """All routes of Google's sign-in, Gmail and Pub/Sub."""
    del world
    return flask.Blueprint("google", __name__)
