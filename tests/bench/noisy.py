"""What one noisy mailbox costs the others: how soon their replies are logged, with it and without.

One worker process, so that all share its threads. Gmail's alone: the pretend Google can limit one
mailbox of several. That a mailbox stops short of its own limit is switched off: nothing but their turns
protects the others.
"""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import requests
from sqlalchemy import func, select

from crm.store import limits, mailboxes
from crm.tables import JournalRow
from tests.bench.rig import Report, percentile
from tests.bench.system import Journal, running
from tests.faults.letters import Letters
from tests.faults.office import Office, utc_now

REPLIES = 30  # timed, to the quiet mailboxes
SLOW, SLOW_SECONDS = 60, 5.0  # messages with a file each, and how long it takes to read that
FILE = {"name": "offer.pdf", "mime": "application/pdf", "size": 20_000}
MANY = 10_000
MOST = 2.0  # times as long as without the noise


def measure(report: Report, many: int = MANY, replies: int = REPLIES) -> None:
    unlimited = {"REPLYLOG_GMAIL_UNITS_PER_MINUTE": "1000000000"}
    with running("gmail", workers=1, owners=6, **unlimited) as (made, letters, _):
        limited, slow, full, *letters.owners = letters.owners
        report.head(f"noisy neighbour: {len(letters.owners)} quiet mailboxes, 1 worker process")
        quiet = _latencies(made, letters, replies)
        _tell(report, "alone", quiet, quiet)
        noises: dict[str, tuple[str, Callable[[], None]]] = {
            "one is answered 429 for a minute": (limited, lambda: _limited(made, letters, limited)),
            f"one's files take {SLOW_SECONDS:.0f} s each": (
                slow,
                lambda: _slow(made, letters, slow),
            ),
            f"one reads {many:,} messages that came at once": (
                full,
                lambda: _many(made, full, many),
            ),
        }
        for name, (noisy, begin) in noises.items():
            begin()
            _tell(report, name, _latencies(made, letters, replies), quiet)
            report.add("messages of the noisy one judged by then", f"{_judged(made, noisy):,}")
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
        letters._arrive(letters.roots[noisy][0], "reply", attachments=[FILE])
        ids.append(letters.expected[-1].provider_id)
    made.world.post(
        "faults",
        match=f"messages/({'|'.join(ids)})/attachments",
        kind="delay",
        seconds=SLOW_SECONDS,
        times=None,
    )


def _many(made: Office, noisy: str, many: int) -> None:
    """Nobody reads it until all have come."""
    with made.database.begin() as conn:
        box = mailboxes.by_id(conn, made.mailboxes[noisy])
        assert box is not None
        limits.block(conn, box, utc_now() + timedelta(hours=1), "error:Bench", utc_now())
    for n in range(many):
        made.mail("eve@stranger.test", [noisy], f"News {n}")
    with made.database.begin() as conn:
        limits.ended_well(conn, made.account_id, box.id, utc_now())
    made.mail("eve@stranger.test", [noisy], "The last one, whose push rings")


def _judged(made: Office, noisy: str) -> int:
    with made.database.read() as conn:
        where = (JournalRow.account_id == made.account_id,)
        mine = JournalRow.mailbox_id == made.mailboxes[noisy]
        return conn.scalar(select(func.count()).select_from(JournalRow).where(*where, mine)) or 0
