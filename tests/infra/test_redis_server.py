"""The embedded Redis, with the real servers of this machine."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis

from infra import redis_server
from infra.redis_server import RedisServerError, Server
from tests.waiting import within

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path: Path):
    started: list[Server] = []

    def begin(var: Path = tmp_path) -> Server:
        started.append(redis_server.start(var))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


def fake_server(folder: Path, name: str, told: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{told}'\n")
    path.chmod(0o755)
    return path


def kept(server: Server) -> bytes | None:
    with Redis.from_url(server.url) as client:
        value: bytes | None = client.get("name")
        return value


def put(server: Server, value: str) -> None:
    with Redis.from_url(server.url) as client:
        client.set("name", value)


def test_it_listens_on_a_socket_of_its_own_and_on_no_port(start, tmp_path: Path):
    server = start()

    assert server.socket == tmp_path / "redis" / "redis.sock"
    with Redis.from_url(server.url) as client:
        assert client.config_get("port", "appendonly") == {"port": "0", "appendonly": "yes"}


def test_what_it_knows_outlives_it(start):
    first = start()
    put(first, "kept")
    first.stop()

    assert kept(start()) == b"kept"


def test_one_that_cannot_read_its_files_starts_without_them(start, tmp_path: Path):
    server = start()
    put(server, "Ana")
    server.stop()
    for part in (tmp_path / "redis").rglob("appendonly*.aof"):
        part.write_bytes(b"nonsense\r\n" * 9)

    again = start()
    assert kept(again) is None
    assert list((tmp_path / "redis").glob("unreadable-*/*"))
    put(again, "Ben")
    again.stop()
    assert kept(start()) == b"Ben"


def test_a_second_start_joins_the_first_and_does_not_end_it(start):
    first = start()
    second = start()
    put(second, "shared")
    second.stop()

    assert second.process is None
    assert kept(first) == b"shared"


def test_many_starts_at_once_make_one_server(start):
    servers: list[Server] = []
    together = threading.Barrier(4)  # a server ends with the thread that started it

    def one() -> None:
        servers.append(start())
        together.wait()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(servers) == 4
    assert sum(server.process is not None for server in servers) == 1


def test_a_socket_left_behind_by_a_killed_server_is_no_obstacle(start):
    first = start()
    assert first.process is not None
    first.process.kill()
    first.process.wait()
    assert first.socket.exists()

    assert start().process is not None


@pytest.mark.parametrize("name", ["with a space", "ümläut", "d" * 120])
def test_it_works_in_any_folder(start, tmp_path: Path, name: str):
    first = start(tmp_path / name)
    put(first, "here")

    assert kept(start(tmp_path / name)) == b"here"
    assert len(bytes(first.socket)) <= redis_server.LONGEST_SOCKET_PATH


@pytest.mark.parametrize("name", ["d" * 120, "a folder"], ids=["long", "with a space"])
def test_an_awkward_folder_gets_a_socket_elsewhere_that_only_we_can_reach(
    name: str, start, tmp_path: Path
):
    server = start(tmp_path / name)

    assert server.socket.parent.stat().st_mode & 0o777 == 0o700
    assert " " not in str(server.socket)  # redis-py cannot read CLIENT INFO otherwise
    server.stop()
    assert not server.socket.parent.exists()
    assert start(tmp_path / name).socket == server.socket


def test_a_folder_that_somebody_else_put_there_is_not_used(start, tmp_path: Path):
    first = start(tmp_path / "a folder")
    first.stop()
    first.socket.parent.symlink_to(tmp_path)

    assert start(tmp_path / "a folder").socket.parent != first.socket.parent
    first.socket.parent.unlink()


def test_a_server_that_cannot_start_is_one_sentence(monkeypatch, tmp_path: Path):
    broken = tmp_path / "bin" / "redis-server"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=99.0.0" || exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:/usr/bin:/bin")

    with pytest.raises(RedisServerError, match=r"did not start; .*redis\.log says why"):
        redis_server.start(tmp_path)


def test_it_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path):
    code = f"from infra import redis_server; from pathlib import Path; import time\nredis_server.start(Path({str(tmp_path)!r}))\nprint('up', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        owner.send_signal(signal.SIGKILL)

    assert within(5, lambda: not redis_server.answers(tmp_path / "redis" / "redis.sock"))


def test_the_newest_server_is_chosen(monkeypatch, tmp_path: Path):
    fake_server(tmp_path / "bin", "redis-server", "Redis server v=7.0.15 sha=0 malloc=x")
    newer = fake_server(tmp_path / "bin", "valkey-server", "Valkey server v=98.1.3 sha=0 malloc=x")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    assert redis_server.locate() == newer


def test_a_server_too_old_or_broken_on_path_gives_way_to_the_bundled_one(monkeypatch, tmp_path):
    fake_server(tmp_path / "bin", "redis-server", "Redis server v=5.0.7 sha=0")
    fake_server(tmp_path / "bin", "valkey-server", "segmentation fault")
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "__init__.py").touch()
    bundled = fake_server(tmp_path / "bundled" / "bin", "redis-server", "Redis server v=6.2.14")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(redis_server, "BUNDLE", "bundled")

    assert redis_server.locate() == bundled


def test_no_server_at_all_is_one_sentence(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "BUNDLE", "no_such_package")

    with pytest.raises(RedisServerError, match="install redis-server or valkey-server"):
        redis_server.locate()


def test_an_old_server_alone_is_named_with_its_version(monkeypatch, tmp_path: Path):
    fake_server(tmp_path / "bin", "redis-server", "Redis server v=5.0.7 sha=0")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    monkeypatch.setattr(redis_server, "BUNDLE", "no_such_package")

    with pytest.raises(RedisServerError, match=r"is Redis 5\.0\.7; 6\.2 or newer"):
        redis_server.locate()
