"""The account's log label in one mailbox: made once, and looked for once a day from then on.

A mailbox without it is read all the same: what went wrong stands on the Mailboxes page, in words.
"""

from datetime import timedelta

import structlog

from crm.database import OperationalError
from crm.model import MailboxKind
from crm.store import settings as account_settings
from crm.store.labels import NOT_YET, Label, set_label
from crm.store.mailboxes import Mailbox
from providers.client import Limited, MailClient, Operator, Reconnect
from workers.runtime import Runtime
from workers.times import jitter

log = structlog.get_logger(__name__)

DAILY = timedelta(days=1)  # one that its owner deleted comes back, and not at once
AGAIN = timedelta(hours=1)  # somebody may have made it by hand meanwhile


def ensure_label(runtime: Runtime, mailbox: Mailbox, client: MailClient) -> None:
    """Make the label where it is due: after connecting, when it has another name, once a day."""
    now = runtime.clock()
    with runtime.database.read() as conn:
        name = account_settings.settings_of(conn, mailbox.account_id).log_label
    is_due = mailbox.label != name or mailbox.label_due_at is None or mailbox.label_due_at <= now
    if not is_due or not name or mailbox.kind is not MailboxKind.PERSONAL:
        return
    problem = _problem(mailbox, name, client)
    due_at = now + jitter(AGAIN if problem else DAILY)
    with runtime.database.begin() as conn:
        set_label(conn, mailbox, Label(name, problem, due_at))


def _problem(mailbox: Mailbox, name: str, client: MailClient) -> str:
    """Why the label cannot be had, '' where it can."""
    try:
        client.ensure_label(name)
    except (OperationalError, Limited):
        raise
    except (Reconnect, Operator) as error:  # if it concerns more, the next listing says so too
        log.info("no label", mailbox=mailbox.id, cause=error.cause)
        return error.cause
    except Exception as error:  # noqa: BLE001 - mail can be read all the same
        log.warning("no label", mailbox=mailbox.id, error=type(error).__name__)
        return NOT_YET
    return ""
