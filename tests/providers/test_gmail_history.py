import pytest

from crm.model import WHOLE_MAILBOX, Place, Ref
from providers.client import Item
from providers.gmail.history import is_user_label, items_of, parts_of, place_of


def message(ref, *labels):
    return {"id": ref, "threadId": f"t{ref}", "labelIds": list(labels)}


def added(ref, *labels):
    return {"id": "1", "messagesAdded": [{"message": message(ref, *labels)}]}


def changed(kind, ref, which, *labels):
    return {"id": "2", kind: [{"message": message(ref, *labels), "labelIds": which}]}


def refs(*records):
    return [item.ref.id for item in items_of(records)]


@pytest.mark.parametrize(
    ("labels", "place"),
    [
        ((), Place.FOLLOWED),
        (("INBOX", "UNREAD"), Place.FOLLOWED),
        (("CATEGORY_PROMOTIONS", "Label_1"), Place.FOLLOWED),
        (("SENT",), Place.SENT),
        (("SENT", "INBOX"), Place.SENT),
        (("DRAFT",), Place.DRAFT),
        (("CHAT", "INBOX"), Place.DRAFT),
        (("SCHEDULED",), Place.DRAFT),
        (("SPAM", "UNREAD"), Place.JUNK),
        (("TRASH", "SENT"), Place.TRASH),
        (("TRASH", "DRAFT"), Place.DRAFT),
    ],
)
def test_labels_tell_the_place(labels, place):
    assert place_of(labels) is place


def test_system_labels_are_capitals():
    assert is_user_label("Label_17")
    assert not any(map(is_user_label, ("UNREAD", "CATEGORY_SOCIAL", "YELLOW_STAR")))


def test_an_added_message_has_its_place_and_thread():
    assert items_of([added("a", "INBOX")]) == (
        Item(Ref("a", "ta"), Place.FOLLOWED, watch=WHOLE_MAILBOX),
    )


def test_without_labels_the_place_is_not_known():
    record = {"id": "1", "messagesAdded": [{"message": {"id": "a", "threadId": "t"}}]}
    assert items_of([record]) == (Item(Ref("a", "t"), None, watch=WHOLE_MAILBOX),)


@pytest.mark.parametrize("which", ["INBOX", "SENT", "SPAM", "TRASH", "Label_5"])
def test_a_label_that_matters_shows_the_message(which):
    assert refs(changed("labelsAdded", "a", [which], which)) == ["a"]


@pytest.mark.parametrize(
    "which", ["UNREAD", "STARRED", "IMPORTANT", "CATEGORY_SOCIAL", "YELLOW_STAR"]
)
def test_reading_and_starring_is_no_change(which):
    assert refs(changed("labelsAdded", "a", [which], which)) == []
    assert refs(changed("labelsRemoved", "a", [which])) == []


@pytest.mark.parametrize(("which", "shown"), [("SPAM", True), ("TRASH", True), ("DRAFT", True),
                                              ("INBOX", False), ("Label_5", False)])  # fmt: skip
def test_only_a_way_out_of_junk_trash_or_drafts_shows_when_a_label_goes(which, shown):
    assert bool(refs(changed("labelsRemoved", "a", [which], "INBOX"))) is shown


def test_a_message_in_several_records_shows_once_with_its_last_place():
    records = [
        added("a", "SPAM"),
        added("b", "INBOX"),
        changed("labelsRemoved", "a", ["SPAM"]),
        changed("labelsAdded", "a", ["INBOX"], "INBOX"),
    ]
    assert items_of(records) == (
        Item(Ref("a", "ta"), Place.FOLLOWED, watch=WHOLE_MAILBOX),
        Item(Ref("b", "tb"), Place.FOLLOWED, watch=WHOLE_MAILBOX),
    )


def test_records_that_tell_of_nothing_are_nothing():
    assert items_of([{"id": "3"}, {"id": "4", "messages": [message("a")]}]) == ()


def numbered(record, number):
    return record | {"id": str(number)}


def test_records_come_in_parts_each_message_once_where_it_is_first_named():
    records = [
        numbered(added("a", "INBOX"), 10),
        numbered(added("b", "INBOX"), 20),
        numbered(added("c", "INBOX"), 30),
        numbered(changed("labelsAdded", "a", ["TRASH"], "TRASH"), 40),
        numbered(added("d", "INBOX"), 50),
    ]
    parts = parts_of(records, 2)
    assert [([item.ref.id for item in items], last) for items, last in parts] == [
        (["a", "b"], 20),
        (["c"], 40),
        (["d"], 50),
    ]
    assert parts[0][0][0].place is Place.TRASH, "where it lies by now"


def test_no_records_are_one_part():
    assert parts_of([], 25) == [((), 0)]
