"""`replylog all` and the single roles, started as people start them."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra import redis_server
from tests.ports import free_port
from tests.waiting import within

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """A role in a folder of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def status(self, method: str, path: str) -> int:
        try:
            return httpx.request(
                method, f"http://127.0.0.1:{self.port}{path}", timeout=20, trust_env=False
            ).status_code
        except httpx.TransportError:
            return 0

    def children(self) -> dict[int, str]:
        """The command lines of the processes that this one started, by their ids."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text()
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == self.process.pid:
                found[int(folder.name)] = line
        return found


@contextmanager
def started(folder: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    port = free_port()
    named = {f"REPLYLOG_{name}": value for name, value in settings.items()}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REPLYLOG_PUBLIC_URL": f"http://127.0.0.1:{port}",
        **named,
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "replylog", *(part.format(port=port) for part in arguments)],
            cwd=folder, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield Running(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("all in one"), "all", "--processes", "1") as running:
        assert within(30, lambda: b"replylog is at" in running.log.read_bytes()), (
            running.log.read_text()
        )
        yield running


def test_one_command_serves_pages_and_webhooks_on_one_port(everything: Running):
    assert everything.status("GET", "/healthz") == 200
    assert everything.status("GET", "/") in {200, 302, 303}
    assert everything.status("POST", "/webhooks/gmail") == 401
    assert everything.status("POST", "/webhooks/graph?validationToken=x") == 200


def test_everything_becomes_ready(everything: Running):
    assert within(10, lambda: everything.status("GET", "/readyz") == 200)


@pytest.mark.parametrize("role", ["serve-both", "worker", "timetable", "redis-server"])
def test_what_is_killed_comes_back(everything: Running, role: str):
    # Where setproctitle is installed (the tools of the tests bring it), granian names itself.
    names = (role, "granian wsgi") if role == "serve-both" else (role,)

    def running() -> list[int]:
        children = everything.children().items()
        return [pid for pid, line in children if any(name in line for name in names)]

    assert within(30, lambda: len(running()) == 1), everything.log.read_text()
    [old] = running()
    os.kill(old, signal.SIGKILL)

    def back() -> bool:
        found = running()
        return found != [] and old not in found

    assert within(15, back), everything.log.read_text()
    assert within(15, lambda: everything.status("GET", "/readyz") == 200)
    assert re.search(r"(role|Redis) ended, starting it again", everything.log.read_text())


def test_it_ends_when_it_is_asked_and_leaves_nothing_behind(tmp_path: Path):
    with started(tmp_path, "all", "--processes", "1") as running:
        assert within(30, lambda: b"replylog is at" in running.log.read_bytes())
        left = running.children()
        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(timeout=240) == 0
        assert len(left) == 4
        assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []
        assert not redis_server.answers(tmp_path / "var" / "redis" / "redis.sock")


def test_nothing_outlives_it_when_it_is_killed(tmp_path: Path):
    with started(tmp_path, "all", "--processes", "1") as running:
        assert within(30, lambda: b"replylog is at" in running.log.read_bytes())
        left = running.children()
        running.process.kill()
        running.process.wait()

        assert within(15, lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_it_starts_again_where_it_stopped(tmp_path: Path):
    for _ in range(2):
        with started(tmp_path, "all", "--processes", "1") as running:
            assert within(30, lambda: running.status("GET", "/readyz") == 200)
            running.process.kill()


@pytest.mark.parametrize("role", ["web", "webhooks"])
def test_a_web_role_runs_alone(tmp_path: Path, role: str, redis_server, sqlite_url: str):
    settings = {"REDIS_URL": redis_server.url, "DATABASE_URL": sqlite_url}
    with started(tmp_path, role, **settings) as running:
        assert within(20, lambda: running.status("GET", "/readyz") == 200), running.log.read_text()
        assert running.status("GET", "/metrics") == 200


@pytest.mark.parametrize("role", ["worker", "timetable"])
def test_a_role_without_pages_answers_probes(
    tmp_path: Path, role: str, redis_server, sqlite_url: str
):
    settings = {"REDIS_URL": redis_server.url, "DATABASE_URL": sqlite_url}
    with started(tmp_path, role, "--probe", "127.0.0.1:{port}", **settings) as running:
        assert within(20, lambda: running.status("GET", "/readyz") == 200), running.log.read_text()
        assert running.status("GET", "/healthz") == 200
        assert running.status("GET", "/metrics") == 200


def test_a_port_that_is_taken_is_an_error(tmp_path: Path, redis_server, sqlite_url: str):
    settings = {"REDIS_URL": redis_server.url, "DATABASE_URL": sqlite_url}
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        with started(tmp_path, "webhooks", "--port", port, **settings) as running:
            assert running.process.wait(timeout=240) != 0
