"""How long a process waits for Redis."""

import socket
from pathlib import Path

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from infra import redis_client
from infra.settings import Settings

QUICK = redis_client.WEB_TIMEOUT  # as it is, whatever a fixture makes of it


@pytest.fixture
def silent_port():
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_both_clients_talk_to_the_configured_redis(redis_server):
    settings = Settings(redis_url=redis_server.url)

    for make in (redis_client.web_client, redis_client.worker_client):
        with make(settings) as client:
            assert redis_client.alive(client)


def test_the_web_gives_up_quickly_when_redis_is_not_there(tmp_path: Path):
    client = redis_client.web_client(Settings(redis_url=f"unix://{tmp_path}/none.sock"))

    assert not redis_client.alive(client)


def test_the_web_gives_up_quickly_when_redis_hangs(silent_port: int, monkeypatch):
    assert QUICK < 1
    monkeypatch.setattr(redis_client, "WEB_TIMEOUT", QUICK)
    client = redis_client.web_client(Settings(redis_url=f"redis://127.0.0.1:{silent_port}"))

    with client, pytest.raises(RedisTimeoutError):
        client.get("x")


def test_a_worker_survives_a_redis_that_restarts(tmp_path: Path):
    from infra import redis_server

    server = redis_server.start(tmp_path)
    client = redis_client.worker_client(Settings(redis_url=server.url))
    client.set("x", 1)
    server.stop()
    again = redis_server.start(tmp_path)

    assert client.get("x") == b"1"
    client.close()
    again.stop()
