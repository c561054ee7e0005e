"""Starts one role, or all of them, with what each needs around it: settings, Redis, logs, metrics."""

import atexit
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click

from infra import children, logs, redis_server
from infra.settings import PREFIX, Settings, load

DEFAULT_PORT = 8080
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported


def address_of(settings: Settings, host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen: as told, or else where PUBLIC_URL leads when that is on this machine."""
    public = urlsplit(settings.public_url)
    if not settings.is_local:  # somebody in front of us speaks https for that host
        return host or "127.0.0.1", port or DEFAULT_PORT
    by_name = public.hostname if public.hostname != "localhost" else "127.0.0.1"
    by_scheme = 443 if public.scheme == "https" else 80
    return host or by_name or "127.0.0.1", port or public.port or by_scheme


def check_free(host: str, port: int) -> None:
    """Raises ClickException where nobody could listen at an address. Who serves there would say so in
    fifty lines, and `replylog all` would go on trying."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(where)
    except OSError as error:
        text = f"cannot listen at {host}:{port}: {error.strerror}"
        raise click.ClickException(text) from None


def share_metrics() -> None:
    """Give the processes of this role one folder for their figures, so that one can show them all."""
    if SHARED_FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="replylog-metrics-")
        os.environ[SHARED_FOLDER] = folder
        atexit.register(_forget, folder, os.getpid())


def _forget(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # forked children leave by the same door
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prepared(role: str, probe: str | None = None) -> Iterator[Settings]:
    """The settings of a single role, with Redis there and metrics shared.

    `probe` is host:port where a process beside it answers /healthz, /readyz and /metrics.
    Raises SettingsError, RedisServerError.
    """
    logs.configure(role)
    share_metrics()
    if probe:
        check_free(*_apart(probe))
    with with_redis(load()) as settings:
        beside = _probe(probe) if probe else None
        try:
            yield settings
        finally:
            if beside is not None:
                beside.terminate()
                beside.wait()


@contextmanager
def with_redis(settings: Settings) -> Iterator[Settings]:
    """`settings` with the URL of a Redis that runs: the configured or the embedded one.

    An embedded one that had to be started for this ends with it. The environment names it too, for
    processes that read their settings themselves.
    """
    if settings.redis_url:
        yield settings
        return
    server = redis_server.start(settings.var)
    os.environ[f"{PREFIX}REDIS_URL"] = server.url
    try:
        yield settings.model_copy(update={"redis_url": server.url})
    finally:
        server.stop()


def _probe(address: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        _command("probe", address), start_new_session=True, preexec_fn=children.end_with_parent
    )


def _command(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "replylog", *arguments]


def answer_probes(address: str) -> None:
    """Answer /healthz, /readyz and /metrics for the processes that share our metrics, for good."""
    from crm.database import Database
    from infra import metrics
    from infra.redis_client import alive, web_client

    settings = load()
    redis, database = web_client(settings), Database(settings.resolved_database_url, pool_size=1)

    def database_answers() -> bool:
        with database.read() as connection:
            return bool(connection.exec_driver_sql("SELECT 1").scalar())

    checks = {"redis": lambda: alive(redis), "database": database_answers}
    metrics.server(*_apart(address), checks).serve_forever()


def _apart(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host or "127.0.0.1", int(port)


def run_all(host: str | None, port: int | None, workers: int) -> None:
    """Everything in one process group, until SIGTERM or SIGINT."""
    from replylog import processes

    logs.configure("all")
    settings = load()
    address = address_of(settings, host, port)
    check_free(*address)
    share_metrics()
    upgrade(settings)
    redis = None if settings.redis_url else processes.EmbeddedRedis(settings.var)
    try:
        environment = {
            **os.environ,
            f"{PREFIX}REDIS_URL": redis.url if redis else settings.redis_url,
        }
        processes.keep(
            [
                processes.Child(name, _command(*arguments), environment)
                for name, arguments in parts_of_all(settings, address, workers).items()
            ],
            redis,
            lambda: _told(settings, *address),
        )
    finally:
        if redis is not None:
            redis.stop()


def parts_of_all(
    settings: Settings, address: tuple[str, int], workers: int
) -> dict[str, tuple[str, ...]]:
    """The arguments of `replylog` for each process of `replylog all`, by its name."""
    parts: dict[str, tuple[str, ...]] = {
        "web": ("serve-both", "--host", address[0], "--port", str(address[1])),
        "worker": ("worker", "--processes", str(workers)),
        "timetable": ("timetable",),
    }
    return parts | ({"pull": ("pull",)} if settings.gmail_pull_enabled else {})


def _told(settings: Settings, host: str, port: int) -> bool:
    """Tell people where we are as soon as we answer there; whether that was so."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(name, port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()
    click.echo(f"replylog is at {settings.public_url}")
    return True


def upgrade(settings: Settings) -> None:
    """Bring the database up to date; makes the SQLite file and its folder."""
    from crm.database import Database

    prefix = "sqlite:///"
    if settings.resolved_database_url.startswith(prefix):
        file = Path(settings.resolved_database_url.removeprefix(prefix))
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.resolved_database_url)
    try:
        database.upgrade()
    finally:
        database.close()
