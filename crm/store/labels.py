"""Whether a mailbox has the account's log label, the Log checkbox of people without an extension."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update

from crm.store.mailbox_rows import Mailbox
from crm.tables import Mailbox as Table

NOT_YET = (
    "not-yet"  # the provider could not be asked; every other problem is a cause of the provider
)


@dataclass(frozen=True, slots=True)
class Label:
    """`problem` is why it could not be made, '' where it is there; it is looked at again at
    `due_at`."""

    name: str
    problem: str
    due_at: datetime


def set_label(conn: Connection, mailbox: Mailbox, label: Label) -> None:
    conn.execute(
        update(Table)
        .where(Table.account_id == mailbox.account_id, Table.id == mailbox.id)
        .values(label=label.name, label_problem=label.problem, label_due_at=label.due_at)
    )
