"""What another setting would have meant for the messages that were looked at lately.

Counts alone, and of the whole account: who may change a switch may not read colleagues' journals.
They come from `turned_by` of the journal's rows. A row counts only where it was decided while the
switch stood as it does now, which its verdict tells: a switch that lets more in turns refusals
while it is off, and what is logged while it is on. The other switches count as they stood then.
What would follow from newly logged messages (answers to them) is not counted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.orm import aliased

from crm.model import Switches, VerdictKind
from crm.rules.turns import SWITCHES, lets_more_in
from crm.store import settings
from crm.tables import JournalRow, Mailbox

LOOK_BACK = timedelta(days=30)
_Copy = aliased(JournalRow)


@dataclass(frozen=True, slots=True)
class Preview:
    """Of the messages of the last 30 days: how many would newly have been logged with a switch the
    other way, and how many would not have been logged."""

    more: int = 0
    fewer: int = 0


def switches(conn: Connection, account_id: int, now: datetime) -> dict[str, Preview]:
    """What turning over a switch would have changed, by its name; where nothing, it is left out.
    One query over the rows that any switch turns."""
    stands = settings.settings_of(conn, account_id).switches
    by_message = (
        select(*(func.max(_turns(account_id, name, stands)).label(name) for name in SWITCHES))
        .where(
            JournalRow.account_id == account_id,
            JournalRow.decided_at >= now - LOOK_BACK,
            turned(),
        )
        .group_by(_message())
        .subquery()
    )
    query = select(*(func.sum(by_message.c[name]).label(name) for name in SWITCHES))
    found = conn.execute(query).one()._mapping
    return {
        name: Preview(more=found[name]) if lets_more_in(name, stands) else Preview(0, found[name])
        for name in SWITCHES
        if found[name]
    }


def turned(name: str = "") -> ColumnElement[bool]:
    """The journal's rows that a switch turns: this one, or any. Written as the index has it, which
    a parameter would hide."""
    any_of = JournalRow.turned_by != literal_column("''", Text)
    return and_(any_of, _names(JournalRow, name)) if name else any_of


def refused_by_list(account: int, user: int | None) -> ColumnElement[bool]:
    """The journal's rows of what a Never Log list refused, in this user's mailboxes or (None) in
    all of the account. Written as the index has it, likewise."""
    refused: ColumnElement[bool] = JournalRow.rule == literal_column("'never-log'", Text)
    if user is None:
        return refused
    theirs = select(Mailbox.id).where(Mailbox.account_id == account, Mailbox.user_id == user)
    return refused & JournalRow.mailbox_id.in_(theirs)


def never_log(conn: Connection, account_id: int, user_id: int | None, now: datetime) -> int:
    """How many messages of the last 30 days a Never Log list refused, in this user's mailboxes or
    (None) in all of the account; copies in several mailboxes count once."""
    query = select(func.count(_message().distinct())).where(
        JournalRow.account_id == account_id,
        JournalRow.decided_at >= now - LOOK_BACK,
        JournalRow.verdict == VerdictKind.REFUSED,
        refused_by_list(account_id, user_id),
    )
    return conn.scalar(query) or 0


def _turns(account_id: int, name: str, stands: Switches) -> ColumnElement[int]:
    """1 for a row by which the switch, the other way, would decide its message otherwise."""
    named = _names(JournalRow, name)
    if lets_more_in(name, stands):
        return case(((JournalRow.verdict == VerdictKind.REFUSED) & named, 1), else_=0)
    let_in = select(_Copy.email_id).where(  # another copy puts the e-mail on timelines all the same
        _Copy.account_id == account_id,
        _Copy.email_id.is_not(None),
        _Copy.verdict == VerdictKind.LOGGED,
        ~_names(_Copy, name),
    )
    logged = (JournalRow.verdict == VerdictKind.LOGGED) & JournalRow.email_id.is_not(None)
    return case((logged & named & JournalRow.email_id.not_in(let_in), 1), else_=0)


def _message() -> ColumnElement[str]:
    """What is the same for all copies of a message, as far as the journal knows."""
    return case(
        (JournalRow.message_digest != "", JournalRow.message_digest),
        (JournalRow.email_id.is_not(None), literal("email ") + cast(JournalRow.email_id, Text)),
        else_=cast(JournalRow.id, Text),
    )


def _names(table: type[JournalRow], name: str) -> ColumnElement[bool]:
    text = type_coerce(table.turned_by, Text)
    return type_coerce(text.contains(f" {name} ", autoescape=True), Boolean)
