"""The daily look at who hosts a mailbox's mail: has its domain moved to another provider?

Asks DNS once for a domain, however many mailboxes it has. What its answers mean is in `crm.moves`.
"""

from datetime import datetime, timedelta

import structlog

from crm.history import What
from crm.store import moving
from infra.metrics import counter, gauge
from providers.hosts import Host
from workers.runtime import Runtime
from workers.times import jitter

log = structlog.get_logger(__name__)

ANSWERS = counter(
    "replylog_host_checks_total", "Looks at a domain's mail servers, by whom they name", ["host"]
)
MOVES = counter(
    "replylog_provider_moves_total", "Mailboxes whose domain moved, by what was noted", ["what"]
)
WAITING = gauge(
    "replylog_mailboxes_moved", "Mailboxes that wait to be connected with their new provider"
)

MOST_DUE = 200  # mailboxes a tick
AT_ONCE = 5  # look-ups a tick: the timetable has other duties, and a look-up may take two seconds
PAUSE = timedelta(seconds=30)  # after one that was not answered: DNS may be down
COUNTED_EVERY = timedelta(minutes=1)


class Moved:
    """Steps of the daily check, for the timetable."""

    def __init__(self, running: Runtime) -> None:
        self._running = running
        self._not_before: datetime | None = None
        self._counted_at: datetime | None = None

    def check_due(self) -> int:
        """Look up some of the domains that are due; how many."""
        now = self._running.clock()
        self._count(now)
        if self._not_before is not None and now < self._not_before:
            return 0
        with self._running.database.read() as conn:
            due = moving.due(conn, now, MOST_DUE)
        domains = list(dict.fromkeys(domain for _, domain in due))[:AT_ONCE]
        for number, domain in enumerate(domains, start=1):
            host = self._running.host_of(f"postmaster@{domain}")
            ANSWERS.labels(host.value).inc()
            for account_id in (account for account, theirs in due if theirs == domain):
                self._note(account_id, domain, host, now)
            if host is Host.UNKNOWN:
                self._not_before = now + PAUSE
                return number
        return len(domains)

    def _note(self, account_id: int, domain: str, host: Host, now: datetime) -> None:
        with self._running.database.begin() as conn:
            news = moving.answered(conn, account_id, domain, host.value, now, _share())
        for each in news:
            MOVES.labels(each.what.value).inc()
            loud = log.warning if each.what is What.MOVED else log.info
            loud("who hosts a mailbox", mailbox=each.mailbox_id, what=each.what.value)

    def _count(self, now: datetime) -> None:
        if self._counted_at is None or now - self._counted_at >= COUNTED_EVERY:
            self._counted_at = now
            with self._running.database.read() as conn:
                WAITING.set(moving.moved(conn))


def _share() -> float:
    """By how much a wait is shortened, as `jitter` does it."""
    return jitter(timedelta(seconds=1)) / timedelta(seconds=1)
