"""The ways into the pretend Microsoft: Entra ID and Graph on the sandbox's one port."""

import flask

from sandbox.world import World


def blueprint(world: World) -> flask.Blueprint:
    """All routes of the pretend Microsoft for `world`."""
    routes = flask.Blueprint("microsoft", __name__)
    del world
    return routes
