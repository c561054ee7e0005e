"""The operator's page: how the whole installation is doing, each row with its line of the runbook."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Response, render_template

from crm.history import What, counted, span
from crm.store import operations
from crm.store.leases import LEADER
from crm.store.operations import MOST, State
from providers import causes
from web import live
from web.parts import parts
from web.people import admin_only
from web.runbook import ENTRIES
from web.shell import size
from workers.queue import QueueDown

LATE_DUE = timedelta(minutes=1)
LATE_TICK = timedelta(seconds=30)
LATE_LAG = timedelta(minutes=30)
LATE_EVENT = timedelta(hours=1)
FINE, LOOK = "fine", "look"
HAPPENED: dict[str, str] = {  # what happened, for the operator; others are their owners' matter
    What.CURSOR_EXPIRED: "cursors that a provider forgot",
    What.CURSOR_REPAIRED: "cursors repaired",
    What.GAP_READ: "gaps read",
    What.WATCH_REMADE: "watches made anew",
    What.WATCH_REFUSED: "watches refused",
    What.AUDITED: "audits that found something missed",
    What.SET_ASIDE: "messages set aside",
    What.GIVEN_UP: "messages given up",
    What.STOPPED: "mailboxes stopped",
    What.MOVED: "mailboxes whose domain moved",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the page. `id` is its anchor in the runbook."""

    id: str
    title: str
    state: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redis:
    """What Redis says of itself; `answers` is False where it says nothing."""

    answers: bool = False
    awake: int = 0
    jobs: int = 0
    workers: int = 0
    memory: int = 0


def page() -> str:
    admin_only()
    rows = _rows()
    return render_template("operator.html", rows=rows, version=live.version(rows))


def rows_part() -> Response:
    """The rows, for a page that follows itself up."""
    admin_only()
    rows = _rows()
    return live.part("parts/operator_rows.html", live.version(rows), rows=rows)


def runbook() -> str:
    admin_only()
    return render_template("runbook.html", entries=ENTRIES)


def _rows() -> list[Row]:
    here = parts()
    with here.database.read() as conn:
        state, bytes_taken = operations.state(conn, here.clock()), operations.size(conn)
    redis = _redis()
    told: dict[str, Callable[[], tuple[str, list[str]]]] = {
        "mailboxes": lambda: _mailboxes(state),
        "watches": lambda: _watches(state),
        "limits": lambda: _limits(state),
        "queue": lambda: _queue(state, redis),
        "workers": lambda: _workers(redis),
        "timetable": lambda: _timetable(state),
        "pending": lambda: _pending(state),
        "lag": lambda: _lag(state),
        "outbox": lambda: _outbox(state),
        "files": lambda: (FINE, [f"{number(state.files, 'file')} to be read"]),
        "repairs": lambda: _repairs(state),
        "redis": lambda: _of_redis(redis),
        "database": lambda: (FINE, [f"{here.database.dialect} answers", size(bytes_taken)]),
    }
    found = []
    for entry in ENTRIES:
        judged, facts = told[entry.id]()
        found.append(Row(entry.id, entry.title, judged, tuple(facts)))
    return found


def _redis() -> Redis:
    queue = parts().queue
    try:
        found = Redis(True, queue.awake(), queue.jobs(), queue.workers())
    except QueueDown:
        return Redis()
    try:
        return replace(found, memory=queue.memory())
    except QueueDown:  # one that is shared may keep this to itself
        return found


def number(found: int, name: str, plural: str = "") -> str:
    """ "3 mailboxes"; what is counted no further is "10,000 or more"."""
    if found >= MOST:
        return f"{MOST:,} {plural or name + 's'} or more"
    return f"{found} {plural or name + 's'}" if found != 1 and plural else counted(found, name)


def _boxes(found: int) -> str:
    return number(found, "mailbox", "mailboxes")


def _late(then: datetime | None, state: State, most: timedelta) -> bool:
    return then is not None and state.now - then > most


def _ago(then: datetime | None, state: State) -> str:
    return "none" if then is None else span(max((state.now - then).total_seconds(), 0))


def _mailboxes(state: State) -> tuple[str, list[str]]:
    facts = [f"{_boxes(state.connected)} connected"]
    facts += [
        f"{_boxes(many)} to be reconnected: {causes.explain(cause).sentence}"
        for cause, many in state.stopped.items()
    ]
    facts += [f"{_boxes(state.disconnected)} disconnected"] if state.disconnected else []
    return LOOK if state.stopped else FINE, facts


def _watches(state: State) -> tuple[str, list[str]]:
    late = state.expired_watches or state.overdue_watches or state.unwatched
    facts = [
        f"{number(state.expired_watches, 'watch', 'watches')} expired",
        f"{_boxes(state.overdue_watches)} overdue",
        f"{_boxes(state.unwatched)} without one",
    ]
    return LOOK if late else FINE, facts


def _limits(state: State) -> tuple[str, list[str]]:
    waiting = f"{_boxes(state.blocked)} waiting for a provider's limit to end"
    return LOOK if state.blocked > max(state.connected // 4, 1) else FINE, [waiting]


def _queue(state: State, redis: Redis) -> tuple[str, list[str]]:
    facts = [f"oldest due: {_ago(state.oldest_due, state)}"]
    if redis.answers:
        facts = [f"{_boxes(redis.awake)} awake", f"{number(redis.jobs, 'job')} waiting", *facts]
    return LOOK if _late(state.oldest_due, state, LATE_DUE) else FINE, facts


def _workers(redis: Redis) -> tuple[str, list[str]]:
    if not redis.answers:
        return LOOK, ["not known: Redis does not answer"]
    return FINE if redis.workers else LOOK, [f"{number(redis.workers, 'worker')} alive"]


def _timetable(state: State) -> tuple[str, list[str]]:
    if state.leads_until is None:
        return LOOK, ["never ticked"]
    ticked = state.leads_until - LEADER
    late = _late(ticked, state, LATE_TICK)
    return LOOK if late else FINE, [f"last tick {_ago(ticked, state)} ago"]


def _pending(state: State) -> tuple[str, list[str]]:
    facts = [f"{number(state.waiting, 'message')} waiting", f"{state.given_up:,} given up"]
    return LOOK if state.given_up else FINE, facts


def _lag(state: State) -> tuple[str, list[str]]:
    facts = [f"worst {_ago(state.lag.worst, state)}", f"median {_ago(state.lag.median, state)}"]
    return LOOK if _late(state.lag.worst, state, LATE_LAG) else FINE, facts


def _outbox(state: State) -> tuple[str, list[str]]:
    facts = [
        f"{number(state.outbox.due, 'delivery', 'deliveries')} due",
        f"{state.outbox.dead:,} dead",
        f"oldest on its way: {_ago(state.outbox.oldest, state)}",
    ]
    if state.stopped_endpoints:
        facts.append(f"{number(state.stopped_endpoints, 'endpoint')} stopped")
    if state.outbox.unsent:
        facts.append(f"{number(state.outbox.unsent, 'mail')} not sent since yesterday")
    late = _late(state.outbox.oldest, state, LATE_EVENT)
    bad = state.outbox.dead or state.outbox.unsent or state.stopped_endpoints or late
    return LOOK if bad else FINE, facts


def _repairs(state: State) -> tuple[str, list[str]]:
    facts = [
        f"{words}: {state.happened[what]:,}"
        for what, words in HAPPENED.items()
        if state.happened.get(what)
    ]
    return FINE, facts or ["nothing in the last seven days"]


def _of_redis(redis: Redis) -> tuple[str, list[str]]:
    if not redis.answers:
        return LOOK, ["does not answer"]
    return FINE, ["answers", *([size(redis.memory)] if redis.memory else [])]
