"""Delta of a folder at the pretend Graph: rounds, pages, and what gets lost."""

from typing import Any

import pytest

from tests.sandbox.graph_kit import BEN, Client, code_of
from tests.sandbox_process import Sandbox

URL = "/me/mailFolders/inbox/messages/delta"
IMMUTABLE = 'IdType="ImmutableId"'


def subjects(items: list[dict[str, Any]]) -> list[str]:
    return [item["subject"] for item in items if "subject" in item]


def removed(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items if "@removed" in item]


def test_a_round_lists_the_folder_then_only_what_changed(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.deliver(subject="old")
    items, link = ben.round(URL, select="subject")
    assert subjects(items) == ["old"]
    assert link.startswith(f"{sandbox.url}/v1.0/me/mailFolders(")
    ben.deliver(subject="new")
    sandbox.post(
        "/control/send", **{"from": BEN, "to": ["maria@globex.test"], "subject": "s", "text": ""}
    )
    items, link = ben.round(link)
    assert subjects(items) == ["new"]
    assert ben.round(link)[0] == []
    assert sandbox.get("/control/counts")["graph.delta"] == 3


def test_pages_keep_the_size_that_prefer_names(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer="odata.maxpagesize=2")
    for number in range(5):
        ben.deliver(subject=f"m{number}")
    page = ben.get(URL, select="subject")
    assert len(page["value"]) == 2
    assert "@odata.deltaLink" not in page
    items, _ = ben.round(page["@odata.nextLink"])
    assert len(items) == 3
    again, _ = ben.round(page["@odata.nextLink"])
    assert again == items


def test_a_filter_makes_a_baseline_of_now(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.deliver(subject="old")
    items, link = ben.round(
        URL, filter="receivedDateTime ge 2099-01-01T00:00:00Z", select="subject"
    )
    assert items == []
    assert ben.round(link)[0] == []
    refused = ben.call("GET", f"{URL}?$filter=isRead eq false")
    assert refused.status_code == 400


def test_older_mail_moved_in_hides_behind_the_filter_or_not(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer=IMMUTABLE)
    key = ben.deliver(subject="old")
    sandbox.post("/control/move", address=BEN, id=key, to="archive")
    sandbox.post("/control/skew", seconds=3600)
    since = "receivedDateTime ge 2099-01-01T00:00:00Z"
    _, link = ben.round(URL, filter=since, select="subject")
    sandbox.post("/control/move", address=BEN, id=key, to="inbox")
    assert ben.round(link)[0] == []
    ben.switch("graph.delta_filter_hides_moved", value=False)
    assert subjects(ben.round(link)[0]) == ["old"]


def test_a_read_state_change_gives_three_properties(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer=IMMUTABLE)
    key = ben.deliver()
    _, link = ben.round(URL, select="subject,internetMessageId")
    ben.control("read", id=key)
    items, link = ben.round(link)
    assert {k for k in items[0] if not k.startswith("@")} == {"id", "isRead", "parentFolderId"}
    ben.control("categories", id=key, names=["x"])
    assert subjects(ben.round(link)[0]) == ["Hello"]


def test_a_move_away_is_removed_here_and_new_there(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.deliver()
    old = ben.inbox()[0]["id"]
    _, here = ben.round(URL)
    _, there = ben.round("/me/mailFolders/archive/messages/delta")
    new = ben.post(f"/me/messages/{old}/move", destinationId="archive").json()["id"]
    assert removed(ben.round(here)[0]) == [old]
    assert [item["id"] for item in ben.round(there)[0]] == [new]


def test_there_and_back_is_lost_with_immutable_ids(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer=IMMUTABLE)
    key = ben.deliver()
    _, link = ben.round(URL)
    sandbox.post("/control/move", address=BEN, id=key, to="archive")
    sandbox.post("/control/move", address=BEN, id=key, to="inbox")
    items, link = ben.round(link)
    assert removed(items) == [key]
    assert subjects(items) == []
    assert ben.round(link)[0] == []


def test_there_and_back_is_removed_and_new_with_changing_ids(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver()
    old = ben.inbox()[0]["id"]
    _, link = ben.round(URL)
    sandbox.post("/control/move", address=BEN, id=key, to="archive")
    sandbox.post("/control/move", address=BEN, id=key, to="inbox")
    items, _ = ben.round(link)
    assert removed(items) == [old]
    assert subjects(items) == ["Hello"]


def test_the_loss_can_be_switched_off(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer=IMMUTABLE)
    key = ben.deliver()
    _, link = ben.round(URL)
    ben.switch("graph.delta_loses_return", value=False)
    sandbox.post("/control/move", address=BEN, id=key, to="archive")
    sandbox.post("/control/move", address=BEN, id=key, to="inbox")
    items, _ = ben.round(link)
    assert (removed(items), subjects(items)) == ([], ["Hello"])


@pytest.mark.parametrize("on", [True, False])
def test_headers_in_select_are_a_switch(sandbox: Sandbox, on: bool) -> None:
    ben = Client(sandbox)
    ben.switch("graph.delta_headers", on)
    ben.deliver()
    items, _ = ben.round(URL, select="subject,internetMessageHeaders")
    assert ("internetMessageHeaders" in items[0]) is on


def test_extended_properties_are_refused(sandbox: Sandbox) -> None:
    expand = "singleValueExtendedProperties($filter=id eq 'String 0x1042')"
    answer = Client(sandbox).call("GET", URL, params={"$expand": expand})
    assert answer.status_code == 400


def test_an_empty_page_may_come_first(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.delta_empty_page", value=True)
    ben.deliver()
    page = ben.get(URL)
    assert page["value"] == []
    assert subjects(ben.round(page["@odata.nextLink"])[0]) == ["Hello"]


def test_a_round_may_repeat_the_one_before(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.delta_replays", value=True)
    ben.deliver(subject="one")
    _, link = ben.round(URL)
    ben.deliver(subject="two")
    assert subjects(ben.round(link)[0]) == ["one", "two"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("syncStateNotFound", 410), ("resyncRequired", 410), ("SyncStateNotFound", 400)],
)
def test_a_link_that_is_too_old_says_where_to_start_again(
    sandbox: Sandbox, code: str, status: int
) -> None:
    ben = Client(sandbox)
    ben.deliver()
    _, link = ben.round(URL)
    ben.switch("graph.delta_expired_code", code)
    ben.switch("graph.delta_expired_status", status)
    sandbox.post("/control/expire-history", address=BEN)
    answer = ben.call("GET", link)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert ("Location" in answer.headers) is (status == 410)
    if status == 410:
        assert subjects(ben.round(answer.headers["Location"])[0]) == ["Hello"]
    bad = ben.call("GET", f"{URL}?$deltatoken=unknown")
    assert (bad.status_code, code_of(bad)) == (400, "ErrorInvalidSyncStateData")


def test_change_types_narrow_the_rounds(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer=IMMUTABLE)
    page = ben.call("GET", f"{URL}?changeType=created").json()
    link = page["@odata.deltaLink"]
    key = ben.deliver()
    items, link = ben.round(link)
    assert subjects(items) == ["Hello"]
    ben.control("categories", id=key, names=["x"])
    assert ben.round(link)[0] == []


def test_delta_of_the_whole_mailbox_does_not_exist(sandbox: Sandbox) -> None:
    assert Client(sandbox).call("GET", "/me/messages/delta").status_code == 400
