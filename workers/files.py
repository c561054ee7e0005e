"""Reads the files of logged e-mails into the place where files are kept.

The e-mail is on its timeline already. Whatever goes wrong here concerns a file: it is tried again
later, ever more rarely, and in the end named as not available. Bytes are put before the row that
names them is written, so a worker killed between the two leaves a file that nobody names
(`workers.sweep`), and never a row that names nothing.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from crm.database import Connection, OperationalError
from crm.model import AccountSettings, Content, FileState
from crm.rules.files import most_bytes, next_look
from crm.store import again, file_copies, files, settle
from crm.store.files import Due
from crm.store.settings import settings_of
from crm.store.settle import LeaseLost, Run
from infra.blobs import Blob, TooLarge, Unavailable
from infra.metrics import counter
from providers.client import Gone, Limited, MailClient, ProviderError, Retry
from workers.caution import Caution
from workers.queue import QueueDown
from workers.runtime import Runtime, Stopped
from workers.times import after_failure, jitter

log = structlog.get_logger(__name__)

FILES = counter(
    "replylog_files_total", "Files of logged e-mails, by what became of them", ["state"]
)

AT_ONCE = 10  # files that are asked of the database in one go
ROUNDS = 20  # of those in one run; the rest waits for the next
MOST_ATTEMPTS = 18  # about nine hours of them
PAUSE = timedelta(minutes=1)  # where no file can be read for the moment
NOT_A_FILES = (LeaseLost, OperationalError, Stopped, Unavailable, ProviderError)


class Stop(Exception):
    """No more files can be read now: the provider or the place where they are kept is away."""


@dataclass
class Files:
    """Reads what is due in one mailbox. `go_on` raises where the run is to end."""

    runtime: Runtime
    run: Run
    client: MailClient
    go_on: Callable[[], None]
    caution: Caution | None = None
    give_way: Callable[[], None] = lambda: None  # after each file

    def read_due(self) -> datetime | None:
        """Read files until none is due; when to go on, None where nothing is left."""
        stopped = False
        try:
            for _ in range(ROUNDS):
                if not self._read_some():
                    break
        except Stop:
            stopped = True
        with self.runtime.database.read() as conn:
            following = files.next_due(conn, self.run.mailbox)
        if stopped and following:
            return max(following, self.runtime.clock() + jitter(PAUSE))
        return following

    def _read_some(self) -> int:
        mailbox = self.run.mailbox
        with self.runtime.database.read() as conn:
            due = files.due(conn, mailbox, self.runtime.clock(), AT_ONCE)
            settings = settings_of(conn, mailbox.account_id) if due else AccountSettings()
        looked_at: set[int] = set()  # e-mails of placeholders: all of one are seen to together
        for each in due:
            self.go_on()
            if each.state is not FileState.PENDING or each.email_id not in looked_at:
                with self.caution.file(each.id) if self.caution else nullcontext():
                    self._one(each, settings)
                self.give_way()
            if each.state is FileState.PENDING:
                looked_at.add(each.email_id)
        return len(due)

    def _one(self, due: Due, settings: AccountSettings) -> None:
        """Whatever becomes of a file, it is not due any more after this."""
        try:
            if not settings.log_attachments:
                self._end(due, FileState.OFF)
            elif due.state is FileState.PENDING:
                self._look_again(due, settings)
            else:
                self._fetch(due, most_bytes(settings))
        except Gone:
            self._gone(due)
        except Retry as error:
            if error.after is not None or isinstance(
                error, Limited
            ):  # a limit of the whole mailbox; asking on would renew it
                raise
            self._failed(due, error)
            raise Stop from error
        except Unavailable as error:
            log.warning("files cannot be kept", mailbox=self.run.mailbox.id, error=str(error))
            self._later(
                due, counts=due.attempts + 1 < MOST_ATTEMPTS
            )  # that is not the file's fault
            raise Stop from error

    def _fetch(self, due: Due, most: int) -> None:
        if not due.known:
            self._find(due)
            return
        try:
            blob = self._read(due, most)
        except TooLarge:
            self._end(due, FileState.TOO_LARGE)
        except Gone:
            self._find(due)
        except NOT_A_FILES:
            raise
        except Exception as error:
            name = type(error).__name__
            log.exception("file not read", mailbox=self.run.mailbox.id, error=name)
            self._failed(due, error)
        else:
            self._keep(due, blob)

    def _read(self, due: Due, most: int) -> Blob:
        def pieces() -> Generator[bytes]:
            with closing(self.client.attachment(due.ref, due.part)) as source:
                for piece in source:
                    self.go_on()
                    yield piece

        with closing(pieces()) as held:
            return self.runtime.blobs.put(due.account_id, held, most)

    def _keep(self, due: Due, blob: Blob) -> None:
        with self._committing() as conn:
            # A sweep may have had the same bytes on its list. It holds the account's lock, as we do.
            if not self.runtime.blobs.has(due.account_id, blob.digest):
                raise Unavailable("swept away")
            files.keep(conn, due, blob.digest, blob.size)
        FILES.labels(FileState.STORED).inc()

    def _find(self, due: Due) -> None:
        """What the part is called in this copy of the e-mail; it is read in the next round."""
        if due.attempts >= MOST_ATTEMPTS:
            raise Gone
        message = self.client.message(due.ref)
        with self._committing() as conn:
            found = file_copies.found_again(conn, due, message)
        if not found:
            raise Gone

    def _look_again(self, due: Due, settings: AccountSettings) -> None:
        """The files in place of a placeholder, where they are there by now."""
        message = self.client.message(due.ref)
        scanned = any(each.content is Content.SCANNED for each in message.attachments)
        again = next_look(due.logged_at, due.attempts + 1) if scanned else None
        with self._committing() as conn:
            if not scanned:
                files.replace(conn, due, message, settings, self.runtime.clock())
            elif again:
                files.later(conn, due, again, counts=True)
        if scanned and not again:
            self._end(due, FileState.UNAVAILABLE)

    def _gone(self, due: Due) -> None:
        """Another mailbox may have the same e-mail still."""
        now = self.runtime.clock()
        with self._committing() as conn:
            others = file_copies.gone(conn, due, now)
            woken = again.wake(conn, due.account_id, others, now)
        if not others:
            FILES.labels(FileState.UNAVAILABLE).inc()
        with suppress(QueueDown):  # the timetable rings them: `wake` wrote their wake_at
            if elsewhere := woken - {due.mailbox_id}:
                self.runtime.queue.wake(*elsewhere)

    def _failed(self, due: Due, error: Exception) -> None:
        if due.attempts + 1 >= MOST_ATTEMPTS:
            log.warning("file given up", mailbox=self.run.mailbox.id, error=type(error).__name__)
            self._end(due, FileState.UNAVAILABLE)
        else:
            self._later(due, counts=due.state is not FileState.PENDING)  # there, looks are counted

    def _later(self, due: Due, counts: bool) -> None:
        next_at = self.runtime.clock() + after_failure(None, due.attempts)
        with self._committing() as conn:
            files.later(conn, due, next_at, counts)

    def _end(self, due: Due, state: FileState) -> None:
        with self._committing() as conn:
            ended = files.end(conn, due, state)
        FILES.labels(state).inc(ended)

    @contextmanager
    def _committing(self) -> Iterator[Connection]:
        """A transaction that is undone when another run has the mailbox by now."""
        with self.runtime.database.begin() as conn:
            settle.commit(conn, self.run, (), self.runtime.clock())
            yield conn
