import json
from datetime import UTC, datetime, timedelta

import pytest

from crm.model import Folder, Place, Ref
from providers.client import CursorExpired, Retry
from providers.graph.errors import UnexpectedAnswer
from tests.providers.graph_mailbox import NOW, mail, rule
from tests.providers.graph_stub import Reply


def ids(pages) -> list[list[str]]:
    return [[item.ref.id for item in page.items] for page in pages]


# -- cursors


def test_a_baseline_reads_every_folder_to_its_end(box):
    box.pages["IN:first"] = box.more("IN", "page2", mail(1))
    box.pages["page2"] = box.end("IN", "end", mail(2))
    client = box.client
    cursor = json.loads(client.baseline())
    assert {folder: spot["place"] for folder, spot in cursor.items()} == {
        "IN": "followed",
        "SENT": "sent",
        "JUNK": "junk",
    }
    assert cursor["IN"]["link"] == box.link("IN", "end")
    [first] = box.asked("mailFolders/IN/messages/delta()?$f")
    assert "receivedDateTime ge 2026-03-02T08:50:00Z" in first.path
    assert "internetMessageHeaders" in first.path


def test_every_listing_asks_for_immutable_ids_and_small_pages(box):
    client = box.client
    list(client.changes(client.baseline()))
    deltas = box.asked("/delta")
    assert deltas
    for asked in deltas:
        assert asked.prefer == {'IdType="ImmutableId"', "odata.maxpagesize=50"}


def test_pages_come_folder_by_folder_and_each_carries_how_far_it_got(box):
    box.pages["IN1"] = box.more("IN", "IN2", mail(1))
    box.pages["IN2"] = box.end("IN", "IN3", mail(2))
    box.pages["SENT1"] = box.end("SENT", "SENT2", mail(3, "SENT"))
    pages = list(box.client.changes(box.cursor(IN="followed", SENT="sent")))
    assert ids(pages) == [["m1"], ["m2"], ["m3"]]
    links = [{f: s["link"][-4:] for f, s in json.loads(page.cursor).items()} for page in pages]
    assert links == [
        {"IN": "=IN2", "SENT": "ENT1"},
        {"IN": "=IN3", "SENT": "ENT1"},
        {"IN": "=IN3", "SENT": "ENT2"},
    ]


def test_a_round_without_news_is_one_empty_page_with_the_new_links(box):
    box.pages["IN1"] = box.more("IN", "IN2")
    box.pages["IN2"] = box.end("IN", "IN3")
    [page] = box.client.changes(box.cursor(IN="followed", SENT="sent"))
    assert page.items == ()
    assert json.loads(page.cursor)["IN"]["link"] == box.link("IN", "IN3")


def test_a_last_page_without_news_still_moves_the_cursor(box):
    box.pages["IN1"] = box.more("IN", "IN2", mail(1))
    box.pages["IN2"] = box.end("IN", "IN3", {"id": "m1", "isRead": True})
    pages = list(box.client.changes(box.cursor(IN="followed")))
    assert ids(pages) == [["m1"], []]
    assert json.loads(pages[-1].cursor)["IN"]["link"] == box.link("IN", "IN3")


def test_a_failing_folder_does_not_hold_back_those_before_it(box):
    box.pages["IN1"] = box.end("IN", "IN2", mail(1))
    box.pages["SENT1"] = Reply(429, {}, {"Retry-After": "9"})
    pages = box.client.changes(box.cursor(IN="followed", SENT="sent"))
    assert ids([next(pages)]) == [["m1"]]
    with pytest.raises(Retry) as caught:
        next(pages)
    assert caught.value.after == 9


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (410, "x"),
        (400, "SyncStateNotFound"),
        (404, "ErrorItemNotFound"),
        (400, "ErrorInvalidIdMalformed"),
        (400, "whatever it says of a link that it gave itself"),
    ],
)
def test_a_lost_sync_state_or_folder_expires_the_cursor(box, status, code):
    box.pages["IN1"] = Reply(status, {"error": {"code": code}})
    with pytest.raises(CursorExpired):
        list(box.client.changes(box.cursor(IN="followed")))


def test_where_one_folders_link_has_expired_the_others_are_read_and_it_is_named(box):
    box.pages["IN1"] = Reply(410, {"error": {"code": "syncStateNotFound"}})
    box.pages["SENT1"] = box.end("SENT", "SENT2", mail(1, "SENT"))
    found = []
    with pytest.raises(CursorExpired) as caught:
        found.extend(box.client.changes(box.cursor(IN="followed", SENT="sent")))
    assert caught.value.places == ("IN",)
    assert ids(found) == [["m1"]]
    assert json.loads(found[-1].cursor)["SENT"]["link"] == box.link("SENT", "SENT2")


def test_starting_over_for_one_folder_keeps_the_links_of_the_others(box):
    when = NOW - timedelta(days=1)
    client = box.client
    old = box.cursor(IN="followed", SENT="sent", JUNK="junk")
    cursor, places = client.start_over(old, when, ["IN"])
    assert places == ("IN",)
    spots = json.loads(cursor)
    assert spots["SENT"] == json.loads(old)["SENT"]
    assert "2026-03-01T09%3A00" in spots["IN"]["link"]
    box.listing = [[mail(1)]]
    assert ids(client.since(when, places)) == [["m1"]]
    [asked] = box.asked("/messages?$f")
    assert "/me/mailFolders/IN/messages?" in asked.path


def test_a_folder_that_has_gone_before_it_was_listed_expires_the_cursor(box):
    with pytest.raises(CursorExpired) as caught:
        list(box.client.since(NOW - timedelta(days=1), ["WENT"]))
    assert caught.value.places == ()


@pytest.mark.parametrize(
    ("old", "places"), [("IN SENT JUNK", ["GLOBEX"]), ("", []), ("IN SENT JUNK", [])]
)
def test_starting_over_lists_all_where_a_folder_has_gone_or_the_cursor_says_nothing(
    box, old, places
):
    text = box.cursor(**dict.fromkeys(old.split(), "followed")) if old else "{"
    cursor, found = box.client.start_over(text, NOW - timedelta(days=1), places)
    assert found == ()
    links = [spot["link"] for spot in json.loads(cursor).values()]
    assert len(links) == 3
    assert all("2026-03-01T09%3A00" in link for link in links)


@pytest.mark.parametrize("cursor", ["", "x", "[]", "{}x", '{"IN": {"place": "moon", "link": ""}}'])
def test_a_foreign_cursor_is_expired(box, cursor):
    with pytest.raises(CursorExpired):
        list(box.client.changes(cursor))


def test_a_cursor_for_another_host_is_expired_and_asks_nothing(box):
    cursor = json.dumps({"IN": {"place": "followed", "link": "https://evil.example/v1.0/x"}})
    with pytest.raises(CursorExpired):
        list(box.client.changes(cursor))
    assert box.stub.asked == []


@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink"])
def test_a_link_to_another_host_is_never_followed_nor_kept(box, name):
    box.pages["IN1"] = Reply(200, {"value": [], name: "https://evil.example/v1.0/me"})
    with pytest.raises(UnexpectedAnswer):
        list(box.client.changes(box.cursor(IN="followed")))


# -- items


def listed(box, *items: dict, **places: str):
    places = places or {"IN": "followed"}
    [folder] = places
    box.pages[f"{folder}1"] = box.end(folder, "2", *items)
    return [item for page in box.client.changes(box.cursor(**places)) for item in page.items]


def test_a_new_message_has_its_headers_with_it(box):
    [item] = listed(box, mail(1))
    assert item.ref == Ref("m1", "c")
    assert item.place is Place.FOLLOWED
    assert item.headers is not None
    assert item.headers.message_id == "1@x"
    assert item.headers.folder == "IN"


def test_a_careful_listing_reads_no_headers(box):
    box.pages["IN1"] = box.end("IN", "IN2", mail(1))
    client = box.client
    client.carefully()
    [page] = client.changes(box.cursor(IN="followed"))
    assert [(item.ref.id, item.headers) for item in page.items] == [("m1", None)]


def test_without_header_fields_they_are_asked_for(box):
    whole = mail(1)
    bare = {key: value for key, value in whole.items() if key != "internetMessageHeaders"}
    [item] = listed(box, bare)
    assert item.headers is None
    box.messages["m1"] = whole
    [read] = box.client.headers([item.ref])
    assert read is not None
    assert read.message_id == "1@x"


def test_sent_mail_is_read_from_its_properties(box):
    sent = mail(1, "SENT", categories=["Log to CRM"])
    del sent["internetMessageHeaders"]
    sent |= {
        "from": {"emailAddress": {"name": "Ben", "address": "Ben@acme365.test"}},
        "toRecipients": [{"emailAddress": {"name": 'G. "GG" Globex, CEO', "address": "gina@globex.test"}}],
        "bccRecipients": [{"emailAddress": {"name": "log@crm.test", "address": "log@crm.test"}}],
        "sentDateTime": "2026-03-02T08:59:00Z",
        "subject": "Grüße, Welt",
    }  # fmt: skip
    [item] = listed(box, sent, SENT="sent")
    head = item.headers
    assert head is not None
    assert item.place is Place.SENT
    assert (head.sender.address, head.subject) == ("ben@acme365.test", "Grüße, Welt")
    assert [(one.address, one.name) for one in head.to] == [
        ("gina@globex.test", 'G. "GG" Globex, CEO')
    ]
    assert [one.address for one in head.bcc] == ["log@crm.test"]
    assert head.labels == {"Log to CRM"}
    assert head.sent_at == datetime(2026, 3, 2, 8, 59, tzinfo=UTC)


def test_read_states_and_removals_are_no_items(box):
    assert (
        listed(
            box,
            {"id": "m1", "isRead": True, "parentFolderId": "IN"},
            {"id": "m2", "@removed": {"reason": "deleted"}},
            mail(3) | {"@removed": {"reason": "changed"}},
        )
        == []
    )


def test_a_later_category_shows_without_headers(box):
    [item] = listed(box, {"id": "m1", "categories": ["Log to CRM"]}, SENT="sent")
    assert item.ref.id == "m1"
    assert item.headers is None


def test_a_draft_in_a_followed_folder_is_a_draft(box):
    [item] = listed(box, mail(1, isDraft=True))
    assert item.place is Place.DRAFT


def test_a_message_named_twice_on_a_page_is_one_item_with_the_last_values(box):
    items = listed(box, mail(1), mail(2), {"id": "m1", "categories": ["late"]})
    assert [item.ref.id for item in items] == ["m1", "m2"]
    assert items[0].headers is not None
    assert items[0].headers.labels == {"late"}


def test_a_message_that_came_and_left_on_one_page_is_no_item(box):
    assert listed(box, mail(1), {"id": "m1", "@removed": {"reason": "deleted"}}) == []


def test_a_message_that_left_and_came_back_on_one_page_is_an_item(box):
    assert len(listed(box, {"id": "m1", "@removed": {"reason": "deleted"}}, mail(1))) == 1


# -- since


def test_since_lists_the_whole_mailbox_with_places(box):
    box.rules = [rule("r", moveToFolder="CUST")]
    folders = ["IN", "CUST", "GLOBEX", "SENT", "JUNK", "SPAM", "BIN", "OLDER", "DRAFT", "OUT"]
    items = [mail(n, folder) for n, folder in enumerate(folders)]
    box.listing = [items[:4], items[4:], []]
    pages = list(box.client.since(NOW - timedelta(days=1)))
    assert [bool(page.cursor) for page in pages] == [False, False, True]
    assert [item.place for page in pages for item in page.items] == [
        Place.FOLLOWED, Place.FOLLOWED, Place.ELSEWHERE, Place.SENT, Place.JUNK, Place.JUNK,
        Place.TRASH, Place.TRASH, Place.DRAFT, Place.DRAFT,
    ]  # fmt: skip
    [first] = box.asked("/messages?$f")
    assert "receivedDateTime ge 2026-03-01T09:00:00Z" in first.path
    assert "$orderby=receivedDateTime" in first.path


def test_the_cursor_of_since_starts_all_folders_at_that_time_for_no_request(box):
    when = NOW - timedelta(days=1)
    pages = list(box.client.since(when))
    assert box.asked("/delta") == []
    cursor = json.loads(pages[-1].cursor)
    assert set(cursor) == {"IN", "SENT", "JUNK"}
    box.pages["IN:first"] = box.end("IN", "IN2", mail(1))
    assert ids(box.client.changes(pages[-1].cursor)) == [["m1"], []]
    assert "2026-03-01T09:00:00Z" in box.asked("IN/messages/delta")[0].path


# -- follow


def test_following_adds_from_a_time_and_drops_the_others(box):
    client = box.client
    cursor = box.cursor(IN="followed", GLOBEX="followed")
    folders = [Folder("IN", "", "inbox"), Folder("CUST", "", "rule", "r")]
    followed = client.follow(folders, cursor, NOW - timedelta(hours=3))
    assert box.stub.asked == []
    spots = json.loads(followed)
    assert set(spots) == {"IN", "CUST"}
    assert spots["IN"]["link"] == box.link("IN", "IN1")
    box.pages["CUST:first"] = box.end("CUST", "CUST2", mail(7, "CUST"))
    assert ids(client.changes(followed)) == [["m7"]]
    assert "2026-03-02T06:00:00Z" in box.asked("CUST/messages/delta")[0].path


def test_a_folder_that_fails_during_a_baseline_fails_it(box):
    box.pages["SENT:first"] = Reply(503, {})
    with pytest.raises(Retry):
        box.client.baseline()


def test_a_page_that_leads_nowhere_is_a_bug(box):
    box.pages["IN1"] = Reply(200, {"value": []})
    with pytest.raises(UnexpectedAnswer):
        list(box.client.changes(box.cursor(IN="followed")))
