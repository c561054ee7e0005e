"""Points in time: always aware, always UTC."""

from datetime import UTC, datetime


def utc(when: datetime) -> datetime:
    """`when` in UTC; a naive one is taken for UTC."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
