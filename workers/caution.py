"""Reading on after a run that died: one message at a time, each named before it is read.

Only one cautious run at a time works in a process: of two, nobody could tell which one's message
ended it. The others come back a little later.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import structlog

from crm.columns import key
from crm.database import OperationalError
from crm.history import What
from crm.model import Ref
from crm.store import deaths, files, history, settle
from crm.store.again import FATAL
from crm.store.deaths import FILE, MESSAGE
from crm.store.outcomes import Later, Run
from infra.metrics import counter
from workers.runtime import Runtime

log = structlog.get_logger(__name__)

DEATHS = counter("replylog_run_deaths_total", "Runs whose process died or hung, found by the next")
SET_ASIDE = counter(
    "replylog_messages_set_aside_total",
    "Messages and files that are left alone because reading them ended a process three times",
)

ALONE = threading.Lock()  # held by the process's one cautious run
SECOND_CHANCE = timedelta(seconds=20)  # after which what was set aside is read once more
SOON = timedelta(seconds=1)  # when the others come back
ENOUGH = 600  # messages read without harm, more than any listing's page: what was fatal is passed


class Caution:
    """What a run does about the deaths before it. Without any, nothing."""

    def __init__(self, runtime: Runtime, run: Run) -> None:
        self._runtime = runtime
        self._run = run
        self._read = 0
        self.on = run.mailbox.deaths > 0

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """While a run works; False where it must come back later."""
        if not self.on:
            yield True
        elif ALONE.acquire(blocking=False):
            try:
                yield True
            finally:
                ALONE.release()
        else:
            yield False

    def begin(self) -> None:
        """Set aside what was in hand in too many deaths."""
        mailbox = self._run.mailbox
        if not self.on:
            return
        DEATHS.inc()
        log.warning("the last run died", mailbox=mailbox.id, deaths=mailbox.deaths)
        with self._runtime.database.read() as conn:
            before = deaths.was_set_aside(conn, mailbox)
        if before or deaths.is_fatal(mailbox):
            self._set_aside(mailbox.suspect, before)

    def _set_aside(self, suspect: str, before: bool) -> None:
        """Leave it alone. A message is read once more by itself, later and alone: where processes are
        killed often for other reasons, a harmless one may have been in hand each time. One that was set
        aside `before` waits for a person."""
        mailbox, now = self._run.mailbox, self._runtime.clock()
        is_file = suspect.startswith(FILE)
        log.error("set aside", mailbox=mailbox.id, file=is_file)
        next_at = None if before else now + SECOND_CHANCE
        outcome = Later(Ref(suspect.removeprefix(MESSAGE)), FATAL, "WorkerDied", next_at)
        with self._runtime.database.begin() as conn:
            settle.commit(conn, self._run, [] if is_file else [outcome], now)
            if is_file:
                files.end_one(conn, mailbox.account_id, int(suspect.removeprefix(FILE)))
            deaths.put_down(conn, mailbox, self._run.lease, suspect)
            facts = {"file": is_file, "before": before}
            history.note(conn, mailbox.account_id, mailbox.id, What.SET_ASIDE, now, **facts)
        SET_ASIDE.inc(not before)

    @contextmanager
    def message(self, ref: Ref, fatal: bool = False) -> Iterator[None]:
        """While a message is read and settled. `fatal`: it once was, so caution is due anyhow."""
        with self._holding(MESSAGE + key(ref.id), fatal):
            yield

    @contextmanager
    def file(self, file_id: int) -> Iterator[None]:
        """While a file is read and kept."""
        with self._holding(f"{FILE}{file_id}", False):
            yield

    @contextmanager
    def _holding(self, what: str, fatal: bool) -> Iterator[None]:
        if not (self.on or fatal):
            yield
            return
        mailbox, lease = self._run.mailbox, self._run.lease
        with self._runtime.database.begin() as conn:
            deaths.take_in_hand(conn, mailbox, lease, what)
        try:
            yield
        except Exception:
            with suppress(OperationalError), self._runtime.database.begin() as conn:
                deaths.let_go(conn, mailbox, lease)
            raise
        with self._runtime.database.begin() as conn:
            deaths.put_down(conn, mailbox, lease, what)
        self._read += 1
        if self._read >= ENOUGH:
            self.end()

    def end(self) -> None:
        """All is read, or so much that what was fatal is passed."""
        if self.on:
            with self._runtime.database.begin() as conn:
                deaths.calm(conn, self._run.mailbox, self._run.lease)
            self.on = False
