"""Gaps of a mailbox, the times during which it was not connected: what arrived is counted by listing it,
and read where its owner chose so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from crm.database import OperationalError
from crm.model import GapState
from crm.store import gaps, settle
from crm.store.gaps import MOST_COUNTED, GapRow
from crm.store.settle import LeaseLost, Run
from providers.client import Item, Limited, MailClient, Operator, Page, Reconnect
from workers.runtime import Runtime, Stopped
from workers.settling import Settling

log = structlog.get_logger(__name__)

WINDOW = timedelta(days=1)  # is read in one piece; a worker that dies begins it again
READ_AT_ONCE = 200  # messages, then new mail has its turn
WINDOWS_AT_ONCE = 60


@dataclass(frozen=True, slots=True)
class Gaps:
    runtime: Runtime
    run: Run
    client: MailClient
    go_on: Callable[[], None]

    def count(self) -> None:
        """Count what arrived in the gaps that were not counted yet. That it cannot be done keeps no
        mail waiting, unless the provider asks to wait."""
        for gap in self._work(GapState.COUNTING):
            try:
                self._count(gap)
            except (Reconnect, Operator, LeaseLost, OperationalError, Stopped):
                raise
            except Exception as error:
                name = type(error).__name__
                log.warning("a gap was not counted", mailbox=gap.mailbox_id, error=name)
                with self.runtime.database.begin() as conn:
                    settle.commit(conn, self.run, (), self.runtime.clock())
                    gaps.not_counted(conn, self._account, gap.id, gap.attempts + 1)
                if isinstance(error, Limited) or getattr(error, "after", None) is not None:
                    raise

    def _count(self, gap: GapRow) -> None:
        arrived = 0
        for some in self.client.arrived(gap.since, gap.until):
            self.go_on()
            arrived += some
            if arrived > MOST_COUNTED:
                break
            self._counted(gap, arrived, done=False)
        self._counted(gap, arrived, done=True)

    def _counted(self, gap: GapRow, arrived: int, *, done: bool) -> None:
        with self.runtime.database.begin() as conn:
            settle.commit(conn, self.run, (), self.runtime.clock())
            gaps.counted(conn, self._account, gap.id, arrived, done=done)

    def read(self, settling: Settling) -> bool:
        """Judge what arrived in the gaps that are to be read, a day at a time from the oldest on;
        whether there is more to do at once."""
        left = READ_AT_ONCE
        for gap in self._work(GapState.READING):
            at = (gap.read_to or gap.since).replace(microsecond=0)
            for _ in range(WINDOWS_AT_ONCE):
                if at >= gap.until:
                    break
                if left <= 0:
                    return True
                until = min(at + WINDOW, gap.until)
                found = sum(
                    self._judge(gap, settling, page) for page in self.client.between(at, until)
                )
                with self.runtime.database.begin() as conn:
                    now = self.runtime.clock()
                    settle.commit(conn, self.run, (), now)
                    gaps.read_up_to(conn, self._account, gap.id, until, found, now)
                at, left = until, left - found
            if at < gap.until:
                return True
        return False

    def _judge(self, gap: GapRow, settling: Settling, items: Sequence[Item]) -> int:
        """Judge a page, but for what was judged already; how many messages it has."""
        with self.runtime.database.read() as conn:
            ids = [item.ref.id for item in items]
            done = gaps.judged(conn, self._account, gap.mailbox_id, ids)
        fresh = Page(tuple(item for item in items if item.ref.id not in done), "")
        for batch, _ in settling.batches(fresh):
            self.go_on()
            settling.settle(batch, None)
        return len(items)

    def _work(self, state: GapState) -> list[GapRow]:
        with self.runtime.database.read() as conn:
            found = gaps.work(conn, self._account, self.run.mailbox.id)
        return [gap for gap in found if gap.state is state]

    @property
    def _account(self) -> int:
        return self.run.mailbox.account_id
