"""A whole installation: how soon a reply is logged, what a message costs in calls, how much memory
a worker takes, how soon a new worker works."""

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from redis import Redis

from infra import redis_server
from tests.bench.backlog import UNLIMITED
from tests.bench.rig import Report, percentile
from tests.faults.letters import CONTACTS, Letters
from tests.faults.office import DOMAINS, Office, answers, children_of, office, within
from tests.faults.verdicts import look
from workers.queue import Queue

REPLIES = 60  # timed, one after another
LETTERS = 120  # of the mix, in bursts
BURST = 20
OWNERS = 4
WORKERS = 4
STARTS = 5
API = {
    "gmail": ("gmail.history.list", "gmail.batch", "gmail.messages.get.metadata",
              "gmail.messages.get.full"),
    "graph": ("graph.delta", "graph.batch", "graph.messages.get.body"),
}  # fmt: skip
UNITS = {"gmail.history.list": 2, "gmail.messages.get": 20}  # of Gmail's quota


@dataclass
class Journal:
    """When verdicts become visible to others, by a connection of its own."""

    file: Path

    def __post_init__(self) -> None:
        self._conn = sqlite3.connect(self.file, isolation_level=None)

    def wait(self, provider_id: str, seconds: float = 20.0) -> float:
        """Epoch seconds at which the message was logged, looked at each half millisecond."""
        until = time.time() + seconds
        query = "SELECT 1 FROM journal WHERE provider_id = ? AND verdict = 'logged'"
        while not self._conn.execute(query, (provider_id,)).fetchone():
            if time.time() > until:
                raise RuntimeError("a reply was not logged")
            time.sleep(0.0005)
        return time.time()


def measure(report: Report) -> None:
    for provider in ("gmail", "graph"):
        with running(provider) as (made, letters, pid):
            report.head(f"{provider}: a whole installation, {OWNERS} mailboxes, {WORKERS} workers")
            _latency(report, provider, made, letters)
            _calls(report, provider, made, letters)
            _memory(report, provider, pid)
    report.head("a new worker")
    _cold_start(report)


@contextmanager
def running(
    provider: str, workers: int = WORKERS, owners: int = OWNERS, **more: str
) -> Iterator[tuple[Office, Letters, int]]:
    """`more`: settings of the roles, by their names in the environment."""
    with (
        tempfile.TemporaryDirectory(prefix="replylog-bench-") as folder,
        office(Path(folder)) as made,
    ):
        made.world.post("switches", **UNLIMITED)
        made.contact(*CONTACTS)
        addresses = [f"owner{n}@{DOMAINS[provider]}" for n in range(owners)]
        for each in addresses:
            made.connect(each, provider)
        letters = Letters(made, addresses, Random(1))
        with made.role("all", "--processes", str(workers), **more) as process:
            ready = f"{made.settings.public_url}/readyz"
            if not within(60, lambda: answers(ready)):
                raise RuntimeError("replylog did not start")
            letters.begin()
            _settled(made, letters)
            yield made, letters, process.pid


def _settled(made: Office, letters: Letters) -> None:
    if not within(60, lambda: look(made, letters.expected).right, 0.2):
        raise RuntimeError(f"not settled: {look(made, letters.expected)}")


def _latency(report: Report, provider: str, made: Office, letters: Letters) -> None:
    """One reply at a time, when nothing else happens; from the notification's leaving."""
    journal = Journal(made.settings.var / "replylog.sqlite3")
    found = []
    for _ in range(REPLIES):
        before = time.time()
        letters.one("reply")
        logged = journal.wait(letters.expected[-1].provider_id)
        log = made.world.get("notifications")["log"]
        left = [one["at"] for one in log if before <= one["at"] <= logged]
        if left:
            found.append((logged - min(left)) * 1000)
        time.sleep(letters.random.uniform(0.05, 0.25))
    slow = percentile(found, 0.99)
    report.add(
        f"{provider}: ms from notification to logged, idle system",
        f"p50 {statistics.median(found):.0f}, p99 {slow:.0f} (n={len(found)})",
        "p99 <= 70",
        slow <= 70,
    )


def _calls(report: Report, provider: str, made: Office, letters: Letters) -> None:
    _settled(made, letters)
    time.sleep(4)  # runs that look once more
    before = look(made, letters.expected)
    made.world.post("counts/reset")
    for _ in range(LETTERS // BURST):
        for _ in range(BURST):
            letters.one()
        time.sleep(1.0)
    letters.tick_late()
    _settled(made, letters)
    found, counts = look(made, letters.expected), made.world.get("counts")
    logged, refused = found.logged - before.logged, found.refused - before.refused
    every = logged + refused
    for name in API[provider]:
        report.add(
            f"{provider}: {name} a message ({every} messages)",
            f"{counts.get(name, 0) / every:.2f}",
        )
    whole = counts.get(API[provider][-1], 0)
    per_logged = whole / logged
    report.add(
        f"{provider}: whole reads a logged message ({logged} logged, {refused} refused)",
        f"{per_logged:.2f}",
        "<= 1.0",
        per_logged <= 1,
    )
    bodies = sum(n for name, n in counts.items() if name.endswith((".full", ".raw", ".body")))
    extra = max(bodies - logged, 0)
    report.add(f"{provider}: bodies of refused mail that were read", str(extra), "0", extra == 0)
    if provider == "gmail":
        units = sum(counts.get(name, 0) * each for name, each in UNITS.items())
        report.add("gmail: quota units a logged message", f"{units / logged:.0f}")


def _memory(report: Report, provider: str, all_pid: int) -> None:
    roles = children_of(all_pid)
    parent = next(pid for pid, command in roles.items() if " worker " in command)
    sizes = [_size(pid) for pid in children_of(parent)]
    pss = statistics.mean(size["Pss"] for size in sizes)
    rss = statistics.mean(size["Rss"] for size in sizes)
    report.add(
        f"{provider}: MB a worker, PSS (RSS {rss:.0f}), mean of {len(sizes)}",
        f"{pss:.0f}",
        "<= 40",
        pss <= 40,
    )
    web = next(
        pid for pid, command in roles.items() if " serve-both" in command or "granian" in command
    )  # granian names itself where setproctitle is installed
    total = [_size(pid) for pid in (web, *children_of(web))]
    report.add(
        f"{provider}: MB of web and webhooks on one port, RSS of each process",
        ", ".join(f"{size['Rss']:.0f}" for size in total),
    )


def _size(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    values = {line.split(":")[0]: line.split()[1] for line in lines}
    return {name: int(values[name]) / 1024 for name in ("Rss", "Pss")}


def _cold_start(report: Report) -> None:
    """From the command to the first logged message, with its mail waiting and rung."""
    for provider in ("gmail", "graph"):
        with tempfile.TemporaryDirectory(prefix="replylog-bench-") as folder:
            var = Path(folder)
            server = redis_server.start(var)
            try:
                with office(var) as made, Redis.from_url(server.url) as client:
                    times = _starts(made, provider, client, server.url)
            finally:
                server.stop()
        middle = statistics.median(times)
        text = f"{middle:.2f} [{min(times):.2f}-{max(times):.2f}]"
        report.add(f"{provider}: seconds from start to first logged", text, "<= 1.5", middle <= 1.5)


def _starts(made: Office, provider: str, client: "Redis", redis_url: str) -> list[float]:
    made.contact(*CONTACTS)
    owner = f"owner@{DOMAINS[provider]}"
    mailbox_id = made.connect(owner, provider)
    made.database.close()
    journal = Journal(made.settings.var / "replylog.sqlite3")
    times = []
    for _ in range(STARTS):
        sent = made.send(owner, CONTACTS[0], "Offer")
        Queue(client).wake(mailbox_id)
        journal._conn.execute("UPDATE mailbox SET renew_at = '2100-01-01 00:00:00.000000'")
        began = time.time()
        with made.role("worker", "--processes", "1", REPLYLOG_REDIS_URL=redis_url):
            times.append(journal.wait(sent["id"]) - began)
    return times
