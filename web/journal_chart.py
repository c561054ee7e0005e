"""Counts per day as a stacked bar chart: what the SVG draws, made here because pages have no script
that could."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from crm.model import VerdictKind
from crm.rules.registry import BY_ID
from crm.store.journal import Count

DAYS = 14
WIDTH, HEIGHT = 40, 100  # of one day's place, in the drawing's own units
GAP = 7
TONES = 4  # rules with a colour of their own; the rest share one
LOGGED, WAITING, OTHER = "logged", "waiting", "other"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a day's bar, or its line in the legend."""

    tone: str
    name: str
    number: int
    y: float = 0.0
    height: float = 0.0
    rule: str = ""  # for the legend: what it filters by
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    day: date
    x: int
    parts: tuple[Part, ...]

    @property
    def words(self) -> str:
        """The bar for people who do not see it."""
        told = ", ".join(f"{each.number} {each.name}" for each in self.parts) or "no message"
        return f"{self.day.day} {self.day:%B}: {told}"


@dataclass(frozen=True, slots=True)
class Chart:
    bars: tuple[Bar, ...]
    legend: tuple[Part, ...]

    @property
    def total(self) -> int:
        return sum(each.number for each in self.legend)

    def number(self, bar: Bar, tone: str) -> int:
        return sum(each.number for each in bar.parts if each.tone == tone)


def chart(counts: Iterable[Count], today: date) -> Chart:
    """The last two weeks, oldest day first, `today` being the last."""
    by_day: dict[str, Counter[tuple[str, str]]] = {}
    for each in counts:
        rule = each.rule if each.verdict == VerdictKind.REFUSED else ""
        by_day.setdefault(each.day, Counter())[each.verdict, rule] += each.number
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    shown = [by_day.get(day.isoformat(), Counter()) for day in days]
    legend = _legend(sum(shown, Counter()))
    most = max((of.total() for of in shown), default=0)
    bars = (
        Bar(day, place * WIDTH, tuple(_stacked(of, legend, most)))
        for place, (day, of) in enumerate(zip(days, shown, strict=True))
    )
    return Chart(tuple(bars), legend)


def _legend(numbers: "Counter[tuple[str, str]]") -> tuple[Part, ...]:
    """What there is, in the order of a bar from below: logged, the commonest refusals, the rest."""
    rules = Counter({rule: n for (_, rule), n in numbers.items() if rule})
    common = [rule for rule, _ in rules.most_common(TONES)]
    logged = sum(n for (verdict, _), n in numbers.items() if verdict == VerdictKind.LOGGED)
    waiting = sum(n for (verdict, _), n in numbers.items() if verdict == VerdictKind.PENDING)
    rest = rules.total() - sum(rules[rule] for rule in common)
    parts = [Part(LOGGED, "logged", logged, verdict=VerdictKind.LOGGED)]
    parts += [
        Part(f"tone{place}", _title(rule), rules[rule], rule=rule)
        for place, rule in enumerate(common, 1)
    ]
    parts.append(Part(OTHER, "other", rest, verdict=VerdictKind.REFUSED))
    parts.append(Part(WAITING, "waiting", waiting, verdict=VerdictKind.PENDING))
    return tuple(each for each in parts if each.number)


def _title(rule: str) -> str:
    return BY_ID[rule].title.lower() if rule in BY_ID else "could not be read"


def _stacked(of: "Counter[tuple[str, str]]", legend: Sequence[Part], most: int) -> Iterable[Part]:
    own = {each.rule for each in legend if each.rule}
    bottom = float(HEIGHT)
    for each in legend:
        number = sum(n for key, n in of.items() if _is(key, each, own))
        if number:
            height = max(HEIGHT * number / most, 1.5)
            bottom -= height
            yield Part(each.tone, each.name, number, round(bottom, 2), round(height, 2))


def _is(key: tuple[str, str], part: Part, own: set[str]) -> bool:
    verdict, rule = key
    if part.rule:
        return rule == part.rule
    return verdict == part.verdict and rule not in own
