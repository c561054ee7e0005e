"""Ticked e-mails of a user and the messages that they answer directly (switch `log_parent`)."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import aliased

from crm.columns import key
from crm.model import Direction
from crm.store import sql
from crm.subjects import base_subject
from crm.tables import Email, EmailReference, Mailbox, Sighting

TICKS = ("sent-crm", "sent-bcc", "sent-label")  # somebody said that this very e-mail be logged
_Before = aliased(EmailReference)
_ANSWERED = (  # rows of a reference are written in the order of `Headers.answers`
    select(EmailReference.message_id, Email.subject)
    .join(Email, Email.id == EmailReference.email_id)
    .join(Sighting, Sighting.email_id == Email.id)
    .join(Mailbox, Mailbox.id == Sighting.mailbox_id)
    .where(
        sql.held(EmailReference),
        sql.held(Email),
        sql.among(EmailReference.message_id),
        sql.held(Sighting),
        sql.held(Mailbox),
        Mailbox.user_id == bindparam("user"),
        Sighting.direction == Direction.OUTGOING,
        Sighting.rule.in_(TICKS),
        Sighting.carries,
        ~exists().where(
            sql.held(_Before),
            _Before.email_id == EmailReference.email_id,
            _Before.id < EmailReference.id,
        ),
    )
)


def answered_by(
    conn: Connection, account_id: int, user_id: int | None, message_ids: Collection[str]
) -> dict[str, frozenset[str]]:
    """Those of `message_ids` that a ticked e-mail of this user answers directly, with the base
    subjects of those answers."""
    wanted = {key(each): each for each in message_ids if each}
    if user_id is None or not wanted:
        return {}
    found: dict[str, set[str]] = {}
    for some in sql.chunks(sorted(wanted)):
        values = {"account": account_id, "user": user_id, "some": some}
        for message_id, subject in conn.execute(_ANSWERED, values):
            found.setdefault(wanted[message_id], set()).add(base_subject(subject))
    return {message_id: frozenset(subjects) for message_id, subjects in found.items()}
