"""What one noisy mailbox costs the others: how soon their replies are logged, with it and without.

One worker process, so that all share its threads. Gmail's alone: the pretend Google can limit one
mailbox of several.
"""

import statistics
import time
from collections.abc import Callable

import requests

from tests.bench.rig import Report, percentile
from tests.bench.system import Journal, running
from tests.faults.letters import Letters
from tests.faults.office import Office

REPLIES = 30  # timed, to the quiet mailboxes
SLOW, SLOW_SECONDS = 60, 5.0  # messages of the noisy one, and how long each of them takes to read
MANY = 10_000
MOST = 2.0  # times as long as without the noise


def measure(report: Report, many: int = MANY, replies: int = REPLIES) -> None:
    with running("gmail", workers=1) as (made, letters, _):
        noisy, *letters.owners = letters.owners
        report.head(f"noisy neighbour: {len(letters.owners)} quiet mailboxes, 1 worker process")
        quiet = _latencies(made, letters, replies)
        _tell(report, "alone", quiet, quiet)
        noises: dict[str, Callable[[], None]] = {
            "one is answered 429 for a minute": lambda: _limited(made, letters, noisy),
            f"one's messages take {SLOW_SECONDS:.0f} s each": lambda: _slow(made, letters, noisy),
            f"one gets {many:,} messages at once": lambda: _many(made, noisy, many),
        }
        for name, begin in noises.items():
            begin()
            _tell(report, name, _latencies(made, letters, replies), quiet)
            requests.delete(f"{made.world.url}/control/faults", timeout=10).raise_for_status()


def _tell(report: Report, name: str, found: list[float], quiet: list[float]) -> None:
    times = statistics.median(found) / statistics.median(quiet)
    slow = percentile(found, 0.99)
    figure = f"p50 {statistics.median(found):.0f}, p99 {slow:.0f} ms, {times:.2f} times"
    report.add(f"ms to logged while {name}", figure, f"<= {MOST} times", times <= MOST)


def _latencies(made: Office, letters: Letters, replies: int) -> list[float]:
    """Milliseconds from a reply's arrival to its place on the timeline."""
    journal = Journal(made.settings.var / "replylog.sqlite3")
    found = []
    for _ in range(replies):
        began = time.time()
        letters.one("reply")
        found.append((journal.wait(letters.expected[-1].provider_id, 60) - began) * 1000)
        time.sleep(letters.random.uniform(0.05, 0.25))
    return found


def _limited(made: Office, letters: Letters, noisy: str) -> None:
    made.world.post("google/limit", address=noisy, kind="concurrent", seconds=60)
    for _ in range(20):
        letters._reply(letters.roots[noisy][0])


def _slow(made: Office, letters: Letters, noisy: str) -> None:
    ids = []
    for _ in range(SLOW):
        letters._reply(letters.roots[noisy][0])
        ids.append(letters.expected[-1].provider_id)
    made.world.post(
        "faults",
        match=f"messages/({'|'.join(ids)})",
        kind="delay",
        seconds=SLOW_SECONDS,
        times=None,
    )


def _many(made: Office, noisy: str, many: int) -> None:
    """Announced while they come: the reading begins with the first."""
    for n in range(many):
        made.mail("eve@stranger.test", [noisy], f"News {n}")
