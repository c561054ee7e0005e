"""One run: mail arrives in bursts while processes die and the provider misbehaves; then it is waited
until everything is settled, and every message and every timeline is looked at."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from crm.store import mailboxes
from sandbox.world import DIED, FAILED
from tests.faults import healing
from tests.faults.google import GoogleMoods
from tests.faults.healing import Watcher
from tests.faults.kinds import Injections, Kind
from tests.faults.letters import CONTACTS, FOLDER, Letters
from tests.faults.microsoft import MicrosoftMoods
from tests.faults.office import DOMAINS, Office, answers, office, within
from tests.faults.processes import Processes
from tests.faults.storm import Storm
from tests.faults.timelines import differences
from tests.faults.verdicts import Found, look

if TYPE_CHECKING:
    from tests.postgres import Server

LIMIT = 180.0  # seconds from the last delivery until all is settled
# Seconds from the last delivery until the ten-minute look is put forward: longer than the minute after
# which certificates are asked for again, and the one that Pub/Sub may rest after pushes were refused.
QUIET = 130.0
MOODS = {"gmail": GoogleMoods, "graph": MicrosoftMoods}


@dataclass(frozen=True)
class Plan:
    """How much of what, over `seconds`. `moods`: how often each kind that has no number of its own;
    `soak`: anything at any time instead, for so many minutes; `alone`: one kind after the other;
    `without`: kinds that are left out;
    `hurry`: what would be waited for at the end is put forward."""

    provider: str  # or "both" in one installation
    letters: int = 1000
    terms: int = 50
    kills: int = 50
    redis_kills: int = 10
    parent_kills: int = 3
    moods: int = 3
    seconds: float = 200.0
    soak: float = 0.0
    alone: bool = False
    owners: int = 20
    processes: int = 3
    seed: int = 1
    database_url: str = ""
    without: tuple[str, ...] = ()
    hurry: bool = False

    @property
    def providers(self) -> list[str]:
        return list(MOODS) if self.provider == "both" else [self.provider]


@dataclass
class Outcome:
    plan: Plan
    kinds: list[dict[str, Any]] = field(default_factory=list)  # see `healing.table`
    found: Found | None = None
    differences: list[str] = field(default_factory=list)  # of timelines, from the oracle's
    seconds: float = 0.0  # from the last delivery until all was settled
    asked_anyway: list[str] = field(default_factory=list)  # see `_settled`; each with its state
    unmet: list[str] = field(default_factory=list)  # kinds of faults that no request met
    broken: list[str] = field(
        default_factory=list
    )  # what failed of the pretend world or of this run
    restarted: bool = True  # whether the roles ended in good order at the end

    @property
    def good(self) -> bool:
        return (
            self.found is not None
            and self.found.right
            and not self.differences
            and not self.broken
            and (self.plan.hurry or not self.unmet)
            and self.seconds <= LIMIT
            and self.restarted
        )

    def as_json(self) -> dict[str, Any]:
        found = self.found.as_json() if self.found else {}
        return {**asdict(self), "found": found, "good": self.good}


def run(
    plan: Plan,
    var: Path,
    tell: Callable[[str], None] = lambda _: None,
    server: "Server | None" = None,
) -> Outcome:
    """`server`: the one of `plan.database_url`, which is then stopped and started, too."""
    random = Random(plan.seed)
    outcome = Outcome(plan)
    with guarded(outcome), office(var, plan.database_url) as made:
        letters = _prepare(made, plan, random)
        with made.role("all", "--processes", str(plan.processes)) as process:
            if not within(60, lambda: answers(f"{made.settings.public_url}/readyz")):
                raise RuntimeError(f"replylog did not start; see {var}")
            _watched(made)
            letters.begin()
            if not within(60, lambda: look(made, letters.expected).right):
                raise RuntimeError(f"not even the roots were logged; see {var}")
            tell(f"{plan.provider}: {len(made.mailboxes)} mailboxes ready, mail begins")
            processes = Processes(made, process.pid, random, server)
            injections, watcher = Injections(), Watcher(made, letters)
            with watcher.watching():
                kinds = [
                    each
                    for each in _kinds(plan, processes, letters)
                    if each.name not in plan.without
                ]
                _storm(plan, Storm(letters, kinds, injections, random))
                tell(f"{plan.provider}: last mail delivered, waiting")
                _settled(made, letters, outcome)
            assert outcome.found is not None
            met = made.world.get("faults/met")
            outcome.kinds = healing.table(watcher, injections.done, outcome.found, met)
            outcome.unmet = [row["fault"] for row in outcome.kinds if row["met"] == 0]
            outcome.broken += _failures(made)
            outcome.differences = differences(made, letters)
            process.terminate()
            outcome.restarted = process.wait(timeout=30) == 0
    return outcome


@contextmanager
def guarded(outcome: Outcome) -> Iterator[None]:
    """No thread of this process dies unnoticed: nobody would look at what it looked at."""
    usual = threading.excepthook

    def note(death: threading.ExceptHookArgs) -> None:
        outcome.broken.append(f"a thread of the run died: {death.exc_type.__name__}")
        usual(death)

    threading.excepthook = note
    try:
        yield
    finally:
        threading.excepthook = usual


def _failures(made: Office) -> list[str]:
    """What went wrong in the pretend world that nobody had asked for."""
    counts = made.world.get("counts")
    return [f"{name}: {counts[name]}" for name in (DIED, FAILED) if counts.get(name)]


def _prepare(made: Office, plan: Plan, random: Random) -> Letters:
    made.contact(*CONTACTS)
    providers = plan.providers
    owners = []
    for n in range(plan.owners):
        provider = providers[n % len(providers)]
        owner = f"owner{n}@{DOMAINS[provider]}"
        made.person(owner, provider)
        made.rule(owner, FOLDER, "nobody@projects.test")
        made.connect(owner, provider)
        owners.append(owner)
    made.connected_long()
    return Letters(made, owners, random)


def _watched(made: Office) -> None:
    """Until every mailbox's news are announced. On a busy machine a provider may have found us too
    slow to prove who we are; it is then asked again."""

    def missing() -> list[int]:
        with made.database.read() as conn:
            return [
                box
                for box in made.mailboxes.values()
                if not mailboxes.watches(conn, made.account_id, box)
            ]

    for _ in range(4):
        if within(15, lambda: not missing()):
            return
        with made.database.begin() as conn:
            for box in missing():
                mailbox = mailboxes.mailbox(conn, made.account_id, box)
                assert mailbox is not None
                mailboxes.set_renew_at(conn, mailbox, datetime.now(UTC))
    raise RuntimeError("the mailboxes are not watched")


def _kinds(plan: Plan, processes: Processes, letters: Letters) -> Iterator[Kind]:
    yield from processes.kinds(plan.terms, plan.kills, plan.redis_kills, plan.parent_kills)
    for provider in plan.providers:
        yield from MOODS[provider](processes.office, letters, provider, processes.random).kinds()


def _storm(plan: Plan, storm: Storm) -> None:
    """Everything goes wrong, then nothing any more; at last one more letter to each mailbox. Graph
    repeats every quarter of an hour that it wants to be authorised anew, our sandbox does not: what
    that brings is put forward."""
    made = storm.letters.office
    if plan.soak:
        storm.soak(plan.soak * 60)
    elif plan.alone:
        storm.one_by_one(lambda: look(made, storm.letters.expected).right)
    else:
        storm.planned(plan.letters, plan.seconds, plan.moods)
    storm.injections.end_all()
    if not plan.hurry:
        storm.insist(lambda: made.world.get("faults/met"))
    made.world.delete("faults")
    for address in made.events:
        made.look_after_watches(address)
    storm.letters.tick_late()
    storm.letters.sweep()


def _settled(made: Office, letters: Letters, outcome: Outcome) -> None:
    """How things stand when all is right, or a while after it should have been. The ten minutes after
    which a mailbox is asked that nobody rings are put forward, once."""
    began = time.monotonic()
    forward = 1.5 if outcome.plan.hurry else QUIET
    while not (found := look(made, letters.expected)).right:
        lasted = time.monotonic() - began
        if lasted > LIMIT + 20:
            break
        if lasted > forward and outcome.plan.hurry:
            made.outlive_waits()
            forward = lasted + 3
        elif lasted > forward:
            late = {mailbox for mailbox, _ in found.lost | found.wrong}
            outcome.asked_anyway = [_state(made, address) for address in sorted(late)]
            made.ring_all()
            forward = float("inf")
        time.sleep(0.25)
    outcome.found = found
    outcome.seconds = time.monotonic() - began


def _state(made: Office, address: str) -> str:
    """How a mailbox stands in which nobody has found what is new."""
    now = datetime.now(UTC)
    with made.database.read() as conn:
        mailbox = mailboxes.mailbox(conn, made.account_id, made.mailboxes[address])
    log = [one for one in made.world.get("notifications")["log"] if one["address"] == address]
    told = [f"{one['outcome']} {now.timestamp() - one['at']:.0f} s ago" for one in log[-3:]]
    times = {}
    if mailbox is not None:
        times = {
            "due": mailbox.wake_at,
            "limit": mailbox.blocked_until,
            "renewal": mailbox.renew_at,
        }
    waits = [f"{name} in {(at - now).total_seconds():.0f} s" for name, at in times.items() if at]
    return f"{address} was asked anyway: announced {told}, {', '.join(waits)}"
