"""What a run found, for people."""

from collections.abc import Iterator
from typing import Any

COLUMNS = ("times", "met", "expected", "logged", "duplicates", "lost", "wrong", "healed", "longest")
HEADS = ("times", "met", "on the way", "logged", "twice", "lost", "wrong", "healed s", "longest s")
SUMS = ("expected", "logged", "refused", "duplicates", "lost", "wrong", "pending")


def lines(outcome: dict[str, Any], limit: float) -> Iterator[str]:
    """One outcome, as `Outcome.as_json` gives it."""
    plan, found = outcome["plan"], outcome["found"]
    database = "PostgreSQL" if plan["database_url"] else "SQLite"
    how = f"soak of {plan['soak']:g} minutes" if plan["soak"] else f"{plan['letters']} letters"
    how = "one kind after the other" if plan["alone"] else how
    yield ""
    yield f"{plan['provider']}, {database}, seed {plan['seed']}, {plan['owners']} mailboxes, {how}"
    yield f"  {'fault':<42}" + "".join(f"{head:>11}" for head in HEADS)
    for row in outcome["kinds"]:
        yield f"  {row['fault']:<42}" + "".join(f"{_cell(row[name]):>11}" for name in COLUMNS)
    number = sum(row["times"] for row in outcome["kinds"])
    yield f"  {len(outcome['kinds'])} kinds of faults, {number} injections"
    for name in SUMS:
        yield f"  {name:<42}{found[name]:>11}"
    yield f"  {'timelines that differ from the oracle':<42}{len(outcome['differences']):>11}"
    yield f"  {'seconds until all was settled':<42}{outcome['seconds']:>11.1f}  (limit {limit:.0f})"
    yield f"  {'mailboxes found by the ten-minute look':<42}{len(outcome['asked_anyway']):>11}"
    order = "yes" if outcome["restarted"] else "NO"
    yield f"  {'ended in good order afterwards':<42}{order:>11}"
    for name in outcome["unmet"]:
        yield f"    NO REQUEST MET: {name}"
    for line in outcome["broken"]:
        yield f"    BROKEN: {line}"
    for line in (*found["examples"], *outcome["differences"][:8], *outcome["asked_anyway"]):
        yield f"    {line}"


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
