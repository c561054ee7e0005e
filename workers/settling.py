"""Settles messages in batches: read headers, decide, read bodies of what is logged, commit.

Each message of a page ends as logged, as refused with a rule, as a further sighting of a logged
e-mail, or as a pending row; only then does the cursor move past it, in the same transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from crm.database import Connection, OperationalError
from crm.kinds import kind_of
from crm.model import Context, Headers, Original, Place, Ref, Verdict
from crm.rules.decide import decide
from crm.rules.facts import root_of
from crm.rules.forwarded import FORWARDED
from crm.rules.turns import turned_by
from crm.store import files, settle
from crm.store.again import FATAL
from crm.store.limits import LIMIT
from crm.store.settle import (
    Contexts,
    Later,
    LeaseLost,
    Logged,
    Outcome,
    PendingRow,
    Refused,
    Run,
    Seen,
)
from infra.metrics import counter
from providers.client import (
    CursorExpired,
    Gone,
    Item,
    Limited,
    MailClient,
    Operator,
    Page,
    ProviderError,
    Reconnect,
    Retry,
)
from workers import listed
from workers.ahead import Ahead
from workers.caution import Caution
from workers.files import FILES
from workers.forwarding import Forwarding
from workers.queue import QueueDown
from workers.runtime import Runtime
from workers.times import after_failure

log = structlog.get_logger(__name__)

MESSAGES = counter(
    "replylog_messages_total", "Messages settled, by verdict and rule", ["verdict", "rule"]
)

BATCH = 25  # messages a transaction; the lease is renewed with each
GONE_ATTEMPTS = 4  # a message just announced may not be readable yet; after these it is gone
MOST_ATTEMPTS = 60  # two days of them; then a person must look
NOT_A_MESSAGES = (LeaseLost, OperationalError, Reconnect, Operator, CursorExpired, Limited)


@dataclass
class Settling:
    runtime: Runtime
    run: Run
    client: MailClient
    caution: Caution | None = None
    failures: int = 0  # messages in a row that the provider could not give
    blocked_until: datetime | None = None  # as the last commit found it
    due: dict[str, PendingRow] = field(default_factory=dict)  # being judged again, by provider id
    # Done in each commit, of messages by their ids; what it gives is done afterwards.
    also: Callable[[Connection, Sequence[str]], Callable[[], None]] | None = None
    placed: dict[str, Refused] = field(default_factory=dict)  # what a listing refuses, likewise
    ahead: Ahead = field(init=False)

    def __post_init__(self) -> None:
        self.ahead = Ahead(self.client)

    @property
    def size(self) -> int:
        """How many messages are settled at once: one where several at once were too much."""
        crowded = self.run.mailbox.blocked_by == f"{LIMIT}concurrency"
        return 1 if crowded or (self.caution and self.caution.on) else BATCH

    def batches(self, page: Page) -> Iterator[tuple[list[Item], str | None]]:
        """A page's items in batches; the cursor comes with the last, '' counts as none."""
        items = list(page.items)
        while len(items) > (size := self.size):
            yield items[:size], None
            items = items[size:]
        yield items, page.cursor or None

    def settle(self, items: Sequence[Item], cursor: str | None) -> None:
        """Settle `items` and, with them, move to `cursor`. A message that is pending already is left
        to its own time."""
        refs = [item.ref for item in items]
        with self.runtime.database.read() as conn:
            known = settle.seen(conn, self.run.mailbox, refs)
            known |= settle.waiting(conn, self.run.mailbox, refs)
        fresh = [item for item in items if item.ref.id not in known]
        with self._holding([item.ref for item in fresh]):
            self._settle(fresh, cursor)

    def _settle(self, fresh: Sequence[Item], cursor: str | None) -> None:
        self.placed = listed.refused(self.run, fresh)
        nameless = listed.nameless(self.runtime, self.run, self.placed)
        refused = {ref: each for ref, each in self.placed.items() if ref not in nameless}
        outcomes: list[Outcome] = [*refused.values()]
        readable = [item for item in fresh if item.ref.id not in refused]
        asked = listed.with_threading(self.runtime, self.run, readable)
        outcomes += self._judge(self._headers(asked, outcomes))
        self._commit(outcomes, cursor)
        self.placed = {}

    def settle_pending(self) -> int:
        """Judge again what is due; how many messages that were."""
        now = self.runtime.clock()
        with self.runtime.database.read() as conn:
            rows = settle.pending_due(conn, self.run.mailbox, now, self.size)
        fatal = [row for row in rows if row.reason == FATAL]
        for some in ([row for row in rows if row.reason != FATAL], *([row] for row in fatal)):
            self._settle_again(some)
        return len(rows)

    def _settle_again(self, rows: Sequence[PendingRow]) -> None:
        self.due = {row.ref.id: row for row in rows}
        outcomes: list[Outcome] = []
        with self._holding([row.ref for row in rows], any(row.reason == FATAL for row in rows)):
            outcomes += self._judge(self._headers([Item(row.ref) for row in rows], outcomes))
            if outcomes:
                self._commit(outcomes, None)
        self.due = {}

    def _holding(self, refs: Sequence[Ref], fatal: bool = False) -> AbstractContextManager[None]:
        """While `refs` are read; where that may end the process, they are but one."""
        if self.caution is None or len(refs) != 1:
            return nullcontext()
        return self.caution.message(refs[0], fatal)

    def _headers(self, items: Sequence[Item], outcomes: list[Outcome]) -> list[Headers]:
        """Headers of `items`, oldest first; what is gone goes to `outcomes`."""
        missing = [item.ref for item in items if item.headers is None]
        read = self._read(missing, outcomes) if missing else {}
        found = []
        for item in items:
            if item.headers is None and item.ref not in read:
                continue  # it cannot be read, and `outcomes` says so
            headers = item.headers or read[item.ref]
            if headers is None:
                outcomes.append(self._gone(item.ref))
            else:
                found.append(headers)
        return sorted(found, key=lambda each: each.received_at)

    def _read(self, refs: Sequence[Ref], outcomes: list[Outcome]) -> dict[Ref, Headers | None]:
        """Headers of `refs`; one by one where together they cannot be had, so that a message that
        can never be read becomes pending and its neighbours go on."""
        try:
            return dict(zip(refs, self.client.headers(refs), strict=True))
        except NOT_A_MESSAGES:
            raise
        except Retry as error:
            if error.after is not None:  # a limit is no message's fault; asking on would renew it
                raise
            failure: Exception = error
        except Exception as error:  # noqa: BLE001 - logged, or raised again, by `_unreadable`
            failure = error
        if len(refs) > 1:
            return self._read_singly(refs, outcomes)
        outcomes.append(self._unreadable(refs[0], failure))
        return {}

    def _read_singly(
        self, refs: Sequence[Ref], outcomes: list[Outcome]
    ) -> dict[Ref, Headers | None]:
        read: dict[Ref, Headers | None] = {}
        for ref in refs:
            try:
                read[ref] = self.client.headers([ref])[0]
                self.failures = 0
            except NOT_A_MESSAGES:
                raise
            except Exception as error:  # noqa: BLE001 - likewise
                try:
                    outcomes.append(self._unreadable(ref, error))
                except Retry:
                    self._commit(outcomes, None)  # so that the next run gets past this message
                    raise
        return read

    def _unreadable(self, ref: Ref, error: Exception) -> Outcome:
        """What becomes of a message that cannot be read. Raises a Retry that is not its fault."""
        if isinstance(error, Gone):
            return self._gone(ref)
        if isinstance(error, Retry):
            self.failures += 1
            if self.failures > 1:  # the provider cannot answer
                raise error
            return self._later(ref, "error", error, error.after)
        name = type(error).__name__
        log.error("message failed", mailbox=self.run.mailbox.id, error=name, exc_info=error)
        return self._later(ref, "error", error, None)

    def _judge(self, headers: Sequence[Headers]) -> list[Outcome]:
        """Outcomes of `headers`. What answers a message of this very batch is judged after that one
        is committed, so that a root and its replies may come together."""
        outcomes: list[Outcome] = []
        if not headers:
            return outcomes
        contexts, already = self._load(headers)
        self.ahead.look(headers, contexts, already)
        logging: set[str] = set()
        for number, each in enumerate(headers):
            if logging.intersection(each.answers):
                self._commit(outcomes, None)
                outcomes, logging = [], set()
                contexts, already = self._load(headers)
                self.ahead.look(headers[number:], contexts, already)
            try:
                outcome = self._outcome(each, contexts.of(each), already)
            except ProviderError:
                self._commit(outcomes, None)  # what was read need not be asked for again
                raise
            if isinstance(outcome, Logged) and _tells_more(outcome, each):
                self._commit(outcomes, None)
                outcomes, logging = [], set()
                outcome = self._with_its_thread(outcome)
                contexts, already = self._load(headers)
            if isinstance(outcome, Logged):
                logging.add(outcome.message.headers.message_id)
            outcomes.append(outcome)
        return outcomes

    def _with_its_thread(self, logged: Logged) -> Logged:
        """`logged` in the thread that it answers: a listing need not tell of it (Graph's sent mail),
        but the whole message does."""
        headers = logged.message.headers
        contexts, _ = self._load([headers])
        context = contexts.of(headers)
        verdict = decide(headers, context)
        if not verdict.logged:
            return logged
        return replace(logged, verdict=verdict, turned_by=turned_by(headers, context, verdict))

    def _load(self, headers: Sequence[Headers]) -> tuple[Contexts, dict[str, int]]:
        with self.runtime.database.read() as conn:
            return (
                settle.load_context(conn, self.run.mailbox, headers),
                settle.logged_already(conn, self.run.mailbox, headers),
            )

    def _outcome(self, headers: Headers, context: Context, already: dict[str, int]) -> Outcome:
        try:
            verdict = decide(headers, context)
            turned = turned_by(headers, context, verdict)
            if not verdict.logged:
                root = root_of(headers, context)
                return Refused(headers.ref, headers.place, headers, verdict.rule, turned, root)
            if headers.ref.id in already:
                return Seen(headers, already[headers.ref.id], verdict, turned)
            return self._logged(headers, verdict, turned, context)
        except ProviderError:
            raise
        except Exception as error:
            log.exception("message failed", mailbox=self.run.mailbox.id, error=type(error).__name__)
            return self._later(headers.ref, "error", error, None)

    def _logged(
        self, headers: Headers, verdict: Verdict, turned: tuple[str, ...], context: Context
    ) -> Outcome:
        try:
            message = self.ahead.whole(headers.ref)
            read = Logged(verdict, message, kind_of(message), turned)
            forwarding = Forwarding(self.runtime, self.run, self.client)
            looked_into = verdict.original is not Original.NO
            outcome = forwarding.judge(read, context) if looked_into else read
        except Gone:
            return self._gone(headers.ref)
        except Limited:
            raise
        except Retry as error:
            return self._unreadable(headers.ref, error)
        self.failures = 0
        return outcome

    def _gone(self, ref: Ref) -> Outcome:
        if ref.id in self.placed:
            return replace(self.placed[ref.id], headers=None)
        if self._attempts(ref) + 1 >= GONE_ATTEMPTS:
            return Refused(ref, Place.TRASH, None, "trash")
        return self._later(ref, "gone", Gone(), None)

    def _later(self, ref: Ref, reason: str, error: Exception, after: float | None) -> Outcome:
        if ref.id in self.placed:  # nobody waits for what is refused anyhow
            return replace(self.placed[ref.id], headers=None)
        attempts = self._attempts(ref)
        wait = after_failure(after, attempts)
        given_up = attempts + 1 >= MOST_ATTEMPTS
        next_at = None if given_up else self.runtime.clock() + wait
        if ref.id in self.due and self.due[ref.id].reason == FATAL:
            reason = FATAL
        return Later(ref, reason, type(error).__name__, next_at)

    def _attempts(self, ref: Ref) -> int:
        return self.due[ref.id].attempts if ref.id in self.due else 0

    def _commit(self, outcomes: Sequence[Outcome], cursor: str | None) -> None:
        """Store `outcomes`; one by one where together they cannot be, so that a message that the
        database does not take becomes pending and its neighbours go on."""
        try:
            self._store(outcomes, cursor)
        except NOT_A_MESSAGES:
            raise
        except Exception:
            if not outcomes:
                raise
            for outcome in outcomes:
                self._store_alone(outcome)
            self._store((), cursor)

    def _store_alone(self, outcome: Outcome) -> None:
        try:
            self._store([outcome], None)
        except NOT_A_MESSAGES:
            raise
        except Exception as error:
            name = type(error).__name__
            log.exception("message not stored", mailbox=self.run.mailbox.id, error=name)
            self._store([self._later(outcome.ref, "error", error, None)], None)

    def _store(self, outcomes: Sequence[Outcome], cursor: str | None) -> None:
        with self.runtime.database.begin() as conn:
            done = settle.commit(conn, self.run, outcomes, self.runtime.clock(), cursor)
            left_out = files.settled(conn, self.run.mailbox.account_id, done.email_ids)
            then = self.also and self.also(conn, [each.ref.id for each in outcomes])
        if then:
            then()
        self.blocked_until = done.blocked_until
        for state, number in left_out.items():
            FILES.labels(state).inc(number)
        for outcome in outcomes:
            MESSAGES.labels(*_labels(outcome)).inc()
        others = done.woken - {self.run.mailbox.id}
        with suppress(QueueDown):  # the timetable rings them: commit wrote their wake_at
            if others:
                self.runtime.queue.wake(*others)


def _tells_more(logged: Logged, told: Headers) -> bool:
    """Whether the whole message answers others than the listing told. The original of a forward was
    judged by what it answers itself."""
    its_own = logged.verdict.rule != FORWARDED
    return its_own and logged.message.headers.answers != told.answers


def _labels(outcome: Outcome) -> tuple[str, str]:
    match outcome:
        case Logged(verdict=verdict):
            return "logged", verdict.rule
        case Seen():
            return "logged", "duplicate"
        case Refused(rule=rule):
            return "refused", rule
        case Later(reason=reason):
            return "pending", reason
