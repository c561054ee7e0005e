"""What a listing tells of messages: which it refuses by itself, and of which more must be read."""

from collections.abc import Sequence
from dataclasses import replace

from crm.model import Place
from crm.rules.decide import refuse_by_place
from crm.store import settle
from crm.store.outcomes import Refused, Run
from crm.store.settings import settings_of
from providers.client import Item
from workers.runtime import Runtime

_LOOKED_FOR = frozenset({Place.JUNK, Place.TRASH})  # where people look for a reply that is missing


def refused(run: Run, items: Sequence[Item]) -> dict[str, Refused]:
    """What is refused for where it lies, by provider id."""
    return {
        item.ref.id: Refused(item.ref, item.place, item.headers, rule)
        for item in items
        if item.place and (rule := refuse_by_place(item.place, run.mailbox.kind))
    }


def nameless(runtime: Runtime, run: Run, placed: dict[str, Refused]) -> set[str]:
    """Provider ids of junk and trash of which nothing is known but its place. Its headers are read
    all the same: people look for a missing reply by its sender."""
    them = [each for each in placed.values() if each.place in _LOOKED_FOR]
    unread = [each.ref for each in them if each.headers is None]
    if not unread:
        return set()
    with runtime.database.read() as conn:
        named = settle.named(conn, run.mailbox, unread)
    return {ref.id for ref in unread} - named


def with_threading(runtime: Runtime, run: Run, items: list[Item]) -> list[Item]:
    """Have the headers of sent mail read where a rule asks what it answers (`log_own_replies`) and
    the listing does not tell (Graph's)."""
    mute = {item.ref for item in items if item.place is Place.SENT and not _told(item)}
    if not mute:
        return items
    with runtime.database.read() as conn:
        settings = settings_of(conn, run.mailbox.account_id)
    if not settings.switches.log_own_replies:
        return items
    return [replace(item, headers=None) if item.ref in mute else item for item in items]


def _told(item: Item) -> bool:
    """Whether nothing more about what it answers can be asked for."""
    return item.headers is None or bool(item.headers.answers)
