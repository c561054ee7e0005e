"""How long to wait: jitter, back-off, and the rhythm of a quiet mailbox."""

import random
from datetime import datetime, timedelta

OVERLAP = timedelta(days=1)  # a listing that repairs a lost cursor begins this much earlier
QUIET = timedelta(minutes=10)  # a mailbox nobody rang is asked anyway
FIRST_WAIT = timedelta(seconds=3)
LONGEST_WAIT = timedelta(hours=1)
OUTAGE = timedelta(seconds=75)  # a provider that does not answer is asked at least so often
PROVIDER_LIMIT = timedelta(hours=24)  # no provider may park a mailbox for longer


def jitter(span: timedelta, share: float = 0.2) -> timedelta:
    """`span`, shortened at random by up to `share`, so that mailboxes do not march in step."""
    return span * (1 - share * random.random())  # noqa: S311 - spreads load, guards nothing


def quiet(now: datetime) -> datetime:
    """When to wake a mailbox that nobody rings."""
    return now + jitter(QUIET)


def after_failure(after: float | None, attempts: int) -> timedelta:
    """How long to wait: what the provider said (seconds), else doubling from three seconds."""
    if after is not None:
        return min(timedelta(seconds=max(after, 0.5)), PROVIDER_LIMIT)
    return jitter(min(FIRST_WAIT * 2 ** min(attempts, 20), LONGEST_WAIT))


def after_failed_run(
    after: float | None, failed_before: int, longest: timedelta = QUIET
) -> timedelta:
    """How long a mailbox rests whose run failed, as others did before: what the provider said, but
    longer where that was too short before; else doubling, up to the `longest`."""
    grown = jitter(min(FIRST_WAIT * 2 ** min(failed_before, 20), longest))
    if after is None:
        return grown
    told = after_failure(after, attempts=0)
    return max(told, grown) if failed_before > 1 else told
