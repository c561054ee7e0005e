"""Audits: comparisons of a mailbox's last days with its journal, when they are due."""

import random
from datetime import datetime, timedelta

NIGHT = timedelta(hours=5)  # from midnight UTC on, over which audits are spread


def next_night(now: datetime) -> datetime:
    """A moment of the next night, another one each time so that mailboxes do not march in step."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return midnight + NIGHT * random.random()  # noqa: S311 - spreads load, guards nothing
