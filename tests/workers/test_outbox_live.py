"""The outbox as a worker process has it: its own threads, over real HTTP, until it is asked to stop."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook

from crm.outbox_tables import Delivery, WebhookEndpoint
from crm.store import endpoints
from infra import posting
from replylog.pretend import Pretend
from tests.faults.office import office as installation
from tests.waiting import LEAST
from tests.workers.outbox_desk import delivered, endpoint, tell
from workers import outbox as work
from workers.outbox import THREADS, Post
from workers.queue import Queue
from workers.runtime import utc_now


@pytest.fixture
def program():
    """A program on this machine that verifies what it gets, and answers when it may. `.url`, `.got`,
    `.ids`, `.secret`, `.told`, `.may`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            server.got.append(Webhook(server.secret).verify(body, dict(self.headers)))
            server.ids.append(self.headers["webhook-id"])
            server.told.set()
            assert server.may.wait(LEAST)
            with suppress(ConnectionError):  # whoever asked may be dead
                self.send_response(204)
                self.end_headers()

        def log_message(self, *args):
            """No line a request."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.ids, server.secret = [], [], ""
    server.told, server.may = threading.Event(), threading.Event()
    server.may.set()
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.may.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def company(sandbox, redis, redis_server, tmp_path):
    """An installation on SQLite and the session's Redis; no role runs yet."""
    with installation(tmp_path / "var", world=Pretend(sandbox.url, sandbox.dns)) as made:
        made.environment["REPLYLOG_REDIS_URL"] = redis_server.url
        made.wake = Queue(redis).wake
        yield made


@pytest.fixture
def office(sqlite_office):
    """Now is now: the receiver compares the time of a post with its own clock."""
    sqlite_office.clock = utc_now()
    return sqlite_office


def test_an_event_reaches_a_program_that_verifies_it(office, program, monkeypatch):
    monkeypatch.setattr(work, "LOOK_SECONDS", 0.02)
    added = endpoint(office, url=program.url)
    program.secret = added.secret
    running = replace(office.runtime, post=partial(posting.post, anywhere=True))
    thread = threading.Thread(target=Post(running, office.stopping).keep)
    thread.start()
    tell(office, n=1)

    assert program.told.wait(LEAST)
    office.stopping.set()
    thread.join(LEAST)

    assert not thread.is_alive()
    assert [each["data"] for each in program.got] == [{"n": 1}]
    assert [each.state for each in delivered(office, added.id)] == ["delivered"]


def test_slow_receivers_hold_the_outboxs_own_threads_and_no_other(office):
    """As many slow endpoints as there are threads, and one more: it waits, and nobody else does."""
    let_go, held = threading.Event(), []

    def post(url, headers, body):
        held.append(threading.current_thread().name)
        assert let_go.wait(LEAST)
        return posting.Answer(200)

    for number in range(THREADS + 1):
        endpoint(office, url=f"https://slow{number}.test/")
    tell(office)
    running = replace(office.runtime, post=post)
    mine = Post(running, office.stopping)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="outbox") as pool:
        begun = [mine.round(pool) for _ in range(3)]  # returns at once, each time
        let_go.set()

    assert not begun[-1]
    assert len(held) == THREADS
    assert all(name.startswith("outbox") for name in held)


def test_an_outage_of_the_database_is_waited_out(office, program, monkeypatch):
    monkeypatch.setattr(work, "LOOK_SECONDS", 0.02)
    added = endpoint(office, url=program.url)
    program.secret = added.secret
    tell(office, n=1)
    fails = [work.OperationalError("x", {}, Exception()), RuntimeError("x")]

    def spread(running, real=work.spread):
        if fails:
            raise fails.pop()
        return real(running)

    monkeypatch.setattr(work, "spread", spread)
    running = replace(office.runtime, post=partial(posting.post, anywhere=True))
    thread = threading.Thread(target=Post(running, office.stopping).keep)
    thread.start()
    assert program.told.wait(LEAST)
    office.stopping.set()
    thread.join(LEAST)

    assert fails == []


def test_a_worker_process_tells_a_program_what_another_was_killed_over(company, program):
    ana = company.connect("ana@acme.test", "gmail")
    company.contact("maria@globex.test")
    with company.database.begin() as conn:
        mine = (conn, company.account_id)
        topics = ["contact.created", "mailbox.connected", "email.refused"]
        made = endpoints.add(*mine, program.url, topics, company.secrets, utc_now())
    program.secret = made.secret
    company.mail("eve@x.test", ["ana@acme.test"], "Win")
    company.wake(ana)

    program.may.clear()
    with company.role("worker", "--burst") as process:
        assert program.told.wait(240)
        process.kill()
    program.may.set()
    with company.database.begin() as conn:  # as if the minute had passed for which it was held
        ours, past = company.account_id, utc_now() - timedelta(seconds=1)
        held = WebhookEndpoint.account_id == ours
        conn.execute(update(WebhookEndpoint).where(held).values(lease_until=past, due_at=past))
        taken = (Delivery.account_id == ours, Delivery.next_at.is_not(None))
        conn.execute(update(Delivery).where(*taken).values(next_at=past))
    company.wake(ana)

    with company.role("worker", "--burst") as process:
        assert process.wait(timeout=240) == 0

    assert sorted({each["type"] for each in program.got}) == sorted(topics)
    assert Counter(Counter(program.ids).values()) == {2: 1, 1: 2}, "one twice, by the same name"
