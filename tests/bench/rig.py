"""What the measurements share: rounds, medians, where processes run, and the table at the end."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests.faults.office import children_of

CORES = sorted(os.sched_getaffinity(0))
SERVER, OTHERS = CORES[:1], CORES[1:] or CORES  # a server has one processor for itself


@dataclass
class Report:
    """Lines of the final table: subject, figure, target and whether it was met."""

    lines: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, figure: str, target: str = "", met: bool | None = None) -> None:
        verdict = "" if met is None else ("yes" if met else "NO")
        self.lines.append((what, figure, target, verdict))
        click.echo(f"  {what:<62} {figure:<34} {target:<18} {verdict}")

    def head(self, text: str) -> None:
        click.echo(f"\n{text}")

    @property
    def missed(self) -> list[str]:
        return [what for what, _, _, verdict in self.lines if verdict == "NO"]


@dataclass(frozen=True)
class Used:
    seconds: float
    cpu: float  # of this process, seconds


def timed(work: Callable[[], object]) -> Used:
    before, began = _cpu(), time.perf_counter()
    work()
    return Used(time.perf_counter() - began, _cpu() - before)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process and its living descendants have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_of(child) for child in children_of(pid))


def interleaved(rounds: int, subjects: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each subject once a round, in turns: what the machine does meanwhile hits all of them."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    order = list(subjects)
    for turn in range(rounds):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            found[name].append(subjects[name]())
    return found


def ratio(subject: Sequence[float], floor: Sequence[float]) -> tuple[float, str]:
    """The median of the rounds' ratios, and it with its least and greatest as text."""
    ratios = [one / other for one, other in zip(subject, floor, strict=True)]
    middle = statistics.median(ratios)
    return middle, f"{middle:.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
