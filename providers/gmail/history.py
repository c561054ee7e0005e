"""Gmail's history records and labels, read (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm.model import WHOLE_MAILBOX, Place, Ref
from providers.client import Item

_PLACES = (  # in the order of the rules
    (frozenset({"DRAFT", "CHAT", "SCHEDULED"}), Place.DRAFT),
    (frozenset({"SPAM"}), Place.JUNK),
    (frozenset({"TRASH"}), Place.TRASH),
    (frozenset({"SENT"}), Place.SENT),
)
_ADDED = frozenset({"INBOX", "SENT", "SPAM", "TRASH"})  # system labels whose coming matters
_REMOVED = frozenset({"SPAM", "TRASH", "DRAFT"})  # and whose going does


def place_of(labels: Iterable[str]) -> Place:
    """Where a message with these label ids lies (rules `draft`, `junk`, `trash`, `folder`)."""
    held = frozenset(labels)
    return next((place for marks, place in _PLACES if marks & held), Place.FOLLOWED)


def is_user_label(label: str) -> bool:
    """System labels (UNREAD, CATEGORY_SOCIAL, YELLOW_STAR, ...) are capitals; their list is open."""
    return not label.isupper()


def items_of(records: Iterable[Mapping[str, Any]]) -> tuple[Item, ...]:
    """The messages that records tell of, each once, in the order of its first record, with the
    place of its last. A change of read state, stars or categories is none."""
    items: dict[str, Item] = {}
    for record in records:
        added = {change["message"]["id"] for change in record.get("messagesAdded", ())}
        for message in _told(record):
            labels = message.get("labelIds")  # not promised: without them the place is not known
            place = None if labels is None else place_of(labels)
            ref = Ref(message["id"], message.get("threadId", ""))
            came = ref.id in added or (ref.id in items and items[ref.id].watch != "")
            items[ref.id] = Item(ref, place, watch=WHOLE_MAILBOX if came else "")
    return tuple(items.values())


def parts_of(records: Sequence[Mapping[str, Any]], size: int) -> list[tuple[tuple[Item, ...], int]]:
    """`items_of(records)` in parts, each with the id of the last of its `size` records (0: there
    was none); a message is in the part of its first record. At least one part."""
    items = {item.ref.id: item for item in items_of(records)}
    parts = []
    for start in range(0, len(records) or 1, size):
        some = records[start : start + size]
        first = (message["id"] for record in some for message in _told(record))
        found = [items.pop(each) for each in first if each in items]
        parts.append((tuple(found), int(some[-1]["id"]) if some else 0))
    return parts


def _told(record: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for change in record.get("messagesAdded", ()):
        yield change["message"]
    for change in record.get("labelsAdded", ()):
        if any(label in _ADDED or is_user_label(label) for label in change.get("labelIds", ())):
            yield change["message"]
    for change in record.get("labelsRemoved", ()):
        if not _REMOVED.isdisjoint(change.get("labelIds", ())):
            yield change["message"]
