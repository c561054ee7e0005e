"""Keeping processes alive and ending them, with real ones."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import redis_server
from replylog import processes
from replylog.processes import Child, EmbeddedRedis
from tests.waiting import within

ROOT = Path(__file__).resolve().parents[2]


def child(name: str, code: str) -> Child:
    return Child(name, [sys.executable, "-c", code], dict(os.environ))


def python(*lines: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", "\n".join(lines)], env=environment)


@pytest.fixture
def kept():
    """Keeps children in this process until the test ends, as `replylog all` does."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def stop_when(true: Callable[[], bool]) -> threading.Thread:
    """SIGTERM to ourselves as soon as `true`, or after a long time."""

    def watch() -> None:
        within(20, true)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_child_that_dies_is_started_again(kept, tmp_path: Path):
    lives = tmp_path / "lives"
    one = child("one", f"open({str(lives)!r}, 'a').write('x')")
    thread = stop_when(lambda: lives.exists() and len(lives.read_text()) >= 3)

    processes.keep([one], None, ready=lambda: True)
    thread.join()

    assert len(lives.read_text()) >= 3


def test_quick_deaths_make_growing_pauses():
    one = child("one", "raise SystemExit(3)")
    pauses = []
    for life in range(8):
        now = life * 100.0
        one.keep(now)
        assert one.process is not None
        one.process.wait()
        one.keep(now)
        pauses.append(one.not_before - now)

    assert pauses == [0.5, 1, 2, 4, 8, 10, 10, 10]


def test_a_child_that_lived_long_is_started_again_at_once():
    one = child("one", "raise SystemExit(3)")
    one.keep(0)
    assert one.process is not None
    one.process.wait()
    one.keep(11)

    assert one.process is not None
    assert one.started == 11
    processes.end([one.process])


def test_a_childs_death_is_visible(capsys):
    from infra import logs

    logs.configure("all", terminal=False)
    one = child("worker", "raise SystemExit(3)")
    one.keep(0)
    assert one.process is not None
    one.process.wait()
    one.keep(0)

    text = capsys.readouterr().err
    assert '"name": "worker"' in text
    assert '"exit_code": 3' in text


def test_the_end_is_asked_for_before_it_is_forced(monkeypatch, tmp_path: Path):
    ready, done = tmp_path / "ready", tmp_path / "done"
    polite = python(
        "import signal, sys, time, pathlib",
        f"end = lambda *_: (pathlib.Path({str(done)!r}).touch(), sys.exit())",
        "signal.signal(signal.SIGTERM, end)",
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(600)",
    )
    deaf = python(
        "import signal, time, pathlib",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        f"pathlib.Path({str(ready) + '2'!r}).touch(); time.sleep(600)",
    )
    assert within(10, lambda: ready.exists() and ready.with_name("ready2").exists())

    processes.end([polite])
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    processes.end([deaf])

    assert done.exists()
    assert polite.returncode == 0
    assert deaf.returncode == -signal.SIGKILL


def test_children_end_when_their_parent_is_killed(tmp_path: Path):
    pid_file = tmp_path / "pid"
    script = tmp_path / "child.py"
    script.write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    with python(
        "import os, sys; from replylog.processes import Child, keep",
        f"child = Child('c', [sys.executable, {str(script)!r}], dict(os.environ))",
        "keep([child], None, lambda: True)",
    ) as parent:
        assert within(10, lambda: pid_file.exists() and pid_file.read_text() != "")
        parent.kill()

    assert within(5, lambda: not Path(f"/proc/{pid_file.read_text()}").exists())


def test_redis_is_started_again_when_it_is_killed(tmp_path: Path):
    redis = EmbeddedRedis(tmp_path)
    socket = tmp_path / "redis" / "redis.sock"
    first = redis._server.process
    assert first is not None
    first.kill()
    first.wait()

    redis.keep(now=1)

    assert redis_server.answers(socket)
    redis.stop()
    assert not redis_server.answers(socket)


def test_a_redis_of_somebody_else_is_taken_over_when_its_owner_ends(tmp_path: Path):
    owner = redis_server.start(tmp_path)
    redis = EmbeddedRedis(tmp_path)
    redis.keep(now=1)
    owner.stop()

    redis.keep(now=10)

    assert redis_server.answers(owner.socket)
    redis.stop()
