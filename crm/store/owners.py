"""Whose logged e-mails are: those of a thread belong to the user who began it."""

from collections.abc import Collection

from sqlalchemy import Connection, select, update

from crm.store import sql
from crm.store.visibility import defaults
from crm.tables import Email, Thread

_OTHERS = (
    select(Email.id, Email.owner_id, Email.visibility, Thread.owner_id.label("owner"))
    .join(Thread, Thread.id == Email.thread_id)
    .where(
        sql.held(Email),
        sql.held(Thread),
        sql.among(Thread.id),
        Thread.owner_id.is_not(None),
        Email.owner_id.is_distinct_from(Thread.owner_id),
    )
    .order_by(Email.id)
)


def give(conn: Connection, account_id: int, thread_ids: Collection[int]) -> None:
    """Give the e-mails of these threads to the threads' owners. Where nobody has decided who may see
    an e-mail, the new owner's default holds."""
    for some in sql.chunks(sorted(thread_ids)):
        rows = conn.execute(_OTHERS, {"account": account_id, "some": some}).all()
        given = defaults(
            conn, account_id, {each for row in rows for each in (row.owner_id, row.owner)}
        )
        for row in rows:
            decided = row.visibility != given[row.owner_id]
            values = {
                "owner_id": row.owner,
                "visibility": row.visibility if decided else given[row.owner],
            }
            its = (Email.account_id == account_id) & (Email.id == row.id)
            conn.execute(update(Email).where(its).values(values))
