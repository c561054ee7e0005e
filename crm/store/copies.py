"""Copies of logged e-mails in mailboxes, and what they make of the e-mail together.

Which copy came first must not be seen. So the best of those that the rules let in says what the
e-mail is: the sender's own before any other, then one that a user forwarded to be logged, then the
one that arrived first.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, select, update

from crm.model import Direction, Headers, Kind, MailboxKind, Place, Verdict
from crm.rules.forwarded import FORWARDED
from crm.store import sql
from crm.store.mailbox_rows import Mailbox
from crm.tables import Email, Sighting, Thread
from crm.tables import Mailbox as MailboxTable

_CARRYING = (
    select(
        Sighting.email_id,
        Sighting.direction,
        Sighting.kind,
        Sighting.rule,
        Sighting.received_at,
        Sighting.provider_id,
        MailboxTable.address,
        Sighting.owner_id,
        MailboxTable.kind.label("mailbox_kind"),
    )
    .join(MailboxTable, MailboxTable.id == Sighting.mailbox_id)
    .where(
        sql.held(Sighting),
        sql.held(MailboxTable),
        sql.among(Sighting.email_id),
        Sighting.carries,
    )
)
_ALL = select(Sighting.email_id, Sighting.carries).where(
    sql.held(Sighting), sql.among(Sighting.email_id)
)
_EMAILS = (
    select(
        Email.id,
        Email.direction,
        Email.kind,
        Email.rule,
        Email.received_at,
        Email.identity,
        Thread.id.label("thread_id"),
        Thread.root_identity,
        Thread.owner_id,
        Thread.team,
    )
    .join(Thread, Thread.id == Email.thread_id)
    .where(sql.held(Email), sql.held(Thread), sql.among(Email.id))
    .order_by(Email.id)
)
_WAYS = (Direction.OUTGOING, Direction.FORWARDED, Direction.INCOMING)  # what users did counts first
Best = Any  # a row of _CARRYING


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a logged e-mail. `rule` lets it in (`carries`), or refuses it."""

    email_id: int
    headers: Headers
    kind: Kind
    rule: str
    carries: bool
    owner_id: int | None


def owner(mailbox: Mailbox, verdict: Verdict) -> int | None:
    """The user whose e-mail a copy makes it: nobody's where it is a team's."""
    if mailbox.kind is MailboxKind.TEAM:
        return None
    return verdict.owner_id or mailbox.user_id


def direction(headers: Headers, rule: str) -> Direction:
    """Which way a message went, as this copy has it."""
    if rule == FORWARDED:
        return Direction.FORWARDED
    sent = headers.place is Place.SENT or rule.startswith("sent-")
    return Direction.OUTGOING if sent else Direction.INCOMING


def write(conn: Connection, mailbox: Mailbox, copies: Sequence[Copy]) -> None:
    """Store copies seen in a mailbox; what is said of one later replaces what was said before."""
    rows = {
        each.headers.ref.id: {
            "account_id": mailbox.account_id,
            "email_id": each.email_id,
            "mailbox_id": mailbox.id,
            "provider_id": each.headers.ref.id,
            "provider_thread": each.headers.ref.thread,
            "sender": each.headers.sender.address,
            "sent_at": each.headers.sent_at,
            "received_at": each.headers.received_at,
            "direction": direction(each.headers, each.rule),
            "kind": each.kind,
            "rule": each.rule,
            "carries": each.carries,
            "owner_id": each.owner_id,
        }
        for each in copies
    }
    if rows:
        conn.execute(_newest(conn.dialect.name), list(rows.values()))


@cache
def _newest(dialect: str) -> sql.Insert:
    statement = sql.insert_into(dialect, Sighting)
    named = ("email_id", "direction", "kind", "rule", "carries", "owner_id")
    return statement.on_conflict_do_update(
        index_elements=[Sighting.mailbox_id, Sighting.provider_id],
        set_={name: statement.excluded[name] for name in named},
    )


def refresh(conn: Connection, account_id: int, email_ids: Collection[int]) -> set[int]:
    """Other copies carry these e-mails than before: say of each what the best of them says. Gives
    the threads that have another owner by that."""
    given: set[int] = set()
    best = carried_by(conn, account_id, email_ids)
    for some in sql.chunks(sorted(best)):
        for email in conn.execute(_EMAILS, {"account": account_id, "some": some}).all():
            copy = best[email.id]
            says = {
                "direction": copy.direction,
                # An invitation within the body is no matter of copies, nor told by their headers.
                "kind": email.kind if email.kind == Kind.CALENDAR else copy.kind,
                "rule": copy.rule,
                "received_at": copy.received_at,
            }
            if any(getattr(email, name) != value for name, value in says.items()):
                theirs = (Email.account_id == account_id) & (Email.id == email.id)
                conn.execute(update(Email).where(theirs).values(says))
            if email.identity == email.root_identity and _given(conn, account_id, email, copy):
                given.add(email.thread_id)
    return given


def carried_by(conn: Connection, account_id: int, email_ids: Collection[int]) -> dict[int, Best]:
    """The best copy of each e-mail that has any."""
    best: dict[int, Best] = {}
    for some in sql.chunks(sorted(email_ids)):
        for copy in conn.execute(_CARRYING, {"account": account_id, "some": some}):
            old = best.get(copy.email_id)
            if old is None or _rank(copy) < _rank(old):
                best[copy.email_id] = copy
    return best


def uncarried(conn: Connection, account_id: int, email_ids: Collection[int]) -> set[int]:
    """Those of these e-mails of which the rules let no copy in any more."""
    found: dict[int, bool] = {}
    for some in sql.chunks(sorted(email_ids)):
        for email_id, carries in conn.execute(_ALL, {"account": account_id, "some": some}):
            found[email_id] = carries or found.get(email_id, False)
    return {email_id for email_id, carried in found.items() if not carried}


def _rank(copy: Best) -> tuple[int, datetime, str, str]:
    return (
        _WAYS.index(copy.direction),
        copy.received_at,
        copy.address,
        copy.provider_id,
    )


def _given(conn: Connection, account_id: int, email: Any, copy: Best) -> bool:
    """Give a thread to the user in whose mailbox the best copy of its root is."""
    team = copy.mailbox_kind == "team"
    if (email.owner_id, email.team) == (copy.owner_id, team):
        return False
    theirs = (Thread.account_id == account_id) & (Thread.id == email.thread_id)
    conn.execute(update(Thread).where(theirs).values(owner_id=copy.owner_id, team=team))
    return True
