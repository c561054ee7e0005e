"""Pushes a second on one processor, against a Flask that does nothing; and what a push costs."""

import base64
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from redis import Redis

from infra import redis_server
from infra.children import end_with_parent
from infra.redis_server import Server as RedisServer
from tests.bench import load
from tests.bench.rig import (
    OTHERS,
    SERVER,
    Report,
    cpu_of,
    interleaved,
    median,
    percentile,
    ratio,
)
from tests.faults.office import ROOT, end, plain_environment, within
from tests.ports import free_port
from tests.webhooks.conftest import AUDIENCE, SERVICE_ACCOUNT, Signer
from workers.queue import AWAKE, QUEUE_NAME, Queue

ADDRESSES = 2000
SECONDS = 1.2  # a round
ROUNDS = 5
SERVERS = {
    "gunicorn": ("gunicorn", "-k", "gthread", "-w", "1", "--threads", "4", "--no-control-socket",
                 "--keep-alive", "60", "--log-level", "warning", "-b"),
    "granian": ("granian", "--interface", "wsgi", "--factory", "--workers", "1",
                "--blocking-threads", "4", "--log-level", "warning", "--host", "127.0.0.1", "--port"),
}  # fmt: skip


@dataclass
class Rig:
    """Redis, certificates and requests."""

    redis: RedisServer
    client: "Redis"
    environment: dict[str, str]
    signer: Signer

    def requests(self, url: str, addresses: int) -> list[bytes]:
        """Pushes about as many mailboxes, all with one token as Pub/Sub sends it for an hour."""
        headers = {"Authorization": f"Bearer {self.signer.token()}"}
        return [load.request(url, push(n), headers) for n in range(addresses)]


@dataclass
class Server:
    """A server that has one processor, and how its rounds went by the clock."""

    url: str
    pid: int
    clock: dict[str, list[float]] = field(default_factory=dict)

    def rate(self, requests: list[bytes], name: str) -> float:
        """Requests a second of processor time of all its processes."""
        before = cpu_of(self.pid)
        per_second = load.per_second(self.url, requests, SECONDS)
        self.clock.setdefault(name, []).append(per_second)
        return per_second * SECONDS / (cpu_of(self.pid) - before)


def push(number: int) -> bytes:
    data = json.dumps({"emailAddress": f"owner{number}@acme.test", "historyId": 9876543210})
    message = {
        "data": base64.b64encode(data.encode()).decode(),
        "messageId": "2070443601311540",
        "message_id": "2070443601311540",
        "publishTime": "2026-02-26T19:13:55.749Z",
        "publish_time": "2026-02-26T19:13:55.749Z",
    }
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


def measure(report: Report) -> None:
    report.head(
        "pushes (the server on one processor; load by tests/bench/load.py, 2 processes x 8 connections)"
    )
    with rig() as made:
        for name in SERVERS:
            with server(made, name, "subject") as ours, server(made, name, "floor") as bare:
                _against_floor(report, made, name, ours, bare)
                if name == "gunicorn":
                    _cost(report, made, ours.url)
        with server(made, "granian", "subject") as ours:
            _redis_down(report, made, ours.url)


def _against_floor(report: Report, made: Rig, name: str, ours: Server, bare: Server) -> None:
    same, new = made.requests(ours.url, 1), made.requests(ours.url, ADDRESSES)
    nothing = made.requests(bare.url, 1)
    queue = Queue(made.client)
    for number in range(ADDRESSES):
        queue.remember_gmail(f"owner{number}@acme.test", [number + 1])

    def coalesced() -> float:
        queue.wake(1)
        return ours.rate(same, "coalesced")

    def woken() -> float:
        with emptied(made):
            return ours.rate(new, "new")

    for warm in (same, new):
        load.per_second(ours.url, warm, 0.3)
    subjects = {"floor": lambda: bare.rate(nothing, "floor"), "coalesced": coalesced, "new": woken}
    found = interleaved(ROUNDS, subjects)
    clock = {**bare.clock, **ours.clock}
    floor = found["floor"]
    text = f"{median(floor):,.0f} ({median(clock['floor']):,.0f} on the clock)"
    report.add(f"{name}: Flask that answers 204, requests a CPU second", text)
    for what, target in (("coalesced", 0.60), ("new", 0.48)):
        value, text = ratio(found[what], floor)
        wanted = f">= {target:.2f}" if name == "gunicorn" else ""
        met = value >= target if name == "gunicorn" else None
        words = "mailbox awake already" if what == "coalesced" else "new wake and job"
        report.add(f"{name}: push, {words}: {median(found[what]):,.0f}, ratio", text, wanted, met)
        report.add(
            f"{name}: the same by the clock: {median(clock[what]):,.0f}/s, ratio",
            ratio(clock[what], clock["floor"])[1],
        )


def _cost(report: Report, made: Rig, url: str) -> None:
    """Redis trips by the server's own count, and the time a push takes at 30 % of the load."""
    ours = url
    (one,) = made.requests(ours, 1)
    load.once(ours, one)
    before = _trips(made.client)
    for _ in range(50):
        load.once(ours, one)
    trips = (_trips(made.client) - before) / 50
    report.add("gunicorn: Redis round trips a push", f"{trips:.1f}", "<= 2", trips <= 2)
    most = load.per_second(ours, [one], SECONDS)
    times = load.paced(ours, [one], 0.3 * most, 4)
    slow = percentile(times, 0.99)
    text = f"p50 {median(times):.1f}, p99 {slow:.1f}"
    report.add(f"gunicorn: ms a push at 30 % load ({0.3 * most:.0f}/s)", text, "<= 5", slow <= 5)


def _trips(client: "Redis") -> int:
    """Commands of the web side; those inside a script are no trips."""
    stats: Any = client.info("commandstats")
    names = ("get", "set", "mget", "evalsha", "eval")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in names)


def _redis_down(report: Report, made: Rig, ours: str) -> None:
    (one,) = made.requests(ours, 1)
    load.once(ours, one)
    assert made.redis.process is not None
    made.redis.process.send_signal(signal.SIGSTOP)
    try:
        hung = [load.once(ours, one) for _ in range(3)]
    finally:
        made.redis.process.send_signal(signal.SIGCONT)
    made.redis.process.kill()
    made.redis.process.wait()
    dead = [load.once(ours, one) for _ in range(3)]
    for what, answers in (("does not answer", hung), ("is dead", dead)):
        slowest = max(seconds for _, seconds in answers)
        ok = slowest <= 0.5 and {status for status, _ in answers} == {503}
        report.add(f"granian: seconds to 503 while Redis {what}", f"{slowest:.2f}", "<= 0.5", ok)


@contextmanager
def emptied(made: Rig) -> Iterator[None]:
    """Somebody takes every wake and every job at once, so that each push makes new ones."""
    stop = threading.Event()

    def empty() -> None:
        with Redis.from_url(made.redis.url) as client:
            while not stop.is_set():
                client.delete(AWAKE, f"rq:queue:{QUEUE_NAME}")
                time.sleep(0.002)

    taker = threading.Thread(target=empty)
    taker.start()
    try:
        yield
    finally:
        stop.set()
        taker.join()


@contextmanager
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="replylog-bench-") as folder:
        var = Path(folder)
        signer = Signer("key-1", rsa.generate_private_key(public_exponent=65537, key_size=2048))
        server = redis_server.start(var)
        assert server.process is not None
        os.sched_setaffinity(server.process.pid, set(OTHERS))
        with certificates(signer) as url, Redis.from_url(server.url) as client:
            (var / "metrics").mkdir()
            environment = plain_environment() | {
                "REPLYLOG_VAR": folder,
                "REPLYLOG_REDIS_URL": server.url,
                "REPLYLOG_GOOGLE_CLIENT_ID": "id",
                "REPLYLOG_GOOGLE_CLIENT_SECRET": "secret",
                "REPLYLOG_GOOGLE_PUBSUB_TOPIC": "projects/p/topics/t",
                "REPLYLOG_GOOGLE_PUBSUB_AUDIENCE": AUDIENCE,
                "REPLYLOG_GOOGLE_PUBSUB_SERVICE_ACCOUNT": SERVICE_ACCOUNT,
                "REPLYLOG_GOOGLE_CERTS_URL": url,
                "PROMETHEUS_MULTIPROC_DIR": str(var / "metrics"),
            }
            try:
                yield Rig(server, client, environment, signer)
            finally:
                server.stop()


@contextmanager
def certificates(signer: Signer) -> Iterator[str]:
    """A host with Google's certificates."""
    text = json.dumps({signer.kid: signer.certificate()}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Cache-Control", "max-age=20000")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{host.server_port}/certs"
    finally:
        host.shutdown()
        host.server_close()


@contextmanager
def server(made: Rig, name: str, app: str) -> Iterator[Server]:
    """An application on a server."""
    port = free_port()
    where = f"127.0.0.1:{port}" if name == "gunicorn" else str(port)
    target = f"tests.bench.apps:{app}" + ("()" if name == "gunicorn" else "")
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / SERVERS[name][0]), *SERVERS[name][1:], where, target],
        cwd=ROOT,
        env=made.environment,
        stdout=subprocess.DEVNULL,
        preexec_fn=_alone(end_with_parent),
    )
    url = f"http://127.0.0.1:{port}/webhooks/gmail"
    try:
        if not within(20, lambda: _listens(url)):
            raise RuntimeError(f"{name} did not start")
        yield Server(url, process.pid)
    finally:
        end(process)


def _alone(also: Callable[[], None]) -> Callable[[], None]:
    def prepare() -> None:
        also()
        os.sched_setaffinity(0, set(SERVER))

    return prepare


def _listens(url: str) -> bool:
    try:
        load.connect(url).close()
    except OSError:
        return False
    return True
