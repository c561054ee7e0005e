"""One run: mail arrives in bursts while processes die and the provider misbehaves; then it is waited
until everything is settled, and every message is looked at."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from crm.store import mailboxes
from tests.faults.faults import Processes, Provider
from tests.faults.letters import Letters
from tests.faults.office import DOMAINS, Office, answers, office, within
from tests.faults.verdicts import Found, look

LIMIT = 100.0  # seconds from the last delivery until all is settled
BURST = 10  # letters that arrive at once, on the average


@dataclass(frozen=True)
class Plan:
    """How much of what, over `seconds`. `moods`: how often the provider's misbehaviours each."""

    provider: str
    letters: int = 500
    terms: int = 50
    kills: int = 50
    redis_kills: int = 10
    parent_kills: int = 3
    moods: int = 3
    seconds: float = 150.0
    owners: int = 10
    processes: int = 3
    seed: int = 1
    database_url: str = ""


@dataclass
class Outcome:
    plan: Plan
    injected: dict[str, int] = field(default_factory=dict)
    found: Found | None = None
    seconds: float = 0.0  # from the last delivery until all was settled
    restarted: bool = True  # whether the roles ended in good order at the end

    @property
    def good(self) -> bool:
        return (
            self.found is not None and self.found.right and self.seconds <= LIMIT and self.restarted
        )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


def run(plan: Plan, var: Path, tell: Callable[[str], None] = lambda _: None) -> Outcome:
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
            processes = Processes(process.pid, random)
            provider = Provider(made, plan.provider, random)
            _storm(plan, letters, processes, provider, random)
            ended = time.monotonic()
            tell(f"{plan.provider}: last mail delivered, waiting")
            found = _settled(made, letters)
            outcome.seconds = time.monotonic() - ended
            outcome.found = found
            outcome.injected = {**processes.killed, **provider.done}
            process.terminate()
            outcome.restarted = process.wait(timeout=30) == 0
    return outcome


def _prepare(made: Office, plan: Plan, random: Random) -> Letters:
    made.contact("maria@globex.test", "bob@globex.test", "joe@umbrella.test")
    owners = [f"owner{n}@{DOMAINS[plan.provider]}" for n in range(plan.owners)]
    for owner in owners:
        made.connect(owner, plan.provider)
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


def _storm(
    plan: Plan, letters: Letters, processes: Processes, provider: Provider, random: Random
) -> None:
    """Deliver all letters and let everything go wrong meanwhile."""
    events = sorted(_events(plan, processes, provider, random), key=lambda event: event[0])
    began = time.monotonic()
    for at, what in events:
        while (left := began + at - time.monotonic()) > 0:
            provider.tick()
            time.sleep(min(left, 0.05))
        if isinstance(what, int):
            for _ in range(what):
                letters.one()
        else:
            what()
    provider.forgive()
    provider.calm()
    letters.tick_late()
    letters.sweep()


def _events(
    plan: Plan, processes: Processes, provider: Provider, random: Random
) -> Iterator[tuple[float, Any]]:
    """What happens when, in seconds: a number of letters, or something that goes wrong.

    Two of three deaths come within a second after a burst of mail, when there is work to disturb.
    """
    bursts = sorted(random.uniform(0, plan.seconds) for _ in range(max(plan.letters // BURST, 1)))
    shares = [plan.letters // len(bursts)] * len(bursts)
    shares[-1] += plan.letters - sum(shares)
    yield from zip(bursts, shares, strict=True)
    deaths = (
        [lambda: processes.kill_worker(signal.SIGTERM)] * plan.terms
        + [lambda: processes.kill_worker(signal.SIGKILL)] * plan.kills
        + [processes.kill_parent] * plan.parent_kills
        + [processes.kill_redis] * plan.redis_kills
    )
    for death in deaths:
        busy = random.random() < 2 / 3
        yield (
            (
                random.choice(bursts) + random.uniform(0, 1)
                if busy
                else random.uniform(0, plan.seconds)
            ),
            death,
        )
    for name, mood in provider.moods().items():
        for _ in range(plan.moods):
            yield random.uniform(0, plan.seconds * 0.9), _counted(provider, name, mood)


def _counted(provider: Provider, name: str, mood: Callable[[], None]) -> Callable[[], None]:
    def change() -> None:
        mood()
        provider.done[name] += 1

    return change


def _settled(made: Office, letters: Letters) -> Found:
    """How things stand when all is right, or a while after it should have been."""
    until = time.monotonic() + LIMIT + 20
    while not (found := look(made, letters.expected)).right and time.monotonic() < until:
        time.sleep(0.25)
    return found
