"""Mails to people about their mailboxes: that one stopped, once for each stop.

A mail is one more delivery of the event `mailbox.reconnect`: to the mailbox's owner, and to the
account's admins. It is sent at least once: where a server took it but its answer was lost, or a
worker died before it noted so, it is sent again, with the same Message-ID.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

from crm.database import Connection
from crm.model import MailboxStatus
from crm.store import accounts, mailboxes
from crm.store.accounts import User
from crm.store.connecting import RECONNECT_TOPIC
from crm.store.deliveries import Due
from crm.store.mailboxes import Mailbox
from crm.store.outbox import Event
from crm.topics import PAUSED
from infra.mailer import Mailer, NotSent
from providers import causes
from workers import paused_notices
from workers.destination import Destination, NotDelivered
from workers.runtime import Runtime

ADMIN_ROLES = frozenset({"admin", "super-admin"})


def _targets(
    conn: Connection, account_id: int, events: Sequence[Event]
) -> Iterator[tuple[int, int]]:
    """The owner of each mailbox that stopped, and the admins, by user id; of a webhook the admins."""
    stops = [each for each in events if each.topic == RECONNECT_TOPIC]
    paused = [each for each in events if each.topic == PAUSED]
    if not (stops or paused):
        return
    users = [user for user in accounts.users(conn, account_id) if user.active]
    for event in stops:
        found = mailboxes.mailbox(conn, account_id, event.payload["mailbox_id"])
        for user in users:
            if found and (user.id == found.user_id or user.role in ADMIN_ROLES):
                yield event.id, user.id
    for event in paused:
        yield from ((event.id, each.id) for each in users if each.role in ADMIN_ROLES)


def _send(running: Runtime, due: Due) -> None:
    """Send it, unless it is true no longer."""
    if running.mailer is None:
        return
    if due.topic == PAUSED:
        with running.database.read() as conn:
            message = paused_notices.message(conn, running.mailer, due)
    else:
        message = _of_stop(running, running.mailer, due)
    try:
        if message is not None:
            running.mailer.send(message)
    except NotSent as failure:
        raise NotDelivered(failure.error) from None


def _of_stop(running: Runtime, mailer: Mailer, due: Due) -> EmailMessage | None:
    """None where it is true no longer: the mailbox was connected again, or stopped anew."""
    with running.database.read() as conn:
        mailbox = mailboxes.mailbox(conn, due.account_id, due.payload["mailbox_id"])
        user = accounts.user(conn, due.account_id, due.target)
        owner = (
            accounts.user(conn, due.account_id, mailbox.user_id)
            if mailbox and mailbox.user_id
            else None
        )
    if mailbox is None or user is None or not user.active or not _still_true(mailbox, due):
        return None
    return _message(mailer, mailbox, user, owner, due)


def _still_true(mailbox: Mailbox, due: Due) -> bool:
    if due.payload.get("cause") == causes.PROVIDER_MOVED:
        return bool(mailbox.moved_to)
    return mailbox.status is MailboxStatus.RECONNECT and mailbox.stopped_at == due.told_at


def _message(
    mailer: Mailer, mailbox: Mailbox, user: User, owner: User | None, due: Due
) -> EmailMessage:
    own = user.id == mailbox.user_id
    message = EmailMessage()
    message["To"] = user.address
    message["Subject"] = f"Reconnect {mailbox.address}" if own else _title(mailbox)
    message["Date"] = format_datetime(due.told_at)
    host = urlsplit(mailer.public_url).hostname
    message["Message-ID"] = f"<reconnect-{due.event_id}-{user.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    cause = causes.explain(str(due.payload.get("cause", "")))
    lines = _to_owner if own else _to_admin
    message.set_content("\n\n".join(lines(mailer, mailbox, owner, cause, due.told_at)) + "\n")
    return message


def _title(mailbox: Mailbox) -> str:
    moves = mailbox.status is MailboxStatus.CONNECTED
    return f"{mailbox.address} {'must be reconnected' if moves else 'stopped'}"


def _to_owner(
    mailer: Mailer, mailbox: Mailbox, _owner: User | None, cause: causes.Cause, at: datetime
) -> Iterator[str]:
    reads_on = mailbox.status is MailboxStatus.CONNECTED
    what = "is still read, but not for long" if reads_on else f"stopped on {_time(at)}"
    yield f"{mailbox.address} {what}. {cause.sentence}"
    yield cause.action
    yield f"Reconnect: {mailer.public_url}/mailboxes/{mailbox.id}/reconnect"
    if not reads_on:
        yield causes.promise(cause)
    yield "This is sent once each time a mailbox stops."


def _to_admin(
    mailer: Mailer, mailbox: Mailbox, owner: User | None, cause: causes.Cause, at: datetime
) -> Iterator[str]:
    whose = f", the mailbox of {owner.name or owner.address}," if owner else ""
    reads_on = mailbox.status is MailboxStatus.CONNECTED
    what = "is still read, but not for long" if reads_on else f"stopped on {_time(at)}"
    yield f"{mailbox.address}{whose} {what}. {cause.sentence}"
    if cause.admin:
        yield f"It needs an administrator. {cause.action}"
    yield (
        "Its owner was told and can reconnect it." if owner else "It has no owner to reconnect it."
    )
    yield f"All mailboxes: {mailer.public_url}/mailboxes"


def _time(at: datetime) -> str:
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"


MAIL = Destination("mail", _targets, _send, there=lambda running: running.mailer is not None)
