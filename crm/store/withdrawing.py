"""Un-logging: e-mails that the rules would not have let into the thread in which they turn out to be.

Of them no more is kept than of any refused message: the journal's rows of their copies.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from crm.model import VerdictKind
from crm.store import sql
from crm.store.accounts import Digests
from crm.store.outbox import tell_all
from crm.store.rejudging import Rules
from crm.tables import (
    Email,
    EmailContact,
    EmailReference,
    JournalReference,
    JournalRow,
    Sighting,
)

TOPIC = "email.withdrawn"
_COPIES = (
    select(
        Sighting.id,
        Sighting.email_id,
        JournalRow.id.label("journal_id"),
    )
    .join(
        JournalRow,
        (JournalRow.mailbox_id == Sighting.mailbox_id)
        & (JournalRow.provider_id == Sighting.provider_id),
    )
    .where(sql.held(Sighting), sql.held(JournalRow), sql.among(Sighting.email_id))
    .order_by(Sighting.id)
)
_REFERENCES = (
    select(EmailReference.email_id, EmailReference.message_id)
    .where(sql.held(EmailReference), sql.among(EmailReference.email_id))
    .order_by(EmailReference.id)
)
_STANDING = (
    select(EmailContact.email_id, EmailContact.contact_id)
    .where(sql.held(EmailContact), sql.among(EmailContact.email_id))
    .order_by(EmailContact.contact_id)
)


def withdraw(
    conn: Connection,
    account_id: int,
    refused: Mapping[int, Rules],
    keyed: Digests,
    now: datetime,
) -> None:
    """Take e-mails off all timelines. Their copies are refused, each with its rule, and may be judged
    again like any refused message."""
    for some in sql.chunks(sorted(refused)):
        values = {"account": account_id, "some": some}
        copies = conn.execute(_COPIES, values).all()
        references = conn.execute(_REFERENCES, values).all()
        standing = conn.execute(_STANDING, values).all()
        for copy in copies:
            _refuse(conn, account_id, copy.journal_id, refused[copy.email_id][copy.id][0], now)
        _refer(conn, account_id, copies, references, keyed)
        conn.execute(delete(Email).where(Email.account_id == account_id, Email.id.in_(some)))
        events = {f"{TOPIC}:{email_id}": _told(email_id, standing) for email_id in some}
        tell_all(conn, account_id, TOPIC, events, now)


def _refuse(conn: Connection, account_id: int, journal_id: int, rule: str, now: datetime) -> None:
    conn.execute(
        update(JournalRow)
        .where(JournalRow.account_id == account_id, JournalRow.id == journal_id)
        .values(
            verdict=VerdictKind.REFUSED,
            rule=rule,
            email_id=None,
            decided_at=now,
            turned_by=(),
            withdrawals=JournalRow.withdrawals + 1,
        )
    )


def _refer(
    conn: Connection,
    account_id: int,
    copies: Sequence[Any],
    references: Sequence[Any],
    keyed: Digests,
) -> None:
    named: dict[int, list[str]] = {}
    for row in references:
        named.setdefault(row.email_id, []).append(keyed.of(row.message_id))
    rows = [
        {"account_id": account_id, "journal_id": copy.journal_id, "digest": digest}
        for copy in copies
        for digest in named.get(copy.email_id, ())
    ]
    sql.add_missing(conn, JournalReference, rows)


def _told(email_id: int, standing: Sequence[Any]) -> sql.Row:
    on = [row.contact_id for row in standing if row.email_id == email_id]
    return {"email_id": email_id, "contact_ids": on}
