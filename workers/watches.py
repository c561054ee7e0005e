"""Followed folders and watches of one mailbox, looked at when they are due or when somebody asks.

A watch that cannot be had is no reason to stop reading: the mailbox is then asked by the timetable
until the watch is back.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from crm.database import OperationalError
from crm.model import Folder, WatchState
from crm.store import mailboxes, runs, settings
from crm.store.mailboxes import LeaseLost, Mailbox
from infra.metrics import counter
from providers.client import CursorExpired, MailClient, ProviderError, Reconnect
from workers.queue import QueueDown, Subscription
from workers.runtime import Runtime
from workers.times import half_life, jitter

log = structlog.get_logger(__name__)

WATCH_FAILURES = counter(
    "replylog_watch_failures_total", "Watches that could not be made or renewed", ["provider"]
)

FOLDERS_EVERY = timedelta(minutes=10)  # nothing announces a changed inbox rule
UNFOLLOWED = 2 * FOLDERS_EVERY  # a rule may be that old, and the provider's clock behind ours
LONGEST = timedelta(days=1)  # Gmail asks for a daily renewal, whatever the expiry says
AGAIN = timedelta(minutes=5)


def refresh(runtime: Runtime, mailbox: Mailbox, token: str, client: MailClient) -> bool:
    """Read rules and folders, and renew what is past half its life, where that is due.

    False where the folders could not be read. They stay due then, and the caller must not move the
    mailbox's settled time: a folder that is found to be followed is listed from that time on.
    """
    now = runtime.clock()
    asked = False
    with suppress(QueueDown):
        asked = runtime.queue.take_rewatch(mailbox.id)
    if not asked and mailbox.renew_at is not None and mailbox.renew_at > now:
        return True
    known = False
    try:
        folders = _follow(runtime, mailbox, token, client)
        known = True
        due = _watch(runtime, mailbox, folders, client, asked)
    except (Reconnect, LeaseLost, OperationalError):
        raise
    except Exception as error:  # noqa: BLE001 - mail can be read all the same
        _failed(mailbox, error, "no watch" if known else "no folders")
        due = now + jitter(AGAIN) if known else now
        if asked:
            with suppress(QueueDown):
                runtime.queue.keep_rewatch(mailbox.id)
    with runtime.database.begin() as conn:
        mailboxes.set_renew_at(conn, mailbox, due)
    return known


def _failed(mailbox: Mailbox, error: Exception, event: str) -> None:
    cause = str(error) if isinstance(error, ProviderError) else ""
    log.warning(event, mailbox=mailbox.id, error=type(error).__name__, cause=cause)
    WATCH_FAILURES.labels(mailbox.provider).inc()


def _follow(runtime: Runtime, mailbox: Mailbox, token: str, client: MailClient) -> Sequence[Folder]:
    """Make cursor and stored folders agree with the provider's rules. Not only where the rules have
    changed: a mailbox that is connected again has new folders and its old cursor."""
    folders = followed(runtime, mailbox, client)
    with runtime.database.read() as conn:
        stored = mailboxes.folders(conn, mailbox.account_id, mailbox.id)
        current = mailboxes.by_id(conn, mailbox.id)
    if current is None:
        return folders
    since = (mailbox.settled_at or mailbox.created_at) - UNFOLLOWED
    moved = current.cursor
    with suppress(CursorExpired):  # the run then lists what came, and gets a cursor for all folders
        moved = client.follow(folders, moved, since)
    if moved == current.cursor and set(folders) == set(stored):
        return folders
    with runtime.database.begin() as conn:
        runs.move_cursor(conn, mailbox, token, moved)
        mailboxes.set_folders(conn, mailbox.account_id, mailbox.id, folders)
    return folders


def followed(runtime: Runtime, mailbox: Mailbox, client: MailClient) -> Sequence[Folder]:
    """The folders that are followed now, those of the account's setting among them."""
    with runtime.database.read() as conn:
        by_hand = settings.settings_of(conn, mailbox.account_id).followed_folders
    return client.folders(by_hand)


def _watch(
    runtime: Runtime, mailbox: Mailbox, folders: Sequence[Folder], client: MailClient, all_of: bool
) -> datetime:
    """Renew watches where one is missing or old, or where `all_of` them are asked for; when to
    look again."""
    now = runtime.clock()
    with runtime.database.read() as conn:
        states = mailboxes.watches(conn, mailbox.account_id, mailbox.id)
    if all_of or is_due(states, folders, now):
        renewed = client.watch(states)
        with runtime.database.begin() as conn:
            mailboxes.set_watches(conn, mailbox, renewed, None, now)
        with suppress(QueueDown):  # the web side then asks the database
            _remember(runtime, mailbox, renewed)
        states = [replace(state, made_at=now) for state in renewed]
    latest = now + jitter(FOLDERS_EVERY if folders else LONGEST)
    return min([latest, *(half_life(state.made_at or now, state.expires_at) for state in states)])


def is_due(states: Sequence[WatchState], folders: Sequence[Folder], now: datetime) -> bool:
    """Whether a followed folder has no watch, one is left over, or one is near half its life."""
    wanted = {folder.id for folder in folders if folder.reason != "junk"}
    if not states or (wanted and wanted != {state.resource for state in states}):
        return True
    return any(_old(state, now) for state in states)


def _old(state: WatchState, now: datetime) -> bool:
    """`half_life` brings a run forward by up to a fifth; what is due then must count as old."""
    if state.made_at is None:
        return True
    life = min((state.expires_at - state.made_at) / 2, LONGEST)
    return now >= state.made_at + life * 0.8


def _remember(runtime: Runtime, mailbox: Mailbox, states: Sequence[WatchState]) -> None:
    """Tell the web side of new announcements at once: they may come before it asks, or after it
    was told of another mailbox at the address, or of none."""
    if any(not state.provider_id for state in states):
        with runtime.database.read() as conn:
            same = [mailbox_id for _, mailbox_id in mailboxes.by_address(conn, mailbox.address)]
        runtime.queue.remember_gmail(mailbox.address, same)
    for state in states:
        if state.provider_id and state.secret:
            known = Subscription(mailbox.id, mailboxes.secret_digest(state.secret))
            runtime.queue.remember_subscription(state.provider_id, known)
