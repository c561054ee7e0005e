"""Types of columns: times in UTC, and text that any database takes whatever mail contains."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator

from crm.times import utc

KEY_BYTES = 1000  # an index of PostgreSQL takes 2,700
BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite only numbers INTEGER PRIMARY KEY


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, on databases that forget the zone as well."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else utc(value)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else utc(value)


def storable(value: str) -> str:
    """`value` as a database can take it: U+FFFD for NUL and for halves of surrogate pairs, which
    mail from outside may contain and PostgreSQL refuses."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def key(value: str) -> str:
    """`value` as it stands in an indexed column: a digest where it is too long for an index (a
    Message-ID may have any length). Lookups agree, because their values pass through here too."""
    value = storable(value)
    raw = value.encode()
    return value if len(raw) <= KEY_BYTES else "sha256:" + sha256(raw).hexdigest()


class CleanText(TypeDecorator[str]):
    """Text that every database takes (see `storable`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Names(TypeDecorator[tuple[str, ...]]):
    """A few of our own names in one text, each between spaces: one is found by ` name `."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, _dialect: Dialect) -> str:
        return f" {' '.join(value)} " if value else ""

    def process_result_value(self, value: str | None, _dialect: Dialect) -> tuple[str, ...]:
        return tuple((value or "").split())


class Key(TypeDecorator[str]):
    """Text from outside in an indexed column (see `key`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else key(value)
