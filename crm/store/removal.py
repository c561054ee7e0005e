"""Removing people, and with them the e-mails that stood on nobody else's timeline."""

from sqlalchemy import Connection, delete, exists, select

from crm.database import alone
from crm.store import sql
from crm.store.contacts import NoSuchContact
from crm.tables import Contact, Email, EmailContact, Thread


def remove_contact(conn: Connection, account_id: int, contact_id: int) -> None:
    """Remove a contact, its addresses, and the logged e-mails that stand on its timeline alone.

    Their journal rows stay, so they are not logged once more. Raises NoSuchContact.
    """
    alone(conn, account_id)
    theirs = conn.scalars(
        select(EmailContact.email_id).where(
            EmailContact.account_id == account_id, EmailContact.contact_id == contact_id
        )
    ).all()
    gone = delete(Contact).where(Contact.account_id == account_id, Contact.id == contact_id)
    if not conn.execute(gone).rowcount:
        raise NoSuchContact
    elsewhere = exists().where(
        EmailContact.account_id == account_id, EmailContact.email_id == Email.id
    )
    for some in sql.chunks(sorted(theirs)):
        conn.execute(
            delete(Email).where(Email.account_id == account_id, Email.id.in_(some), ~elsewhere)
        )
    inhabited = exists().where(Email.account_id == account_id, Email.thread_id == Thread.id)
    conn.execute(delete(Thread).where(Thread.account_id == account_id, ~inhabited))
