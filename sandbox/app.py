"""One HTTP port for everything the sandbox plays, and DNS beside it."""

import json
import signal
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from types import FrameType

import flask

import sandbox.google.app
import sandbox.google.control
import sandbox.microsoft.app
import sandbox.microsoft.control
from sandbox import control, page, people, server
from sandbox.dns import Server
from sandbox.faults import Fault
from sandbox.world import DIED, FAILED, World


def create_app(world: World) -> flask.Flask:
    """The whole sandbox as one WSGI application."""
    app = flask.Flask("sandbox", root_path=str(page.FOLDER), template_folder="templates")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    steering = control.blueprint(world)
    sandbox.google.control.add_routes(world, steering)
    sandbox.microsoft.control.add_routes(world, steering)
    app.register_blueprint(steering)
    app.register_blueprint(page.blueprint(world))
    app.register_blueprint(sandbox.google.app.blueprint(world))
    app.register_blueprint(sandbox.microsoft.app.blueprint(world))

    @app.before_request
    def break_before() -> flask.Response | None:
        path = flask.request.full_path.removesuffix("?")
        if path.startswith("/control/"):
            return None
        fault = world.faults.take(flask.request.method, path)
        if fault is None:
            return None
        flask.g.fault = fault
        return None if fault.after else _spoil_early(fault)

    @app.after_request
    def break_after(response: flask.Response) -> flask.Response:
        fault: Fault | None = flask.g.pop("fault", None)
        if fault is None:
            return response
        if fault.after and fault.kind in ("delay", "status", "reset"):
            return _spoil_early(fault) or response
        return _spoil_late(fault, response)

    app.teardown_request(partial(_note_failure, world))
    return app


def _note_failure(world: World, error: BaseException | None) -> None:
    if error is not None:
        world.count(FAILED)


def _spoil_early(fault: Fault) -> flask.Response | None:
    if fault.kind == "delay":
        time.sleep(fault.seconds)
        return None
    if fault.kind == "status":
        headers = {"Content-Type": "application/json", **fault.headers}
        return flask.Response(fault.body, fault.status, headers)
    if fault.kind == "reset":
        server.reset(flask.request.environ["sandbox.socket"])
        return flask.Response(status=500)
    return None


def _spoil_late(fault: Fault, response: flask.Response) -> flask.Response:
    if fault.kind == "truncate":
        whole = response.get_data()
        response = flask.Response(whole[: len(whole) // 2], response.status_code, response.headers)
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(len(whole))
        response.headers["Connection"] = "close"
    elif fault.kind == "bad_json":
        response.set_data(fault.body or '{"unexpected": [}')
    return response


@dataclass
class Running:
    """A sandbox that answers."""

    world: World
    url: str
    dns: str
    _http: server.Server
    _dns: Server

    def close(self) -> None:
        """Stop answering; returns when both ports are closed."""
        self.world.closing.set()
        self._http.close()
        self._dns.close()


def start(host: str = "127.0.0.1", port: int = 0, dns_port: int = 0) -> Running:
    """Start in the background (port 0 = any free one)."""
    world = World()
    app = create_app(world)
    http = server.Server(host, port)
    world.url = f"http://{host}:{http.port}"
    people.seed(world)
    names = Server(world, host, dns_port)
    http.start(app)
    return Running(world, world.url, f"{host}:{names.port}", http, names)


def serve(host: str = "127.0.0.1", port: int = 0, dns_port: int = 0) -> None:
    """Run until SIGTERM or SIGINT; prints one JSON line {"url", "dns"} when ready."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    running = start(host, port, dns_port)
    threading.excepthook = partial(_note_death, running.world)
    sys.stdout.write(json.dumps({"url": running.url, "dns": running.dns}) + "\n")
    sys.stdout.flush()
    ended.wait()
    running.close()


def _note_death(world: World, death: threading.ExceptHookArgs) -> None:
    """A thread that died may have taken notifications along."""
    world.count(DIED)
    threading.__excepthook__(death)
