"""Once a day: kept files that no e-mail names any more are deleted.

They come from e-mails, contacts and accounts that were deleted, and from workers that were killed
after they had put a file and before they had said whose it is. What is younger than a day may be
such a file on its way. Files that wait to be read where no mailbox has a copy of their e-mail any
more are given up.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from crm.database import alone
from crm.model import FileState
from crm.store import files
from infra.metrics import counter
from workers.files import FILES
from workers.runtime import Runtime

SWEPT = counter("replylog_files_swept_total", "Kept files that no e-mail named any more")

OLD = timedelta(days=1)
AT_ONCE = 20  # deletions while an account's other writers wait


def sweep(running: Runtime) -> Iterator[int]:
    """Delete what nobody names, some at a time; how many files that were."""
    with running.database.begin() as conn:
        FILES.labels(FileState.UNAVAILABLE).inc(files.end_forsaken(conn))
    before = running.clock() - OLD
    running.blobs.tidy(before)
    for some in running.blobs.listing():
        old: dict[int, list[str]] = defaultdict(list)
        for kept in some:
            if kept.at < before:
                old[kept.account_id].append(kept.digest)
        for account_id, digests in old.items():
            for start in range(0, len(digests), AT_ONCE):
                yield _sweep(running, account_id, digests[start : start + AT_ONCE])


def _sweep(running: Runtime, account_id: int, digests: list[str]) -> int:
    """Alone in the account: a worker that names one of them now sees that it is gone."""
    with running.database.begin() as conn:
        alone(conn, account_id)
        unnamed = set(digests) - files.named(conn, account_id, digests)
        for digest in unnamed:
            running.blobs.delete(account_id, digest)
    SWEPT.inc(len(unnamed))
    return len(unnamed)
