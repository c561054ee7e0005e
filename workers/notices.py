"""Mails to people about their mailboxes: that one stopped, once for each stop.

A mail is one more delivery of the event `mailbox.reconnect`: to the mailbox's owner at once, and to
the account's admins, who get at most one in a quarter of an hour: it names all that stopped. It is
sent at least once: where a server took it but its answer was lost, or a worker died before it noted
so, it is sent again, with the same Message-ID.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import urlsplit

from crm.database import Connection
from crm.model import MailboxStatus
from crm.store import accounts, deliveries, mailboxes
from crm.store.accounts import User
from crm.store.connecting import RECONNECT_TOPIC
from crm.store.deliveries import Due
from crm.store.mailboxes import Mailbox
from crm.store.outbox import Event
from crm.topics import PAUSED
from infra.mailer import Mailer, NotSent
from providers import causes
from workers import paused_notices
from workers.destination import Destination, NotDelivered, Target
from workers.runtime import Runtime

NAME = "mail"
ADMIN_ROLES = frozenset({"admin", "super-admin"})
GATHERED = timedelta(seconds=5)  # what stops meanwhile is told in the same mail
APART = timedelta(minutes=15)  # mails to an admin about stops; all mailboxes are asked in ten
NAMED = 20  # addresses for each cause


def _targets(
    conn: Connection, account_id: int, events: Sequence[Event], now: datetime
) -> Iterator[Target]:
    """The owner of each mailbox that stopped, and the admins, by user id; of a webhook the admins.
    Admins are told of stops together: many mailboxes may stop for one reason."""
    stops = [each for each in events if each.topic == RECONNECT_TOPIC]
    paused = [each for each in events if each.topic == PAUSED]
    if not (stops or paused):
        return
    users = [user for user in accounts.users(conn, account_id) if user.active]
    admins = [user.id for user in users if user.role in ADMIN_ROLES]
    last = deliveries.last_tries(conn, account_id, NAME, admins)
    for event in stops:
        found = mailboxes.mailbox(conn, account_id, event.payload["mailbox_id"])
        for user in users if found else ():
            if found and user.id == found.user_id:
                yield Target(event.id, user.id, now)
            elif user.role in ADMIN_ROLES:
                yield Target(event.id, user.id, _with_others(last.get(user.id), now))
    for event in paused:
        yield from (Target(event.id, each, now) for each in admins)


def _with_others(last: datetime | None, now: datetime) -> datetime:
    """When to write to somebody who was written to last at that time."""
    soon = now + GATHERED
    return soon if last is None else max(soon, min(last, now) + APART)


def _send(running: Runtime, some: Sequence[Due]) -> None:
    """Send it, unless it is true no longer."""
    if running.mailer is None:
        return
    if some[0].topic == PAUSED:
        with running.database.read() as conn:
            message = paused_notices.message(conn, running.mailer, some[0])
    else:
        message = _of_stops(running, running.mailer, some)
    try:
        if message is not None:
            running.mailer.send(message)
    except NotSent as failure:
        raise NotDelivered(failure.error) from None


@dataclass(frozen=True, slots=True)
class Stop:
    """A mailbox that is to be connected again, as an event told it."""

    due: Due
    mailbox: Mailbox
    owner: User | None

    @property
    def cause(self) -> causes.Cause:
        return causes.explain(str(self.due.payload.get("cause", "")))

    @property
    def reads_on(self) -> bool:
        return self.mailbox.status is MailboxStatus.CONNECTED


def _of_stops(running: Runtime, mailer: Mailer, some: Sequence[Due]) -> EmailMessage | None:
    """None where nothing of it is true any more: the mailboxes were connected again, or stopped
    anew."""
    account_id, stops = some[0].account_id, {}
    with running.database.read() as conn:
        users = {each.id: each for each in accounts.users(conn, account_id)}
        for due in some:
            mailbox = mailboxes.mailbox(conn, account_id, due.payload["mailbox_id"])
            if mailbox is not None and _still_true(mailbox, due):
                owner = users.get(mailbox.user_id) if mailbox.user_id else None
                stops[mailbox.id] = Stop(due, mailbox, owner)
    user = users.get(some[0].target)
    if not stops or user is None or not user.active:
        return None
    return _message(mailer, user, list(stops.values()))


def _still_true(mailbox: Mailbox, due: Due) -> bool:
    if due.payload.get("cause") == causes.PROVIDER_MOVED:
        return bool(mailbox.moved_to)
    return mailbox.status is MailboxStatus.RECONNECT and mailbox.stopped_at == due.told_at


def _message(mailer: Mailer, user: User, stops: Sequence[Stop]) -> EmailMessage:
    first = stops[0]
    own = all(each.mailbox.user_id == user.id for each in stops)
    message = EmailMessage()
    message["To"] = user.address
    message["Subject"] = f"Reconnect {_named(stops)}" if own else _title(stops)
    message["Date"] = format_datetime(first.due.told_at)
    host = urlsplit(mailer.public_url).hostname
    events = "-".join(str(each.due.event_id) for each in stops)
    name = events if len(stops) == 1 else f"{len(stops)}-{sha256(events.encode()).hexdigest()[:20]}"
    message["Message-ID"] = f"<reconnect-{name}-{user.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    if len(stops) > 1:
        lines = _of_many(mailer, user, stops)
    else:
        lines = (_to_owner if own else _to_admin)(mailer, first)
    message.set_content("\n\n".join(lines) + "\n")
    return message


def _named(stops: Sequence[Stop]) -> str:
    return stops[0].mailbox.address if len(stops) == 1 else f"{len(stops)} mailboxes"


def _title(stops: Sequence[Stop]) -> str:
    moves = any(each.reads_on for each in stops)
    return f"{_named(stops)} {'must be reconnected' if moves else 'stopped'}"


def _to_owner(mailer: Mailer, stop: Stop) -> Iterator[str]:
    what = "is still read, but not for long" if stop.reads_on else _since(stop)
    yield f"{stop.mailbox.address} {what}. {stop.cause.sentence}"
    yield stop.cause.action
    yield f"Reconnect: {mailer.public_url}/mailboxes/{stop.mailbox.id}/reconnect"
    if not stop.reads_on:
        yield causes.promise(stop.cause)
    yield "This is sent once each time a mailbox stops."


def _to_admin(mailer: Mailer, stop: Stop) -> Iterator[str]:
    owner = stop.owner
    whose = f", the mailbox of {owner.name or owner.address}," if owner else ""
    what = "is still read, but not for long" if stop.reads_on else _since(stop)
    yield f"{stop.mailbox.address}{whose} {what}. {stop.cause.sentence}"
    if stop.cause.admin:
        yield f"It needs an administrator. {stop.cause.action}"
    yield (
        "Its owner was told and can reconnect it." if owner else "It has no owner to reconnect it."
    )
    yield f"All mailboxes: {mailer.public_url}/mailboxes"


def _of_many(mailer: Mailer, user: User, stops: Sequence[Stop]) -> Iterator[str]:
    """One paragraph for each cause, the most frequent first."""
    yield f"{len(stops)} mailboxes wait to be connected again."
    by_cause: dict[causes.Cause, list[Stop]] = defaultdict(list)
    for each in stops:
        by_cause[each.cause].append(each)
    for cause, some in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        addresses = ", ".join(each.mailbox.address for each in some[:NAMED])
        more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
        yield f"{cause.sentence} {cause.action}\n{addresses}{more}"
    own = [each.mailbox for each in stops if each.mailbox.user_id == user.id]
    if own:
        links = (f"{mailer.public_url}/mailboxes/{each.id}/reconnect" for each in own[:NAMED])
        yield "\n".join(("Reconnect yours:", *links))
    if len(own) < len(stops):
        yield "Owners were told and can reconnect their mailboxes."
    yield f"All mailboxes: {mailer.public_url}/mailboxes"


def _since(stop: Stop) -> str:
    at = stop.due.told_at
    return f"stopped on {at.day} {at:%B %Y} at {at:%H:%M} UTC"


MAIL = Destination(
    NAME,
    _targets,
    _send,
    there=lambda running: running.mailer is not None,
    together=frozenset({RECONNECT_TOPIC}),
)
