"""A connected mailbox as the rest of the program sees it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from crm.model import MailboxKind, MailboxStatus
from crm.spending import NOTHING, Spent
from crm.tables import Mailbox as Table

SKEW = timedelta(minutes=1)  # that our machines' clocks may differ by
PROVIDER_MOVED = "provider-moved"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox, without its tokens. Times are aware; None where there was nothing yet."""

    id: int
    account_id: int
    user_id: int | None
    address: str
    provider: str
    kind: MailboxKind
    status: MailboxStatus
    cause: str
    claims: str  # what the next sign-in must prove, in the provider's words; "" for nothing
    stopped_at: datetime | None  # since when it waits for its owner
    subject: str
    own_addresses: frozenset[str]
    cursor: str
    settled_at: datetime | None
    last_synced_at: datetime | None
    blocked_until: datetime | None
    renew_at: datetime | None
    watch_problem: str  # a cause of the provider; "" for none
    watch_due_at: datetime | None
    unwatched_since: datetime | None
    label: str  # the log label that was made there, or tried
    label_problem: str  # a cause of the provider, or `crm.store.labels.NOT_YET`; "" for none
    label_due_at: datetime | None
    wake_at: datetime | None
    moved_to: str  # the provider that DNS names now; "" where that is no other
    audit_due_at: datetime | None
    created_at: datetime
    blocked_by: str = ""  # see `crm.store.limits`
    blocked_since: datetime | None = None
    failed_runs: int = 0  # in a row
    deaths: int = 0  # see `crm.store.deaths`
    suspect: str = ""
    suspect_deaths: int = 0
    owed_since: datetime | None = None  # see `crm.store.owed`
    owed_began: datetime | None = None
    owed_places: tuple[str, ...] = ()
    repairs: int = 0
    hidden_rules: tuple[str, ...] = ()  # whose actions the provider does not show
    spent: Spent = NOTHING  # lately, of the provider's limit

    @property
    def reason(self) -> str:
        """Why its owner should connect it again: a cause of `providers.causes`, "" for no reason. A
        mailbox that has moved is read on meanwhile."""
        return PROVIDER_MOVED if self.moved_to else self.cause

    def rests(self, now: datetime) -> bool:
        """Whether its provider must not be asked now. What begins only after now was stored by a clock
        that was put back since: the provider says again what it still wants."""
        if self.blocked_until is None or (self.blocked_since and self.blocked_since > now + SKEW):
            return False
        return self.blocked_until > now

    def lag_seconds(self, now: datetime) -> int | None:
        """How long ago the time lies up to which all mail is settled; None where nobody reads it."""
        if self.status is not MailboxStatus.CONNECTED:
            return None
        return max(0, int((now - (self.settled_at or self.created_at)).total_seconds()))


COLUMNS = (
    Table.id,
    Table.account_id,
    Table.user_id,
    Table.address,
    Table.provider,
    Table.kind,
    Table.status,
    Table.cause,
    Table.claims,
    Table.stopped_at,
    Table.subject,
    Table.own_addresses,
    Table.cursor,
    Table.settled_at,
    Table.last_synced_at,
    Table.blocked_until,
    Table.renew_at,
    Table.watch_problem,
    Table.watch_due_at,
    Table.unwatched_since,
    Table.label,
    Table.label_problem,
    Table.label_due_at,
    Table.wake_at,
    Table.moved_to,
    Table.audit_due_at,
    Table.created_at,
    Table.blocked_by,
    Table.blocked_since,
    Table.failed_runs,
    Table.deaths,
    Table.suspect,
    Table.suspect_deaths,
    Table.owed_since,
    Table.owed_began,
    Table.owed_places,
    Table.repairs,
    Table.hidden_rules,
    Table.spent,
)


def mailbox_of(row: Row[Any]) -> Mailbox:
    """The mailbox in a row of `COLUMNS`."""
    values = row._asdict()
    return Mailbox(
        **values
        | {
            "kind": MailboxKind(values["kind"]),
            "status": MailboxStatus(values["status"]),
            "own_addresses": frozenset(values["own_addresses"]),
            "owed_places": tuple(values["owed_places"]),
            "hidden_rules": tuple(values["hidden_rules"]),
            "spent": Spent.read(values["spent"]),
        }
    )
