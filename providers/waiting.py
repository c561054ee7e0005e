"""How long a provider wants us to wait."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from infra.metrics import counter

LIMITS = counter(
    "replylog_provider_limits_total",
    "Limits that a provider told us of, by shape; `budget`: we stopped short of one ourselves",
    ["provider", "shape"],
)
LONGEST = 24 * 3600.0  # a wait that is longer than a day is a mistake


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds in a Retry-After header (a number or an HTTP date); None where it says nothing that
    can be meant: no time, one that has passed, or one beyond a day."""
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            return until(parsedate_to_datetime(text), now)
        except (ValueError, OverflowError):
            return None
    return _meant(seconds)


def until(when: datetime, now: datetime) -> float | None:
    """Seconds from `now` until `when` (UTC where it is naive); None as above."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return _meant((aware - now).total_seconds())


def _meant(seconds: float) -> float | None:
    return seconds if 0 < seconds <= LONGEST else None
