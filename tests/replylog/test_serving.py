"""Web and webhooks under granian and gunicorn, as processes."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from infra.redis_server import Server as RedisServer
from tests.ports import free_port
from tests.waiting import within

ROOT = Path(__file__).parents[2]
SERVERS = {
    "granian": ["-m", "replylog", "webhooks", "--port", "{port}"],
    "gunicorn": [
        *("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--threads", "2"),
        *("--no-control-socket", "replylog.serving:webhooks()"),
    ],
}


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def serving(
    server: str, port: int, redis: RedisServer, database_url: str
) -> Iterator["subprocess.Popen[bytes]"]:
    arguments = [part.format(port=port) for part in SERVERS[server]]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REPLYLOG_REDIS_URL": redis.url,
            "REPLYLOG_DATABASE_URL": database_url,
        },
    )
    try:
        assert within(30, lambda: answers(port))
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("server", SERVERS)
def test_a_push_without_a_token_is_refused_whatever_its_length_says(
    server: str, redis_server: RedisServer, sqlite_url: str
) -> None:
    port = free_port()
    with (
        serving(server, port, redis_server, sqlite_url),
        socket.create_connection(("127.0.0.1", port), timeout=240) as connection,
    ):
        connection.sendall(
            b"POST /webhooks/graph HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_kept_connections_that_say_nothing_keep_nobody_out(
    redis_server: RedisServer, sqlite_url: str
) -> None:
    """Browsers, proxies and providers keep many."""
    port = free_port()
    with serving("granian", port, redis_server, sqlite_url), ExitStack() as kept:
        for _ in range(100):
            one = kept.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(100).startswith(b"HTTP/1.1 200")


def test_a_server_that_is_killed_leaves_nobody_on_its_port(
    redis_server: RedisServer, sqlite_url: str
) -> None:
    port = free_port()
    with serving("granian", port, redis_server, sqlite_url) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert within(15, lambda: not answers(port))
