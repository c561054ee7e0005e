"""What a run found out about each message of a batch, for `crm.store.settle.commit`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from crm.model import Headers, Kind, Message, Place, Ref, Root, Verdict
from crm.spending import Spent
from crm.store.mailbox_rows import Mailbox
from infra.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Logged:
    """The rules let it in, and it was read whole. `turned_by`: see `crm.rules.turns`."""

    verdict: Verdict
    message: Message
    kind: Kind
    turned_by: tuple[str, ...] = ()

    @property
    def ref(self) -> Ref:
        return self.message.headers.ref


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule refused it; `headers` is None where the listing alone decided. `root` is that of the
    thread by which it was judged."""

    ref: Ref
    place: Place | None
    headers: Headers | None
    rule: str
    turned_by: tuple[str, ...] = ()
    root: Root | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A copy of an e-mail that is logged already (rule `duplicate`). `verdict` lets this copy in by
    itself."""

    headers: Headers
    email_id: int
    verdict: Verdict
    turned_by: tuple[str, ...] = ()

    @property
    def ref(self) -> Ref:
        return self.headers.ref


@dataclass(frozen=True, slots=True)
class Later:
    """It could not be settled now. `error` is the class of the error, never its text; `next_at`
    None gives up: a person must look."""

    ref: Ref
    reason: str
    error: str
    next_at: datetime | None


Outcome: TypeAlias = Logged | Refused | Seen | Later


@dataclass(frozen=True, slots=True)
class Run:
    """A run over a mailbox: the token of its lease, how long each commit renews that for, the
    secrets that the account's digests take, and what it has `spent` of its provider's limit (None:
    that is not counted)."""

    mailbox: Mailbox
    lease: str
    ttl: timedelta
    secrets: Secrets
    spent: Callable[[], Spent | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Committed:
    """Ids of the e-mails that are new on timelines, the mailboxes to wake (messages in them are to
    be judged again), and before when the provider must not be asked any more."""

    email_ids: tuple[int, ...] = ()
    woken: frozenset[int] = frozenset()
    blocked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A message that is due to be judged (again)."""

    ref: Ref
    reason: str
    attempts: int
