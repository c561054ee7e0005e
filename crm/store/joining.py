"""Entries that turn out to be one e-mail: a copy came that is the same as each of them."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, literal, select, update

from crm.store import sql
from crm.store.context import FIRST
from crm.store.outbox import tell
from crm.store.threads import remove_empty
from crm.tables import (
    Email,
    EmailAssociation,
    EmailContact,
    Enrolment,
    JournalRow,
    Sighting,
)

TOPIC = "email.joined"


def join(
    conn: Connection, account_id: int, same: Iterable[set[int]], now: datetime
) -> dict[int, int]:
    """Make one of the e-mails of each set. Gives the e-mails that are left, by those that are gone;
    threads must be mended for their Message-ID."""
    joined: dict[int, int] = {}
    for ids in same:
        current = {joined.get(each, each) for each in ids}
        query = select(Email.id, Email.thread_id).where(
            Email.account_id == account_id, Email.id.in_(current)
        )
        rows = conn.execute(query.order_by(*FIRST)).all()
        keep = rows[0].id if rows else 0
        for each in (row.id for row in rows[1:]):
            _move(conn, account_id, each, keep)
            joined = {old: keep if to == each else to for old, to in joined.items()}
            joined[each] = keep
            payload = {"email_id": each, "joined": keep}
            tell(conn, account_id, TOPIC, f"{TOPIC}:{each}", payload, now)
        remove_empty(conn, account_id, [row.thread_id for row in rows[1:]])
    return joined


def _move(conn: Connection, account_id: int, gone: int, keep: int) -> None:
    for table in (Sighting, JournalRow):
        theirs = (table.account_id == account_id) & (table.email_id == gone)
        conn.execute(update(table).where(theirs).values(email_id=keep))
    ended = (Enrolment.account_id == account_id) & (Enrolment.ended_by == gone)
    conn.execute(update(Enrolment).where(ended).values(ended_by=keep))
    on = select(literal(account_id), literal(keep), EmailContact.contact_id).where(
        EmailContact.account_id == account_id, EmailContact.email_id == gone
    )
    missing = sql.insert(conn, EmailContact).from_select(
        ["account_id", "email_id", "contact_id"], on
    )
    conn.execute(missing.on_conflict_do_nothing())
    hung = (EmailAssociation.account_id == account_id) & (EmailAssociation.email_id == gone)
    for company_id, deal_id in conn.execute(
        select(EmailAssociation.company_id, EmailAssociation.deal_id).where(hung)
    ).all():
        row = {"account_id": account_id, "email_id": keep}
        sql.add_missing(
            conn, EmailAssociation, [row | {"company_id": company_id, "deal_id": deal_id}]
        )
    conn.execute(delete(Email).where(Email.account_id == account_id, Email.id == gone))
