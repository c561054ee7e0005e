"""How long a provider wants us to wait."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 24 * 3600.0  # a wait that is longer than a day is a mistake


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds in a Retry-After header (a number or an HTTP date); None where it says nothing."""
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = until(parsedate_to_datetime(text), now)
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST) if seconds == seconds else None


def until(when: datetime, now: datetime) -> float:
    """Seconds from `now` until `when` (UTC where it is naive); 0 where it has passed."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), LONGEST)
