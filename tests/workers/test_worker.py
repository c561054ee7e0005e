"""Real workers: what they refuse to run, how they end, and how they come back."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rq import Callback
from rq import Queue as RqQueue
from rq.job import Job
from rq.serializers import JSONSerializer, PickleSerializer

from crm.store import mailboxes
from replylog.pretend import Pretend
from tests.faults.office import Office, children_of, office
from tests.sandbox_process import Sandbox
from tests.waiting import within
from tests.workers.conftest import Office as SmallOffice
from workers import drain, worker
from workers.queue import DRAIN, QUEUE_NAME, Queue
from workers.runtime import utc_now

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240  # seconds for a process to end: a busy machine is no failure
SLOW = 0.75  # seconds that each of the provider's answers takes where there must be load


@pytest.fixture
def handlers() -> Iterator[None]:
    """RQ's worker sets signal handlers of this process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def ours(sqlite_office: SmallOffice, handlers: None) -> SmallOffice:
    """A worker in this process has this office's runtime."""
    drain.use(sqlite_office.runtime, threading.Event())
    return sqlite_office


def rq(redis: Any, serializer: Any = JSONSerializer) -> RqQueue:
    return RqQueue(QUEUE_NAME, connection=redis, serializer=serializer)


def work(redis: Any) -> None:
    """One worker, until its queue is empty."""
    worker._worker(redis).work(burst=True, logging_level="CRITICAL")


def failed(redis: Any) -> list[str]:
    return rq(redis).failed_job_registry.get_job_ids()


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_job_that_names_a_function_of_others_is_not_run(ours, redis, tmp_path: Path):
    mark = tmp_path / "mark"
    job = rq(redis).enqueue("os.system", f"touch {mark}")

    work(redis)

    assert not mark.exists()
    assert failed(redis) == [job.id]


@pytest.mark.parametrize("when", ["success", "failure", "stopped"])
def test_callbacks_that_a_job_names_are_not_run(
    ours, redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
):
    mark = tmp_path / "mark"
    code = f"from pathlib import Path\ndef spring(*_):\n    Path({str(mark)!r}).touch()\n"
    (tmp_path / "trap.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    function = "os.system" if when == "failure" else DRAIN
    job = rq(redis).enqueue(function, **{f"on_{when}": Callback("trap.spring")})
    assert redis.hget(job.key, f"{when}_callback_name") == b"trap.spring"

    work(redis)

    assert not mark.exists()


def test_a_method_of_a_pickled_object_is_not_run(ours, redis, tmp_path: Path):
    mark = tmp_path / "mark"
    rq(redis, PickleSerializer).enqueue(DRAIN, Trap(mark))
    rq(redis, PickleSerializer).enqueue(DRAIN, meta={"trap": Trap(mark)})

    work(redis)

    assert not mark.exists()


def test_a_foreign_job_does_not_stop_the_worker_from_doing_ours(ours, redis, tmp_path: Path):
    box = ours.mailbox("ana@acme.test")
    ours.deliver(box, "maria@globex.test", "Hello", "1@globex.test")
    rq(redis, PickleSerializer).enqueue("os.system", Trap(tmp_path / "mark"))
    rq(redis).enqueue("os.system", "true")
    ours.queue.wake(box)

    work(redis)

    assert list(ours.rules(box).values()) == ["not-a-reply"]


def test_a_queued_job_is_json_and_names_nobody(redis):
    Queue(redis).wake(4711)

    (job_id,) = rq(redis).get_job_ids()
    fields = redis.hgetall(Job.key_for(job_id))
    text = b" ".join(fields.values())

    assert fields[b"description"] == b"take awake mailboxes"
    assert b"4711" not in text
    assert b"@" not in text
    assert json.loads(Job.fetch(job_id, connection=redis, serializer=JSONSerializer).data)


def test_preloading_opens_no_socket_and_starts_no_thread():
    code = """
import gc, os, socket, sys, threading
from infra.settings import Settings
from providers import registry
from workers import worker
worker.preload()
google = {"google_client_id": "id", "google_client_secret": "secret"}
microsoft = {"microsoft_client_id": "id", "microsoft_client_secret": "secret"}
registry.warm(Settings(_env_file=None, **google, **microsoft))
assert "providers.graph.client" in sys.modules and "providers.gmail.client" in sys.modules
links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
print([link for link in links if link.startswith(("socket:", "anon_inode:"))])
print([thread.name for thread in threading.enumerate()])
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True
    )

    assert ran.stdout.splitlines() == ["[]", "['MainThread']"], ran.stderr


# ---- as processes


@pytest.fixture
def company(sandbox: Sandbox, redis: Any, redis_server: Any, tmp_path: Path) -> Iterator[Office]:
    """An installation on SQLite and the session's Redis; no role runs yet."""
    with office(tmp_path / "var", world=Pretend(sandbox.url, sandbox.dns)) as made:
        made.environment["REPLYLOG_REDIS_URL"] = redis_server.url
        yield made


def slow_down(company: Office) -> None:
    company.world.post("faults", match="/gmail/", kind="delay", seconds=SLOW, times=None)


def mail_for_each(company: Office, count: int) -> None:
    for n in range(count):
        company.connect(f"owner{n}@acme.test", "gmail")
    for address in company.mailboxes:
        company.mail("maria@globex.test", [address], "Hello")


def boxes(company: Office) -> list[mailboxes.Mailbox]:
    with company.database.read() as conn:
        found = [mailboxes.by_id(conn, box) for box in company.mailboxes.values()]
    return [box for box in found if box is not None]


def seen(company: Office) -> int:
    """How many messages have a verdict."""
    return number(company, "SELECT count(*) FROM journal WHERE verdict <> 'pending'")


def leases(company: Office) -> int:
    """How many runs are under way."""
    return number(company, "SELECT count(*) FROM mailbox WHERE lease <> ''")


def number(company: Office, query: str) -> int:
    with company.database.read() as conn:
        return int(conn.exec_driver_sql(query).scalar() or 0)


def test_a_worker_asked_to_end_finishes_what_it_has_and_takes_no_more(company: Office, redis):
    mail_for_each(company, drain.THREADS + 4)
    slow_down(company)
    queue = Queue(redis)
    with company.role("worker", "--processes", "1") as process:
        queue.wake(*company.mailboxes.values())
        assert within(20, lambda: leases(company) == drain.THREADS)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=PATIENCE)

    assert code == 0
    assert leases(company) == 0
    assert sum(1 for box in boxes(company) if box.last_synced_at) in range(
        drain.THREADS, len(company.mailboxes)
    )

    with company.role("worker", "--burst") as process:
        assert process.wait(timeout=PATIENCE) == 0
    assert seen(company) == len(company.mailboxes)


def test_burst_ends_when_nothing_is_awake(company: Office, redis):
    mail_for_each(company, 2)
    Queue(redis).wake(*company.mailboxes.values())

    with company.role("worker", "--burst") as process:
        assert process.wait(timeout=PATIENCE) == 0

    assert seen(company) == 2
    assert Queue(redis).awake() == 0


def test_a_killed_worker_is_started_again(company: Office):
    with company.role("worker", "--processes", "1") as process:
        assert within(20, lambda: children_of(process.pid))
        (first,) = children_of(process.pid)
        os.kill(first, signal.SIGKILL)

        assert within(10, lambda: set(children_of(process.pid)) - {first})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0


def test_workers_whose_parent_was_killed_end_as_well(company: Office):
    with company.role("worker", "--processes", "2") as process:
        assert within(20, lambda: len(children_of(process.pid)) == 2)
        orphans = children_of(process.pid)
        process.kill()
        process.wait()

        assert within(15, lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))


@pytest.mark.parametrize("subject", ["KILL", "HANG"])
def test_a_message_that_ends_its_workers_is_set_aside_and_named(company: Office, redis, subject):
    company.connect("ana@acme.test", "gmail")
    bob = company.connect("bob@acme.test", "gmail")
    for each in ("Hello", subject, "Hello again"):
        company.mail("maria@globex.test", ["ana@acme.test"], each)
    fatal = "SELECT count(*) FROM pending WHERE reason = 'fatal'"
    ended = company.settings.var / "ended"
    told = "SELECT count(*) FROM mailbox_event WHERE what = 'set-aside'"

    def ring(*more: int) -> None:
        """As the timetable does: also what a killed worker had taken is queued again."""
        with company.database.read() as conn:
            due = mailboxes.due(conn, utc_now(), 9)
        Queue(redis).wake(*more, *(mailbox for _, mailbox in due))
        Queue(redis).nudge()

    def set_aside() -> bool:
        ring()
        return number(company, fatal) == 1

    def read_on() -> bool:
        ring(bob)
        return seen(company) == 3

    with company.role("worker", "--processes", "1", module="tests.workers.poisoned"):
        assert within(60, set_aside, 0.3)
        assert len(ended.read_text().split()) == 3
        company.mail("maria@globex.test", ["bob@acme.test"], "Hello")
        assert within(20, read_on, 0.3)

    assert 1 <= number(company, told) <= 2, "twice where its second chance came meanwhile"


def test_a_worker_that_was_asked_to_end_does_so_though_something_holds_it_up():
    """As a Redis that stays away does; its parent, which would kill it, may be gone."""
    code = """
import threading
from workers import worker
worker.PATIENCE = worker.LATER = 0
threading.Thread(target=worker._end_late, daemon=True).start()
worker.STOPPING.set()
threading.Event().wait(600)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == 1
