"""Makes or mends .venv; called by scripts/setup with the interpreter to use. Standard library only."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pip_wheel
import system_parts

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"run": "requirements.lock", "test": "requirements-dev.lock"}


class SetupError(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def main(python: str, kind: str) -> None:
    if not _usable():
        _make(python)
    _install(kind)
    _link_project()
    if kind == "test":
        system_parts.provide(PYTHON)


def _usable() -> bool:
    """Whether .venv works and still lies where it was made: its scripts hold its path."""
    made_in = VENV / "made-in"
    if not made_in.exists() or made_in.read_text(encoding="utf-8") != str(ROOT):
        return False
    return subprocess.run([PYTHON, "-c", ""], check=False, capture_output=True).returncode == 0


def _make(python: str) -> None:
    print("Making .venv ...", flush=True)
    if VENV.exists():
        shutil.rmtree(VENV)
    whole = subprocess.run([python, "-m", "venv", VENV], check=False, capture_output=True)
    if whole.returncode != 0:  # Debian ships ensurepip in a package of its own (python3-venv)
        shutil.rmtree(VENV, ignore_errors=True)
        _run([python, "-m", "venv", "--without-pip", str(VENV)], "this Python cannot make one")
        _install_pip()
    (VENV / "made-in").write_text(str(ROOT), encoding="utf-8")


def _install_pip() -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = pip_wheel.fetch(Path(folder))
        except pip_wheel.NoPip as error:
            raise SetupError(
                f"{error}. Installing the package python3-venv is another way."
            ) from None
        _run(
            [str(PYTHON), f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)],
            "pip could not install itself",
        )


def _install(kind: str) -> None:
    lock = ROOT / LOCKS[kind]
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = VENV / f"installed-{kind}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"Installing what {lock.name} names (a minute or two) ...", flush=True)
    _run(
        [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check",
         "--no-input", "--no-compile", "--require-hashes", "--requirement", lock.name],
        "pip could not install it; is the package index reachable?",
    )  # fmt: skip
    for other in VENV.glob("installed-*"):  # the two locks may differ in a version
        other.unlink()
    stamp.write_text(digest)
    if kind == "test":
        run_only = hashlib.sha256((ROOT / LOCKS["run"]).read_bytes()).hexdigest()
        (VENV / "installed-run").write_text(run_only)


def _link_project() -> None:
    """Put the checkout on the path of .venv, and the command `replylog` beside its Python.

    Without a build: it needs no build tool and no network, and works in a path with spaces.
    """
    [packages] = VENV.glob("lib/python3*/site-packages")
    (packages / "replylog-checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    command = VENV / "bin" / "replylog"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} -m replylog "$@"\n', "utf-8")
    command.chmod(0o755)


def _run(command: list[str], failure: str) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        raise SetupError(f"Set-up failed: {failure}.")


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "run")
    except SetupError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Set-up failed: {error}")
