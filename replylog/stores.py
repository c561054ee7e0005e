"""The database, for subcommands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.settings import Settings

if TYPE_CHECKING:
    from crm.database import Database


@contextmanager
def opened(settings: Settings) -> "Iterator[Database]":
    """The database of the settings, closed at the end."""
    from crm.database import Database

    database = Database(settings.resolved_database_url)
    try:
        yield database
    finally:
        database.close()
