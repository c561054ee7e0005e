"""The history of the pretend Gmail: cursors, pages, filters, and what the reference warns of."""

import pytest

from tests.sandbox.google_kit import ALL, ANA, Gmail
from tests.sandbox_process import Sandbox


def test_start_is_exclusive_and_ids_have_gaps(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    start = ana.cursor()
    ids = [ana.arrive() for _ in range(20)]
    records = ana.history(start)
    assert [r["messagesAdded"][0]["message"]["id"] for r in records] == ids
    numbers = [int(r["id"]) for r in records]
    assert numbers == sorted(numbers)
    assert numbers[-1] - numbers[0] > 19
    assert ana.history(records[-1]["id"]) == []
    assert ana.history(records[-2]["id"]) == records[-1:]


def test_no_change_means_no_history_key(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    answer = ana.get("history", "ListHistoryResponse", startHistoryId=ana.cursor())
    assert "history" not in answer
    assert answer["historyId"] == ana.cursor()


def test_pages_are_read_to_the_end_with_the_same_start(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    start = ana.cursor()
    ids = [ana.arrive() for _ in range(7)]
    seen: list[str] = []
    token = ""
    while True:
        more: dict[str, str] = {"pageToken": token} if token else {}
        page = ana.get("history", "ListHistoryResponse", startHistoryId=start, maxResults=3, **more)
        seen += [r["messagesAdded"][0]["message"]["id"] for r in page["history"]]
        assert page["historyId"] == ana.cursor()
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert seen == ids


def test_rescue_from_spam_is_a_change_of_labels(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    found = ana.arrive(place="junk")
    start = ana.cursor()
    sandbox.post("/control/move", address=ANA, id=found, to="inbox")
    removed, added = ana.history(start)
    assert removed["labelsRemoved"][0]["labelIds"] == ["SPAM"]
    assert added["labelsAdded"][0]["labelIds"] == ["INBOX"]
    assert added["labelsAdded"][0]["message"]["id"] == found
    only = ana.history(start, historyTypes=["messageAdded", "labelAdded"])
    assert [r["id"] for r in only] == [added["id"]]


def test_filters_are_singular_names_and_one_label(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    start = ana.cursor()
    ana.arrive()
    junk = ana.arrive(place="junk")
    assert ana.refused("GET", "history", startHistoryId=start, historyTypes="messagesAdded") == (
        400,
        "invalidArgument",
    )
    (record,) = ana.history(start, labelId="SPAM")
    assert record["messages"][0]["id"] == junk


def test_an_old_cursor_is_not_found_and_a_missing_one_invalid(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    start = ana.cursor()
    sandbox.post("/control/expire-history", address=ANA)
    assert ana.refused("GET", "history", startHistoryId=start) == (404, "notFound")
    assert ana.refused("GET", "history")[0] == 400
    assert ana.refused("GET", "history", startHistoryId="abc")[0] == 400
    assert ana.history(ana.cursor()) == []


@pytest.mark.parametrize("shown", [True, False])
def test_label_ids_are_there_or_not(sandbox: Sandbox, shown: bool) -> None:
    ana = Gmail(sandbox)
    start = ana.cursor()
    sandbox.post("/control/switches", **{"gmail.history_labels": shown})
    ana.arrive()
    (record,) = ana.history(start)
    assert ("labelIds" in record["messagesAdded"][0]["message"]) is shown


def test_history_may_be_empty_for_a_moment(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    start = ana.cursor()
    sandbox.post("/control/switches", **{"gmail.history_lag": 30})
    ana.arrive()
    answer = ana.get("history", "ListHistoryResponse", startHistoryId=start)
    assert answer == {"historyId": start}
    sandbox.post("/control/skew", seconds=31)
    assert len(ana.history(start)) == 1


def test_deleting_for_ever_is_told_and_a_get_may_come_too_early(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    found = ana.arrive()
    start = ana.cursor()
    sandbox.post("/control/delete", address=ANA, id=found)
    (record,) = ana.history(start)
    assert record["messagesDeleted"][0]["message"]["id"] == found
    sandbox.post("/control/switches", **{"gmail.get_lag": 30})
    assert ana.refused("GET", f"messages/{ana.arrive()}") == (404, "notFound")
