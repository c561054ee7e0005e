"""Contacts in sequences of e-mails, until they answer (part E of the logging rules).

The reply that arrived first after an enrolment began is what ended it, whichever was logged first. An
enrolment that has ended does not go on by itself, also where that reply is logged no more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select, update

from crm.database import alone
from crm.model import Direction, Kind
from crm.store import sql
from crm.store.outbox import tell
from crm.store.people import check
from crm.tables import ContactAddress, Email, EmailPerson, Enrolment

TOPIC = "sequence.ended"
_ENROLLED = (  # contacts in sequences who wrote one of these e-mails
    select(Enrolment.contact_id)
    .join(ContactAddress, ContactAddress.contact_id == Enrolment.contact_id)
    .join(EmailPerson, EmailPerson.address == ContactAddress.address)
    .where(
        sql.held(Enrolment),
        sql.held(ContactAddress),
        sql.held(EmailPerson),
        EmailPerson.role == "from",
        sql.among(EmailPerson.email_id),
    )
    .distinct()
)
_ANSWERED = (  # enrolments with each reply that ends them, the one that arrived first first
    select(Enrolment.id, Enrolment.ended_at, Enrolment.ended_by, Email.id.label("email_id"))
    .join(ContactAddress, ContactAddress.contact_id == Enrolment.contact_id)
    .join(EmailPerson, EmailPerson.address == ContactAddress.address)
    .join(Email, Email.id == EmailPerson.email_id)
    .where(
        sql.held(Enrolment),
        sql.held(ContactAddress),
        sql.held(EmailPerson),
        sql.held(Email),
        sql.among(Enrolment.contact_id),
        or_(Enrolment.ended_at.is_(None), Enrolment.ended_by.is_not(None)),
        EmailPerson.role == "from",
        and_(Email.direction != Direction.OUTGOING, Email.kind == Kind.REPLY),
        Email.received_at >= Enrolment.began_at,
    )
    .order_by(Enrolment.id, Email.received_at, Email.identity)
)


@dataclass(frozen=True, slots=True)
class EnrolmentRow:
    """A contact's time in a sequence; `ended_by` is the reply that ended it."""

    id: int
    sequence: str
    began_at: datetime
    ended_at: datetime | None
    ended_by: int | None


def enrol(
    conn: Connection, account_id: int, contact_id: int, sequence: str, now: datetime
) -> EnrolmentRow:
    """Begin a sequence with a contact, anew where it has ended; twice is once. Raises
    NoSuchContact."""
    alone(conn, account_id)
    check(conn, account_id, contact_id)
    row = {"account_id": account_id, "contact_id": contact_id, "sequence": sequence.strip()}
    statement = sql.insert(conn, Enrolment).values(row | {"began_at": now})
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[Enrolment.contact_id, Enrolment.sequence],
            set_={"began_at": now, "ended_at": None, "ended_by": None},
            where=Enrolment.ended_at.is_not(None),
        )
    )
    theirs = listing(conn, account_id, contact_id)
    return next(each for each in theirs if each.sequence == row["sequence"])


def listing(conn: Connection, account_id: int, contact_id: int) -> list[EnrolmentRow]:
    """The sequences of a contact, the newest first."""
    table = Enrolment
    query = (
        select(table.id, table.sequence, table.began_at, table.ended_at, table.ended_by)
        .where(table.account_id == account_id, table.contact_id == contact_id)
        .order_by(table.began_at.desc(), table.id.desc())
    )
    return [EnrolmentRow(*row) for row in conn.execute(query)]


def after_logging(
    conn: Connection, account_id: int, email_ids: Collection[int], now: datetime
) -> None:
    """These e-mails are logged now: end the enrolments that they answer."""
    for some in sql.chunks(sorted(email_ids)):
        answering = conn.scalars(_ENROLLED, {"account": account_id, "some": some}).all()
        end_answered(conn, account_id, answering, now)


def end_answered(
    conn: Connection, account_id: int, contact_ids: Collection[int], now: datetime
) -> None:
    """End the enrolments of these contacts whom a logged reply shows to have answered, from whatever
    address of theirs."""
    for some in sql.chunks(sorted(contact_ids)):
        done: set[int] = set()
        for row in conn.execute(_ANSWERED, {"account": account_id, "some": some}).all():
            if row.id not in done and row.ended_by != row.email_id:
                its = (Enrolment.account_id == account_id) & (Enrolment.id == row.id)
                values = {"ended_by": row.email_id, "ended_at": row.ended_at or now}
                conn.execute(update(Enrolment).where(its).values(values))
                if row.ended_at is None:
                    _tell(conn, account_id, row.id, row.email_id, now)
            done.add(row.id)


def _tell(
    conn: Connection, account_id: int, enrolment_id: int, email_id: int, now: datetime
) -> None:
    key = f"{TOPIC}:{enrolment_id}:{now.isoformat()}"  # it may begin anew, and end again
    payload = {"enrolment_id": enrolment_id, "email_id": email_id}
    tell(conn, account_id, TOPIC, key, payload, now)
