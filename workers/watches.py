"""Watches of one mailbox, and what is followed in it, looked at when due or when somebody asks.

A watch that cannot be had is no reason to stop reading: the mailbox is then asked by the timetable
until the watch is back. What keeps it away is shown to its owner, and asked again after a pause.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zlib import crc32

import structlog

from crm.database import OperationalError
from crm.model import Folder, WatchState
from crm.store import mailboxes, watching
from crm.store.mailboxes import LeaseLost, Mailbox
from infra.metrics import counter
from providers.client import Limited, MailClient, Operator, ProviderError, Reconnect, Retry
from workers import lapses
from workers.following import follow
from workers.queue import Ask, QueueDown, Subscription
from workers.runtime import Runtime
from workers.times import FIRST_WAIT, after_failure, jitter

log = structlog.get_logger(__name__)

WATCH_FAILURES = counter(
    "replylog_watch_failures_total", "Watches that could not be made or renewed", ["provider"]
)

FOLDERS_EVERY = timedelta(minutes=10)  # nothing announces a changed inbox rule
# Gmail asks for a daily renewal, whatever the expiry says; at Graph it shows what was removed.
LONGEST = timedelta(days=1)
AGAIN = timedelta(minutes=5)
ENOUGH = timedelta(minutes=10)  # for which a renewal answers what Graph asks
REFUSED_AGAIN = timedelta(hours=1)  # a person must mend something first
REFUSED_WAIT = timedelta(minutes=2)  # or nobody: our address may have been away for a moment

Asked = Mapping[Ask, datetime]


def refresh(runtime: Runtime, mailbox: Mailbox, token: str, client: MailClient) -> bool:
    """Read rules and folders, and renew what is past half its life, where that is due.

    False where the folders could not be read. They stay due then, and the caller must not move the
    mailbox's settled time: a folder that is found to be followed is listed from that time on.
    """
    now = runtime.clock()
    asked: Asked = {}
    with suppress(QueueDown):
        asked = runtime.queue.take_rewatch(mailbox.id)
    if not asked and mailbox.renew_at is not None and mailbox.renew_at > now:
        return True
    known, limit = False, None
    try:
        folders = follow(runtime, mailbox, token, client)
        known = True
        due = Keeping(runtime, mailbox, client, asked).keep(folders)
    except (Reconnect, LeaseLost, OperationalError):
        _keep(runtime, mailbox, asked)
        raise
    except Exception as error:  # noqa: BLE001 - mail can be read all the same
        _failed(mailbox, error, "no watch" if known else "no folders")
        limit = error if isinstance(error, Limited) else None
        owed = min(now, mailbox.renew_at or now)  # what is due stays so, and shows since when
        due = now + jitter(AGAIN) if known and limit is None else owed
        _keep(runtime, mailbox, asked)
    with runtime.database.begin() as conn:
        mailboxes.set_renew_at(conn, mailbox, due)
    if limit:  # nothing more may be asked now
        raise limit
    return known


def _keep(runtime: Runtime, mailbox: Mailbox, asked: Asked) -> None:
    """What was asked for could not be done: the next run finds it."""
    if asked:
        with suppress(QueueDown):
            runtime.queue.keep_rewatch(mailbox.id, asked)


def _failed(mailbox: Mailbox, error: Exception, event: str) -> None:
    cause = str(error) if isinstance(error, ProviderError) else ""
    log.warning(event, mailbox=mailbox.id, error=type(error).__name__, cause=cause)
    WATCH_FAILURES.labels(mailbox.provider).inc()


@dataclass
class Keeping:
    """The watches of one mailbox in one run."""

    runtime: Runtime
    mailbox: Mailbox
    client: MailClient
    asked: Asked

    def keep(self, folders: Sequence[Folder]) -> datetime:
        """Renew watches where one is missing or old, or all where that is asked for; when to look
        again."""
        now = self.runtime.clock()
        with self.runtime.database.read() as conn:
            stored = mailboxes.watches(conn, self.mailbox.account_id, self.mailbox.id)
        states: Sequence[WatchState] = stored
        resting = self.mailbox.watch_due_at
        all_of = self._all_of(stored)
        if resting is None or resting <= now or all_of:
            resting = None
            if all_of or self.mailbox.watch_due_at or is_due(states, folders, now):
                states, resting = self._renew(folders, states)
        latest = now + jitter(FOLDERS_EVERY if folders else LONGEST)
        if resting is not None:  # what is old cannot be renewed before then
            return min(latest, resting)
        return min([latest, *map(renewal, states)])

    def _all_of(self, states: Sequence[WatchState]) -> bool:
        """Whether all are asked for, old or not. Graph repeats that it wants to be authorised anew
        until it is, once for each subscription, and is not to be asked twice within ten minutes."""
        wanted = self.asked.keys() - {Ask.STRANGER}
        if wanted != {Ask.REAUTHORIZE}:
            return bool(wanted)
        recent = self.runtime.clock() - ENOUGH
        return any(each.made_at is None or each.made_at <= recent for each in states)

    def _renew(
        self, folders: Sequence[Folder], before: Sequence[WatchState]
    ) -> tuple[Sequence[WatchState], datetime | None]:
        """What there is then, and, where not all could be had, when to ask again."""
        now = self.runtime.clock()
        failure: Exception | None = None
        have: Sequence[WatchState] | None
        try:
            if silent := [each for each in before if each.silent]:
                self.client.unwatch(silent)
            have = self.client.watch([each for each in before if not each.silent])
        except (Reconnect, LeaseLost, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - told below; mail can be read all the same
            _failed(self.mailbox, error, "no watch")
            failure, have = error, error.have if isinstance(error, ProviderError) else None
        after = before if have is None else [_suspected(each, before) for each in have]
        story = lapses.Story(self.mailbox, before, after, now)
        ended = () if have is None else story.ended(self._pushed(before), self.asked)
        with self.runtime.database.begin() as conn:
            if have is not None:
                mailboxes.set_watches(conn, self.mailbox, after, None, now)
            story.tell(conn, ended, failure, watched(folders))
            again = None if failure is None else now + _pause(failure, story.missing_since, now)
            watching.set_trouble(
                conn, self.mailbox, lapses.problem_of(failure), story.missing_since, again
            )
        if isinstance(failure, Limited):
            raise failure
        if have is None:
            return before, again
        with suppress(QueueDown):  # the web side then asks the database
            self._remember(before, after)
        return [replace(each, made_at=now) for each in after], again

    def _pushed(self, states: Sequence[WatchState]) -> dict[str, datetime]:
        with suppress(QueueDown):
            return self.runtime.queue.pushed(self.mailbox.id, [each.resource for each in states])
        return {}

    def _remember(self, before: Sequence[WatchState], after: Sequence[WatchState]) -> None:
        """Tell the web side of new announcements at once: they may come before it asks, or after it
        was told of another mailbox at the address, or of none."""
        queue, mailbox = self.runtime.queue, self.mailbox
        held = {(each.resource, each.provider_id) for each in before if not each.silent}
        kept = [each.resource for each in after if (each.resource, each.provider_id) in held]
        made = [each.resource for each in after if each.resource not in kept]
        queue.expect(mailbox.id, made, kept)
        if any(not state.provider_id for state in after):
            with self.runtime.database.read() as conn:
                same = [mailbox_id for _, mailbox_id in mailboxes.by_address(conn, mailbox.address)]
            queue.remember_gmail(mailbox.address, same)
        for state in after:
            if state.provider_id and state.secret:
                digest = mailboxes.secret_digest(state.secret)
                known = Subscription(mailbox.id, digest, state.resource)
                queue.remember_subscription(state.provider_id, known)


def _suspected(state: WatchState, before: Sequence[WatchState]) -> WatchState:
    """`state` with what was thought of it before, unless it is made anew."""
    same = (
        each
        for each in before
        if (each.resource, each.provider_id) == (state.resource, state.provider_id)
    )
    held = next(same, None)
    return replace(state, silent_since=held.silent_since) if held and not held.silent else state


def _pause(failure: Exception, missing_since: datetime | None, now: datetime) -> timedelta:
    """Until a watch is asked for again: while one is missing, as long again as it has been so."""
    if isinstance(failure, Retry) and failure.after is not None:
        return after_failure(failure.after, attempts=0)
    told = isinstance(failure, Operator)
    first, longest = (REFUSED_WAIT, REFUSED_AGAIN) if told else (FIRST_WAIT, AGAIN)
    if missing_since is None:
        return jitter(longest)
    return jitter(min(max(now - missing_since, first), longest))


def watched(folders: Sequence[Folder]) -> set[str]:
    """The folders that are to have a watch of their own; none where all of a mailbox has one."""
    return {folder.id for folder in folders if folder.reason != "junk"}


def is_due(states: Sequence[WatchState], folders: Sequence[Folder], now: datetime) -> bool:
    """Whether a followed folder has no watch, one is left over, silent, or near half its life."""
    wanted = watched(folders)
    if not states or (wanted and wanted != {state.resource for state in states}):
        return True
    return any(state.silent or renewal(state) <= now for state in states)


def renewal(state: WatchState) -> datetime:
    """When to renew a watch: before half its life, at a moment of its own, so that watches that were
    made together do not march in step."""
    if state.made_at is None:
        return state.expires_at
    life = min((state.expires_at - state.made_at) / 2, LONGEST)
    own = f"{state.provider_id} {state.resource} {state.made_at.timestamp()}"
    return state.made_at + life * (0.8 + 0.2 * crc32(own.encode()) / 2**32)
