"""What the rules say of the copies of logged e-mails whose thread is another than it was.

Only what depends on the thread is asked again, of what is stored: no mailbox is read for it, and a
copy that its owner has deleted since counts as ever.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from crm.model import Address, Context, Direction, Headers, Period, Place, Ref, Root
from crm.rules.decide import decide
from crm.rules.registry import BY_THREAD
from crm.store import mailboxes, sql
from crm.store.context import Contexts, load_context
from crm.tables import Email, EmailPerson, EmailReference, Sighting

Rules = dict[int, tuple[str, bool]]  # by copy: the rule, and whether it lets the copy in

_ALWAYS = Period(datetime(1, 1, 1, tzinfo=UTC))
_COPIES = (
    select(
        Sighting.id,
        Sighting.email_id,
        Sighting.mailbox_id,
        Sighting.provider_id,
        Sighting.direction,
        Sighting.received_at,
        Sighting.sent_at,
        Sighting.rule,
        Sighting.carries,
        Email.message_id,
        Email.subject,
    )
    .join(Email, Email.id == Sighting.email_id)
    .where(sql.held(Sighting), sql.held(Email), sql.among(Sighting.email_id))
    .order_by(Sighting.id)
)
_PEOPLE = (
    select(EmailPerson.email_id, EmailPerson.role, EmailPerson.address, EmailPerson.name)
    .where(sql.held(EmailPerson), sql.among(EmailPerson.email_id))
    .order_by(EmailPerson.email_id, EmailPerson.position)
)
_ANSWERS = (
    select(EmailReference.email_id, EmailReference.message_id)
    .where(sql.held(EmailReference), sql.among(EmailReference.email_id))
    .order_by(EmailReference.id)
)


class Judge:
    """Judges the copies of some logged e-mails by the thread that they are said to belong to."""

    def __init__(self, conn: Connection, account_id: int, email_ids: Collection[int]) -> None:
        self._conn = conn
        self._account_id = account_id
        self.answers = _answers(conn, account_id, email_ids)
        self._copies = _by_email(conn, account_id, _COPIES, email_ids)
        self._people = _by_email(conn, account_id, _PEOPLE, email_ids)
        self._contexts: dict[int, Contexts] = {}

    def rules(self, email_id: int, root: Root | None) -> Rules:
        """What the rules say of each copy of an e-mail in the thread of `root`."""
        return {copy.id: self._judged(copy, root) for copy in self._copies.get(email_id, ())}

    def were(self, email_id: int) -> Rules:
        """What they said before."""
        return {copy.id: (copy.rule, copy.carries) for copy in self._copies.get(email_id, ())}

    def _judged(self, copy: Row[Any], root: Root | None) -> tuple[str, bool]:
        listed = copy.direction == Direction.OUTGOING and copy.rule == "never-log"
        if listed or copy.rule not in BY_THREAD:
            return copy.rule, copy.carries
        headers = self._headers(copy)
        verdict = decide(headers, self._context(copy.mailbox_id, headers, root))
        return verdict.rule, verdict.logged

    def _context(self, mailbox_id: int, headers: Headers, root: Root | None) -> Context:
        """What was asked of the message itself was answered when it was read."""
        known = self._of(mailbox_id).of(headers)
        return replace(
            known,
            roots={} if root is None else dict.fromkeys(headers.answers, root),
            connected=(_ALWAYS,),
            switches=replace(known.switches, skip_automatic=False),
        )

    def _of(self, mailbox_id: int) -> Contexts:
        if mailbox_id not in self._contexts:
            mailbox = mailboxes.mailbox(self._conn, self._account_id, mailbox_id)
            assert mailbox is not None  # its sightings go with it
            copies = (copy for of in self._copies.values() for copy in of)
            headers = [self._headers(copy) for copy in copies if copy.mailbox_id == mailbox_id]
            self._contexts[mailbox_id] = load_context(self._conn, mailbox, headers)
        return self._contexts[mailbox_id]

    def _headers(self, copy: Row[Any]) -> Headers:
        people: dict[str, list[Address]] = {}
        for one in self._people.get(copy.email_id, ()):
            people.setdefault(one.role, []).append(Address(one.address, one.name))
        sent = copy.direction == Direction.OUTGOING
        return Headers(
            ref=Ref(copy.provider_id),
            place=Place.SENT if sent else Place.FOLLOWED,
            received_at=copy.received_at,
            sender=people.get("from", [Address("")])[0],
            message_id=copy.message_id,
            in_reply_to=self.answers.get(copy.email_id, ()),
            subject=copy.subject,
            sent_at=copy.sent_at,
            to=tuple(people.get("to", ())),
            cc=tuple(people.get("cc", ())),
            bcc=tuple(people.get("bcc", ())),
        )


def _answers(
    conn: Connection, account_id: int, email_ids: Collection[int]
) -> dict[int, tuple[str, ...]]:
    found = _by_email(conn, account_id, _ANSWERS, email_ids)
    return {email_id: tuple(row.message_id for row in rows) for email_id, rows in found.items()}


def _by_email(
    conn: Connection, account_id: int, query: Any, email_ids: Collection[int]
) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for some in sql.chunks(sorted(email_ids)):
        for row in conn.execute(query, {"account": account_id, "some": some}):
            found.setdefault(row.email_id, []).append(row)
    return found
