"""Which mailboxes get a thread: a noisy one keeps nobody waiting, and what hangs is ended."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.waiting import LEAST, within
from workers import drain, worker
from workers.pulse import Pulse
from workers.worker import Parent


class Bell:
    """Mailboxes that are awake."""

    def __init__(self, *awake: int) -> None:
        self.awake = list(awake)
        self.nudged = 0

    def claim(self) -> int | None:
        return self.awake.pop(0) if self.awake else None

    def nudge(self) -> None:
        self.nudged += 1


class Runs:
    """Stands for `sync`: a mailbox in `slow` takes until `let` is set, another no time."""

    def __init__(self, *slow: int) -> None:
        self.slow = set(slow)
        self.let = threading.Event()
        self.done: list[int] = []

    def __call__(self, _runtime: Any, mailbox: int, _stopping: threading.Event) -> None:
        if mailbox in self.slow:
            self.let.wait(LEAST)
        self.done.append(mailbox)


class Ticking:
    """A clock on which each look at it takes a millisecond, however long the machine takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., threading.Event]]:
    """Makes this process a worker that has the given bell and runs."""
    all_runs: list[Runs] = []

    def make(bell: Bell, runs: Runs, slow: float = 0.05, hung: float = 60.0) -> threading.Event:
        monkeypatch.setattr(drain, "sync", runs)
        monkeypatch.setattr(drain, "time", Ticking())
        monkeypatch.setattr(drain, "SLOW", slow)
        monkeypatch.setattr(drain, "HUNG", hung)
        monkeypatch.setattr(drain, "BUDGET_SECONDS", 0.1)
        stopping = threading.Event()
        drain.use(SimpleNamespace(queue=bell), stopping)  # type: ignore[arg-type]
        all_runs.append(runs)
        return stopping

    yield make
    for runs in all_runs:
        runs.let.set()
    drain.finish()


def test_mailboxes_at_a_provider_that_hangs_keep_no_other_waiting(process: Any) -> None:
    slow = range(1, drain.THREADS + 1)
    bell, runs = Bell(*slow, 100, 101, 102), Runs(*slow)
    process(bell, runs)
    drain.drain()
    assert within(1, lambda: sorted(runs.done) == [100, 101, 102])


def test_so_many_runs_at_most_are_under_way_however_slow_they_are(process: Any) -> None:
    bell, runs = Bell(*range(1, 101)), Runs(*range(1, 101))
    process(bell, runs, slow=0.0)
    drain.drain()
    assert len(bell.awake) == 100 - drain.MOST
    assert bell.nudged == 1, "what is left is for the next job, or another process"


def test_a_job_ends_in_time_though_runs_are_slow_and_the_next_counts_them(process: Any) -> None:
    bell, runs = Bell(*range(1, drain.MOST)), Runs(*range(1, drain.MOST))
    process(bell, runs, slow=0.0)
    drain.drain()
    assert runs.done == [], "it waits for none of them"
    bell.awake = [200, 201]
    runs.slow |= {200, 201}
    drain.drain()
    assert bell.awake == [201]
    runs.let.set()
    drain.finish()
    assert sorted(runs.done) == [*range(1, drain.MOST), 200]


def test_a_worker_with_a_run_that_hangs_ends_when_the_others_have_ended(process: Any) -> None:
    bell, runs = Bell(1, 2), Runs(1)
    stopping = process(bell, runs, slow=0.0, hung=0.05)
    drain.drain()
    assert stopping.is_set()
    bell.awake = [3]
    drain.drain()
    assert bell.awake == [3], "it takes no more"
    drain.finish()
    assert within(1, lambda: runs.done == [2]), "and does not wait for what hangs"


def test_a_run_that_lasts_is_no_hang(process: Any) -> None:
    bell, runs = Bell(1), Runs(1)
    stopping = process(bell, runs, slow=0.0)
    drain.drain()
    assert not stopping.is_set()


# ---- a process that does nothing any more


def test_a_pulse_is_seen_over_a_fork() -> None:
    began = time.monotonic()
    pulse = Pulse()
    pid = os.fork()
    if pid == 0:
        time.sleep(0.2)
        pulse.beat()
        os._exit(0)
    os.waitpid(pid, 0)
    assert pulse.age <= time.monotonic() - began - 0.2
    pulse.close()


def test_a_child_without_a_pulse_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP stands for a parser that holds the interpreter's lock: no thread of it runs."""
    monkeypatch.setattr(worker, "SILENT", 1.5)
    killed = worker.ENDS.labels("signal 9")
    before = killed._value.get()
    parent = Parent(lambda: time.sleep(600))
    parent._start()
    (pid,) = parent._started
    try:
        os.kill(pid, signal.SIGSTOP)

        def ended() -> bool:
            parent._end_silent()
            parent._reap(os.WNOHANG)
            return not parent._started

        assert within(2, ended)
        assert killed._value.get() == before + 1
    finally:
        for left in parent._started:
            os.kill(left, signal.SIGKILL)
            os.waitpid(left, 0)
