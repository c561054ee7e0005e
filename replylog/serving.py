"""How granian serves the two WSGI applications: apart, or both on one port.

granian calls `web`, `webhooks` or `both` in a process of its own, which reads the settings anew.
"""

import os
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from infra import logs
from infra.children import end_with_parent
from infra.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

WEBHOOKS = "/webhooks/"
MAIN = "GRANIAN_MAIN_PID"  # in the environment of granian's workers: who started them
THREADS = 8  # a worker; most of their time they wait for the database or Redis
BACKLOG = 1024
CONNECTIONS = 512  # a worker, open at once; granian counts those that say nothing, too


def web() -> "WSGIApplication":
    """What people and programs call."""
    _begin("web")
    from web.app import create_app

    return create_app(load())


def webhooks() -> "WSGIApplication":
    """What providers call."""
    _begin("webhooks")
    from webhooks.app import create_app

    return create_app(load())


def _begin(role: str) -> None:
    """granian does not end its own worker processes when it is killed: the port stayed taken. It may
    have been killed before we could ask for the signal."""
    end_with_parent()
    parent = str(os.getppid())
    if os.environ.get(MAIN, parent) != parent:
        os._exit(0)
    logs.configure(role)


def both() -> "WSGIApplication":
    """Paths below /webhooks/ for the one, all others for the other."""
    return divided(webhooks(), web())


def divided(hooks: "WSGIApplication", rest: "WSGIApplication") -> "WSGIApplication":
    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        chosen = hooks if environ["PATH_INFO"].startswith(WEBHOOKS) else rest
        return chosen(environ, start_response)

    return app


def serve(what: str, host: str, port: int, workers: int) -> None:
    """Serve the application that the function `what` of this module makes, until SIGTERM or SIGINT."""
    os.environ[MAIN] = str(os.getpid())
    Granian(
        f"{__name__}:{what}",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=8,
        log_level=LogLevels.warning,
        log_access=False,
        factory=True,
    ).serve()
