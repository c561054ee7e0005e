"""Fixtures of the store's tests."""

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crm.database import Database
    from infra.secrets import Secrets
    from tests.crm.store_world import World


@pytest.fixture
def world(database: "Database", secrets: "Secrets", now: datetime) -> "World":
    """A small company on each of the databases."""
    from tests.crm.store_world import World

    return World(database, secrets, now)
