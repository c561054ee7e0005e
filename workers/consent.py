"""Asks the provider whether a consent still holds, because somebody said that something happened to
it. What was said only words the cause better."""

from contextlib import suppress

from crm.model import MailboxStatus
from crm.store import connecting
from crm.store.mailboxes import Mailbox
from providers import causes
from providers.client import ProviderError, Reconnect
from workers.queue import QueueDown
from workers.runtime import Runtime


def reword(runtime: Runtime, mailbox: Mailbox | None) -> None:
    """An event may come after the mailbox has stopped: it words the cause better then."""
    if mailbox is None or mailbox.status is not MailboxStatus.RECONNECT:
        return
    with suppress(QueueDown):
        cause = causes.after_event(mailbox.cause, runtime.queue.take_check(mailbox.id))
        if cause != mailbox.cause:
            with runtime.database.begin() as conn:
                reworded = (mailbox.account_id, mailbox.id, mailbox.cause, cause)
                connecting.reword(conn, *reworded)


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
