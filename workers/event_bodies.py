"""What an event says to a program: ids as they were when it happened, and what the API would say of
them now to a key without the scope `restricted`.

Nothing of mail is kept in the outbox: it is read when the event is posted. An e-mail that not
everyone may see, or that is gone, is told of by its ids alone.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from crm import shapes
from crm.database import Connection
from crm.store import contacts, mailboxes, timeline
from crm.store.deliveries import Due
from crm.store.outbox import Payload
from crm.store.timeline import EmailRow
from crm.store.visibility import Viewer
from providers import causes

Data: TypeAlias = dict[str, Any]


def event_id(number: int) -> str:
    """The `webhook-id` of an event: the same with every try and at every endpoint."""
    return f"evt_{number}"


def body(conn: Connection, due: Due) -> Data:
    """The whole body of a post."""
    shape = _SHAPES.get(due.topic)
    data = shape(conn, due.account_id, due.payload) if shape else dict(due.payload)
    return {"type": due.topic, "timestamp": due.told_at.isoformat(), "data": data}


def email(row: EmailRow) -> Data:
    """A logged e-mail as on a timeline of the API."""
    told = shapes.email(row)
    sender, sent, logged = (told.pop(name) for name in ("sender", "sent_at", "logged_at"))
    return {**told, "from": sender, "sent_at": sent.isoformat(), "logged_at": logged.isoformat()}


def _logged(conn: Connection, account_id: int, told: Payload) -> Data:
    ids = {"email_id": told["email_id"], "contact_ids": told["contact_ids"]}
    found = timeline.email(conn, Viewer(account_id), told["email_id"])
    return {**ids, "email": None if found is None else email(found.email)}


def _contact(conn: Connection, account_id: int, told: Payload) -> Data:
    found = contacts.contact(conn, account_id, told["contact_id"])
    if found is None:
        return {**told, "contact": None}
    shaped = {
        "id": found.id,
        "name": found.name,
        "emails": list(found.addresses),
        "company_id": found.company.id if found.company else None,
    }
    return {**told, "contact": shaped}


def _mailbox(conn: Connection, account_id: int, told: Payload) -> Data:
    found = mailboxes.mailbox(conn, account_id, told["mailbox_id"])
    if found is None:
        return {**told, "mailbox": None}
    shaped = {
        "id": found.id,
        "address": found.address,
        "provider": found.provider,
        "kind": found.kind.value,
        "status": found.status.value,
        "reason": causes.explain(found.reason).sentence if found.reason else None,
    }
    return {**told, "mailbox": shaped}


def _refused(conn: Connection, account_id: int, told: Payload) -> Data:
    found = mailboxes.mailbox(conn, account_id, told["mailbox_id"])
    return {**told, "mailbox": None if found is None else found.address}


_SHAPES: dict[str, Callable[[Connection, int, Payload], Data]] = {
    "email.logged": _logged,
    "email.refused": _refused,
    "contact.created": _contact,
    "mailbox.connected": _mailbox,
    "mailbox.reconnect": _mailbox,
}
