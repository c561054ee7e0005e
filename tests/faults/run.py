"""One run: mail arrives in bursts while processes die and the provider misbehaves; then it is waited
until everything is settled, and every message and every timeline is looked at."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from crm.store import mailboxes
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
QUIET = 60.0  # seconds from the last delivery until the ten-minute look is put forward
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
    asked_anyway: int = 0  # mailboxes whose ten-minute look was put forward, see `_settled`
    restarted: bool = True  # whether the roles ended in good order at the end

    @property
    def good(self) -> bool:
        return (
            self.found is not None
            and self.found.right
            and not self.differences
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
    with office(var, plan.database_url) as made:
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
            outcome.differences = differences(made, letters)
            process.terminate()
            outcome.restarted = process.wait(timeout=30) == 0
    return outcome


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
    """Everything goes wrong, then nothing any more; at last one more letter to each mailbox."""
    if plan.soak:
        storm.soak(plan.soak * 60)
    elif plan.alone:
        made, expected = storm.letters.office, storm.letters.expected
        storm.one_by_one(lambda: look(made, expected).right)
    else:
        storm.planned(plan.letters, plan.seconds, plan.moods)
    storm.injections.end_all()
    storm.letters.office.world.delete("faults")
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
            outcome.asked_anyway = len({mailbox for mailbox, _ in found.lost | found.wrong})
            made.ring_all()
            forward = float("inf")
        time.sleep(0.25)
    outcome.found = found
    outcome.seconds = time.monotonic() - began
