"""`python -m tests.faults`: kill workers, Redis and connections in the middle of a run, many times,
for each provider, and look at every message afterwards. Exit code 1 where one is not as it must be.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tests import postgres
from tests.faults.run import LIMIT, Plan, run
from tests.faults.table import lines

PROVIDERS = ("gmail", "graph")


def main() -> int:
    given = _arguments()
    if given.json:
        return _one(given)
    providers = [given.provider] if given.provider else PROVIDERS
    folder = Path(tempfile.mkdtemp(prefix="replylog-faults-"))
    try:
        outcomes = _all(given, providers, folder)
    finally:
        if given.keep:
            click.echo(f"logs and databases: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for outcome in outcomes:
        for line in lines(outcome, LIMIT):
            tell(line)
    return 0 if outcomes and all(outcome["good"] for outcome in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--provider", choices=PROVIDERS, help="only this one; default: both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--letters", type=int, default=1000)
    parser.add_argument("--mailboxes", type=int, default=20)
    parser.add_argument("--terms", type=int, default=50, help="SIGTERMs of workers")
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs of workers")
    parser.add_argument("--redis-kills", type=int, default=10)
    parser.add_argument("--parent-kills", type=int, default=3)
    parser.add_argument("--moods", type=int, default=3, help="times each other kind of fault")
    parser.add_argument("--seconds", type=float, default=200.0, help="over which mail arrives")
    parser.add_argument(
        "--soak", type=float, default=0.0, metavar="MINUTES", help="anything at any time, so long"
    )
    parser.add_argument(
        "--one-by-one", action="store_true", help="each kind alone: how long each takes to heal"
    )
    parser.add_argument("--without", action="append", default=[], help="leave this kind out")
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    parser.add_argument("--keep", action="store_true", help="keep logs and databases")
    parser.add_argument("--json", help=argparse.SUPPRESS)
    return parser.parse_args()


def _all(given: argparse.Namespace, providers: Any, folder: Path) -> list[dict[str, Any]]:
    """Every provider's run at the same time, each in a process and an installation of its own."""
    passed = [part for part in sys.argv[1:] if part != "--keep"]
    if given.provider:
        passed = [part for part in passed if part not in ("--provider", given.provider)]
    files = {name: folder / f"{name}.json" for name in providers}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults", *passed, "--provider", name, "--json", str(file)]
        )
        for name, file in files.items()
    ]
    for process in running:
        process.wait()
    missing = [name for name, file in files.items() if not file.exists()]
    if missing:
        raise SystemExit(f"no result for {', '.join(missing)}")
    return [json.loads(file.read_text()) for file in files.values()]


def _one(given: argparse.Namespace) -> int:
    file = Path(given.json)
    var = file.with_suffix("")
    plan = Plan(
        provider=given.provider,
        letters=given.letters,
        terms=given.terms,
        kills=given.kills,
        redis_kills=given.redis_kills,
        parent_kills=given.parent_kills,
        moods=given.moods,
        seconds=given.seconds,
        soak=given.soak,
        alone=given.one_by_one,
        owners=given.mailboxes,
        seed=given.seed,
        without=tuple(given.without),
    )
    if not given.postgres:
        outcome = run(plan, var, tell)
    else:
        server, stop = postgres.start()
        try:
            server.run("CREATE DATABASE faults")
            outcome = run(replace(plan, database_url=server.url("faults")), var, tell, server)
        finally:
            stop()
    file.write_text(json.dumps(outcome.as_json()))
    return 0 if outcome.good else 1


def tell(text: str) -> None:
    click.echo(text)


if __name__ == "__main__":
    sys.exit(main())
