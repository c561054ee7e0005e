import asyncio
import gc
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.settings import Settings
from providers.client import Reconnect, Retry
from providers.graph import loop
from providers.graph.client import GraphClient, warm
from providers.graph.errors import About, UnexpectedAnswer
from providers.graph.requests import Requests
from providers.graph.transport import Transport, follow_link, prefer
from tests.providers.graph_stub import Asked, Reply, Stub, serving

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Token:
    """A token source whose tokens are counted: t1, t2, …"""

    asked: list[bool] = field(default_factory=list)
    number: int = 1

    def token(self, fresh: bool = False) -> str:
        self.asked.append(fresh)
        self.number += fresh
        return f"t{self.number}"


@pytest.fixture
def stub():
    with serving(Stub()) as running:
        yield running
        loop.shutdown()


def transport(stub: Stub, source: Token | None = None) -> Transport:
    return Transport(source or Token(), stub.url)


def folder(way: Transport, name: str = "inbox"):
    return Requests(way.sdk, 50).folder(name)


def test_a_request_goes_to_the_configured_host_with_the_token(stub):
    stub.script = lambda asked: Reply(200, {"id": "X"})
    way = transport(stub)
    assert way.ask(folder(way), About.FOLDER) == {"id": "X"}
    [asked] = stub.asked
    assert asked.path == "/v1.0/me/mailFolders/inbox?$select=id,displayName,parentFolderId"
    assert asked.headers["authorization"] == "Bearer t1"


@pytest.mark.parametrize("status", [429, 503, 504, 500])
def test_nothing_is_repeated_by_itself(stub, status):
    stub.script = lambda asked: Reply(status, {}, {"Retry-After": "1"})
    way = transport(stub)
    with pytest.raises(Retry) as caught:
        way.ask(folder(way), About.FOLDER)
    assert caught.value.after == 1
    assert len(stub.asked) == 1


def test_a_redirect_is_not_followed(stub):
    stub.script = lambda asked: Reply(302, None, {"Location": stub.url + "/elsewhere"})
    way = transport(stub)
    with pytest.raises(Retry):
        way.ask(folder(way), About.FOLDER)
    assert len(stub.asked) == 1


def test_a_refused_token_is_renewed_once(stub):
    def script(asked: Asked) -> Reply:
        good = asked.headers["authorization"] == "Bearer t2"
        return Reply(200, {"id": "X"}) if good else Reply(401, {"error": {"code": "x"}})

    stub.script = script
    source = Token()
    way = transport(stub, source)
    assert way.ask(folder(way), About.FOLDER) == {"id": "X"}
    assert source.asked == [False, True]
    assert len(stub.asked) == 2


def test_a_token_that_is_refused_twice_is_revoked(stub):
    stub.script = lambda asked: Reply(401, {"error": {"code": "InvalidAuthenticationToken"}})
    way = transport(stub)
    with pytest.raises(Reconnect) as caught:
        way.ask(folder(way), About.FOLDER)
    assert caught.value.cause == "revoked"
    assert len(stub.asked) == 2


def test_a_broken_connection_is_a_retry(stub):
    stub.script = lambda asked: Reply(cut=True)
    way = transport(stub)
    with pytest.raises(Retry):
        way.ask(folder(way), About.FOLDER)


def test_no_server_at_all_is_a_retry(stub):
    way = Transport(Token(), "http://127.0.0.1:9/v1.0")
    with pytest.raises(Retry):
        way.ask(folder(way), About.FOLDER)


@pytest.mark.parametrize("body", [b'{"value":[{"id"', b"<html>busy</html>"])
def test_an_answer_that_cannot_be_read_is_a_retry(stub, body):
    stub.script = lambda asked: Reply(200, body)
    way = transport(stub)
    with pytest.raises(Retry):
        way.ask(folder(way), About.FOLDER)


def test_half_a_character_does_not_spoil_an_answer(stub):
    stub.script = lambda asked: Reply(200, b'{"displayName": "cut \\ud83d"}')
    way = transport(stub)
    assert way.ask(folder(way), About.FOLDER) == {"displayName": "cut \ud83d"}


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/v1.0/me",
        "http://127.0.0.1:1/v1.0/me",
        "http://graph.example/v1.0/me",
        "http://127.0.0.1@graph.example/",
        "http://graph.example\\@127.0.0.1/",
        "http://127.0.0.1:port/",
    ],
)
def test_another_host_gets_neither_token_nor_request(stub, url):
    way = transport(stub)
    with pytest.raises(UnexpectedAnswer):
        way.ask(follow_link(url), About.CHANGES)
    assert stub.asked == []


def test_at_most_four_requests_run_at_once(stub):
    gate = threading.Barrier(4, timeout=60)

    def script(asked: Asked) -> Reply:
        gate.wait()
        return Reply(200, {"id": asked.path})

    stub.script = script
    way = transport(stub)
    answers = way.ask_all([folder(way, f"f{n}") for n in range(12)], About.FOLDER)
    assert [f"f{n}" in answer["id"] for n, answer in enumerate(answers)] == [True] * 12
    assert stub.most_at_once == 4


def test_a_batch_holds_twenty_and_keeps_the_order(stub):
    stub.script = lambda asked: Reply(200, {"id": asked.path.split("?")[0][-3:]})
    way = transport(stub)
    answers = way.batch([folder(way, f"{n:03}") for n in range(45)], About.FOLDER)
    assert [answer["id"] for answer in answers] == [f"{n:03}" for n in range(45)]
    sizes = [len(one.body["requests"]) for one in stub.asked if one.path.endswith("$batch")]
    assert sizes == [20, 20, 5]


def test_members_of_a_batch_carry_the_prefer_header(stub):
    stub.script = lambda asked: Reply(200, {})
    way = transport(stub)
    way.batch([prefer(folder(way), "a=b")], About.FOLDER)
    assert stub.asked[-1].prefer == {'IdType="ImmutableId"', "a=b"}


def test_a_throttled_member_says_when_to_come_back(stub):
    stub.script = lambda asked: Reply(429, {"error": {"code": "x"}}, {"Retry-After": "7"})
    way = transport(stub)
    [error] = way.batch([folder(way)], About.FOLDER)
    assert isinstance(error, Retry)
    assert error.after == 7


def test_a_token_that_a_member_of_a_batch_refuses_is_renewed_once(stub):
    source = Token()
    way = transport(stub, source)
    stub.script = lambda asked: Reply(401 if source.number == 1 else 200, {})
    assert way.batch([folder(way), folder(way)], About.FOLDER) == [{}, {}]
    refusal = {"error": {"code": "InvalidAuthenticationToken"}}
    stub.script = lambda asked: Reply(401, refusal)
    assert [type(each) for each in way.batch([folder(way)], About.FOLDER)] == [Reconnect]


@pytest.mark.parametrize("odd", [{"odd": [1]}, {"value": None}, {"value": {}}])
def test_an_answer_that_is_no_listing_is_not_taken_for_an_empty_page(stub, odd):
    stub.script = lambda asked: Reply(200, odd)
    way = transport(stub)
    with pytest.raises(Retry):
        way.all_values(folder(way), About.FOLDER)


def test_waiting_ends(stub):
    with pytest.raises(Retry):
        loop.run(asyncio.sleep(30), patience=0.05)


def test_an_empty_batch_asks_nothing(stub):
    assert transport(stub).batch([], About.FOLDER) == []
    assert stub.asked == []


def test_connections_are_shared_by_the_mailboxes_of_a_process(stub):
    stub.script = lambda asked: Reply(200, {})
    before = threading.active_count()
    for _ in range(3):
        way = transport(stub)
        way.ask(folder(way), About.FOLDER)
    # The loop's thread, and one thread of the stub for the one connection.
    assert threading.active_count() <= before + 2


def test_shutting_down_leaves_nothing_open_and_a_later_call_starts_anew(stub):
    stub.script = lambda asked: Reply(200, {})
    way = transport(stub)
    way.ask(folder(way), About.FOLDER)
    loop.shutdown()
    loop.shutdown()
    assert not any(thread.name == "graph" for thread in threading.enumerate())
    gc.collect()
    again = transport(stub)
    assert again.ask(folder(again), About.FOLDER) == {}


def test_importing_and_warming_opens_nothing():
    code = """
import socket, threading
class Forbidden:
    def __init__(self, *args, **kwargs): raise AssertionError("a socket was opened")
socket.socket.__init__ = Forbidden.__init__
from providers.graph import client
client.warm()
assert threading.active_count() == 1, threading.enumerate()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code], cwd=ROOT, timeout=240
    )
    assert done.returncode == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of Python 3.12
def test_a_forked_child_makes_its_own_loop(stub):
    stub.script = lambda asked: Reply(200, {"id": "X"})
    warm()
    way = transport(stub)
    way.ask(folder(way), About.FOLDER)
    process = os.fork()
    if process == 0:
        code = 1
        try:
            child = transport(stub)
            code = 0 if child.ask(folder(child), About.FOLDER) == {"id": "X"} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert way.ask(folder(way), About.FOLDER) == {"id": "X"}


def test_closing_twice_is_fine(stub):
    settings = Settings(graph_api_url=stub.url)
    client = GraphClient(Token(), settings)
    client.close()
    client.close()
