"""A full disk: what cannot be written down is not done, and is done when there is room again."""

import itertools
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import event

from crm.model import FileState
from infra.redis_client import web_client
from infra.redis_server import locate
from infra.settings import Settings
from tests.waiting import within
from tests.workers.conftest import Office
from tests.workers.desk import Desk
from workers import drain
from workers.queue import Queue, QueueDown
from workers.sync import FAILURES

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"
MEGABYTE = 1024 * 1024
_numbers = itertools.count(1)


@contextmanager
def largest_file(size: int, pid: int = 0) -> Iterator[None]:
    """No file grows beyond `size` bytes, as on a full disk: in this process, or in another of ours.
    Python ignores the signal that would come with it."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def full_database(office: Office) -> Iterator[None]:
    """SQLite has no page left."""

    def fill(connection, _record) -> None:
        connection.execute("PRAGMA max_page_count=1")  # as many as there are now

    office.database.close()
    event.listen(office.database.engine, "connect", fill)
    try:
        yield
    finally:
        event.remove(office.database.engine, "connect", fill)
        office.database.close()


def test_mail_waits_while_the_database_has_no_room(sqlite_office: Office):
    office = sqlite_office
    office.contact(MARIA)
    ana = office.mailbox("ana@acme.test")
    office.send(ana, MARIA, "Offer 12", ROOT)
    office.sync(ana)
    cursor, body = office.row(ana).cursor, "Hello. " * 20_000
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT, body=body)
    counted = FAILURES.labels("OperationalError")
    before = counted._value.get()
    with full_database(office):
        drain._sync(office.runtime, ana)
    assert counted._value.get() == before + 1
    assert ref not in office.journal(ana)
    assert office.row(ana).cursor == cursor

    office.clock += timedelta(minutes=1)  # the lease of the run that failed is over
    office.settle(steps=2)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_a_file_waits_while_there_is_no_room_for_it(sqlite_office: Office):
    desk = Desk(sqlite_office)
    desk.answer(b"x" * (8 * MEGABYTE))
    with largest_file(6 * MEGABYTE):
        desk.sync()
    assert len(sqlite_office.timeline()) == 2, "the e-mail is on its timeline"
    assert desk.states() == [FileState.WAITING]

    for _ in range(4):
        desk.sync(after=timedelta(minutes=10))
    assert desk.states() == [FileState.STORED]


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A Redis as the embedded one, which gets an error for what it cannot write, as from a full
    disk: not the signal that a limit of a file's size sends."""
    options = ["--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--save", ""]
    process = subprocess.Popen(
        [locate(), *options], cwd=tmp_path, stdout=subprocess.DEVNULL, restore_signals=False
    )
    assert within(20, lambda: answers(tmp_path / "redis.sock"))
    yield process
    process.send_signal(signal.SIGKILL)
    process.wait()


def answers(socket: Path) -> bool:
    client = Redis(unix_socket_path=str(socket))
    try:
        return socket.exists() and bool(client.ping())
    except OSError:
        return False
    finally:
        client.close()


def test_a_redis_that_cannot_write_takes_no_wakes_and_goes_on_when_it_can(
    own_redis: "subprocess.Popen[bytes]", tmp_path: Path
):
    client = web_client(Settings(redis_url=f"unix://{tmp_path / 'redis.sock'}"))
    queue = Queue(client)
    assert not refuses(queue)
    with largest_file(1, own_redis.pid):
        assert within(20, lambda: refuses(queue)), "so a push is answered 503 and comes again"
    assert within(20, lambda: not refuses(queue))
    client.close()


def refuses(queue: Queue) -> bool:
    try:
        queue.wake(next(_numbers))
    except QueueDown:
        return True
    time.sleep(0.05)
    return False
