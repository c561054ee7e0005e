"""How long a mailbox is left alone after a failure, and all mailboxes where a limit is everybody's."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.store import limits, runs
from crm.store.limits import ERROR, LIMIT, SETUP
from crm.store.mailboxes import Mailbox
from infra.metrics import gauge
from providers import causes
from providers.client import Limited, Operator, Retry
from providers.waiting import LIMITS
from workers.runtime import Runtime
from workers.times import OUTAGE, QUIET, after_failed_run, jitter

UNITS = gauge(
    "replylog_quota_units",
    "Units of its quota that all mailboxes of a provider together spent in the last minute",
    ["provider"],
)

OPERATOR_PAUSE = timedelta(minutes=15)
PROJECT = f"{LIMIT}project"
DAY = f"{SETUP}{causes.PROJECT_QUOTA}"
SPREAD = timedelta(minutes=1)  # over which everybody comes back
MINUTE = timedelta(minutes=1)
LOOK_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Rest:
    """How long, why (`crm.store.limits`), and whether all mailboxes of the provider rest."""

    span: timedelta
    by: str
    everyone: bool = False


def rest_after(error: Exception, mailbox: Mailbox) -> Rest:
    """What a mailbox needs after a run that failed so. A limit is counted."""
    before = mailbox.failed_runs
    if isinstance(error, Operator):
        whole = error.cause == causes.PROJECT_QUOTA
        if whole:
            LIMITS.labels(mailbox.provider, "day").inc()
        return Rest(OPERATOR_PAUSE, SETUP + error.cause, whole)
    if isinstance(error, Limited):
        LIMITS.labels(mailbox.provider, error.shape).inc()
        return Rest(after_failed_run(error.after, before), LIMIT + error.shape, error.everyone)
    after, longest = (error.after, OUTAGE) if isinstance(error, Retry) else (None, QUIET)
    return Rest(after_failed_run(after, before, longest), ERROR + type(error).__name__)


def block_everyone(runtime: Runtime, provider: str, until: datetime, by: str) -> None:
    """A limit of our whole project: nobody asks the provider before `until`."""
    after: int | None = 0
    while after is not None:
        with runtime.database.begin() as conn:
            after = limits.block_all(conn, provider, until, by, runtime.clock(), after)


def spread(by: str) -> timedelta:
    """How much later than `blocked_until` a mailbox comes back, so that not all do at once."""
    return SPREAD - jitter(SPREAD, 1.0) if by in (PROJECT, DAY) else timedelta()


class Project:
    """The timetable's look at what all mailboxes of Gmail have spent together: short of the limit of
    our project all of them wait a minute. Each sees to its own limit (`providers.budget`)."""

    def __init__(self, running: Runtime) -> None:
        self._running = running
        self._look_at: datetime | None = None

    def look_due(self, now: datetime) -> None:
        if self._look_at is not None and self._look_at - LOOK_EVERY <= now < self._look_at:
            return
        with self._running.database.read() as conn:
            units = runs.spent_since(conn, "gmail", now - MINUTE)
        UNITS.labels("gmail").set(units)
        self._look_at = now + LOOK_EVERY
        if units >= self._running.project_units:
            LIMITS.labels("gmail", "project-budget").inc()
            block_everyone(self._running, "gmail", now + MINUTE, PROJECT)
            self._look_at = now + MINUTE
