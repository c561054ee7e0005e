"""`python -m tests.bench`: how fast it is, in figures; each subject in turns with its floor, in the
same run. Everything stays on this machine. With names, only those parts."""

import argparse
import platform
import sys
import time
from datetime import UTC, datetime

import click

from tests.bench import backlog, noisy, push, store, system
from tests.bench.rig import CORES, Report

PARTS = {
    "push": push.measure,
    "backlog": backlog.measure,
    "system": system.measure,
    "store": store.measure,
    "noisy": noisy.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    chosen = parser.parse_args().parts or list(PARTS)
    began, report = time.monotonic(), Report()
    click.echo(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {len(CORES)} processors, {platform.machine()}, "
        f"Python {platform.python_version()}; ratios are medians of rounds [least-greatest]"
    )
    for name in chosen:
        PARTS[name](report)
    click.echo(f"\n{time.monotonic() - began:.0f} seconds. ", nl=False)
    click.echo(f"Not reached: {len(report.missed)}")
    for what in report.missed:
        click.echo(f"  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
