"""Asks the provider whether a consent still holds, because somebody said that something happened to
it. What was said only words the cause better."""

from contextlib import suppress

import structlog

from crm.model import MailboxStatus
from crm.store import connecting
from crm.store.mailboxes import Mailbox
from providers import causes
from providers.client import ProviderError, Reconnect
from workers.queue import QueueDown
from workers.runtime import Runtime

log = structlog.get_logger(__name__)


def heard(runtime: Runtime, mailbox: Mailbox | None) -> None:
    """What an event says of a mailbox that has stopped: it words the cause better, or the consent
    holds again, which is tried once."""
    if mailbox is None or mailbox.status is not MailboxStatus.RECONNECT:
        return
    with suppress(QueueDown):
        event = runtime.queue.take_check(mailbox.id)
        if causes.may_be_over(mailbox.cause, event):
            _try_again(runtime, mailbox, event)
            return
        cause = causes.after_event(mailbox.cause, event)
        if cause != mailbox.cause:
            with runtime.database.begin() as conn:
                reworded = (mailbox.account_id, mailbox.id, mailbox.cause, cause)
                connecting.reword(conn, *reworded)


def _try_again(runtime: Runtime, mailbox: Mailbox, event: str) -> None:
    try:
        runtime.renew(mailbox)
    except Reconnect:
        return
    except ProviderError:  # the next event, or whatever else rings it, tries again
        runtime.queue.keep_check(mailbox.id, event)
        return
    with runtime.database.begin() as conn:
        resumed = connecting.resume(conn, mailbox.account_id, mailbox.id, runtime.clock())
    if resumed:
        log.info("the provider lets us in again", mailbox=mailbox.id)
        runtime.queue.wake(mailbox.id)


def check(runtime: Runtime, mailbox: Mailbox) -> None:
    """Renew the mailbox's token where an event asked for it. Raises Reconnect, Retry or Operator."""
    event = ""
    with suppress(QueueDown):
        event = runtime.queue.take_check(mailbox.id)
    if not event:
        return
    try:
        runtime.renew(mailbox)
    except Reconnect as error:
        cause = causes.after_event(error.cause, event)
        raise Reconnect(cause, error.detail, error.claims) from None
    except ProviderError:
        with suppress(QueueDown):  # the mailbox's next run asks again
            runtime.queue.keep_check(mailbox.id, event)
        raise
