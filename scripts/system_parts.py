"""The servers and the browser that the test run meets for real: found, installed, or named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

APT_SECONDS = 600


@dataclass(frozen=True)
class Part:
    name: str
    package: str
    missing: str  # what does not run without it
    found: Callable[[Path], bool]


def _asks(code: str) -> Callable[[Path], bool]:
    """A check that the project's own code answers, by its exit code."""

    def found(python: Path) -> bool:
        run = subprocess.run([python, "-c", code], check=False, capture_output=True)
        return run.returncode == 0

    return found


def _browser(_python: Path) -> bool:
    return any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))


PARTS = (
    Part(
        "Redis", "redis-server", "tests of queues, webhooks and workers",
        _asks("from infra import redis_server; redis_server.locate()"),
    ),
    Part(
        "PostgreSQL", "postgresql", "tests on PostgreSQL (those on SQLite do)",
        _asks("import sys; from tests import postgres; sys.exit(not postgres.binaries())"),
    ),
    Part("Chromium", "chromium", "tests in a browser", _browser),
)  # fmt: skip


def provide(python: Path) -> None:
    """Install what is missing where that is possible, and name what stays missing."""
    missing = [part for part in PARTS if not part.found(python)]
    if missing:
        _install([part.package for part in missing])
    for part in missing:
        if not part.found(python):
            print(
                f"Not there: {part.name}. Will not run: {part.missing}. "
                f"To have it: apt-get install {part.package}",
                file=sys.stderr,
            )


def _install(packages: list[str]) -> None:
    """By apt, as root or by a sudo that asks nothing; elsewhere nothing happens."""
    if shutil.which("apt-get") is None:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and (shutil.which("sudo") is None or not _quiet([*as_root, "true"])):
        return
    print(f"Installing {', '.join(packages)} ...", flush=True)
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
    _quiet([*apt, "update"])
    for package in packages:  # one by one: what one lacks must not keep the others away
        _quiet([*apt, "install", "--no-install-recommends", package])


def _quiet(command: list[str]) -> bool:
    try:
        run = subprocess.run(
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=APT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0
