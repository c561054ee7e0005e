"""The control API."""

import flask

from sandbox import people
from sandbox.world import World


def blueprint(world: World) -> flask.Blueprint:
    """All of /control/."""
    routes = flask.Blueprint("control", __name__, url_prefix="/control")

    @routes.post("/reset")
    def reset() -> flask.typing.ResponseReturnValue:
        with world.lock:
            world.reset()
            people.seed(world)
        return {"ok": True}

    return routes
