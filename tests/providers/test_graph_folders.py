import pytest

from crm.model import Folder, Place, Ref
from providers.client import Retry
from tests.providers.graph_mailbox import TREE, mail, rule
from tests.providers.graph_stub import Reply


def test_inbox_sent_and_junk_are_always_listed(box):
    assert box.client.folders() == (
        Folder("IN", "Posteingang", "inbox"),
        Folder("SENT", "Gesendet", "sent"),
        Folder("JUNK", "Junk", "junk"),
    )


def test_targets_of_enabled_rules_are_followed_once_each_by_their_canonical_id(box):
    box.rules = [
        rule("move", moveToFolder="CUST-alias"),
        rule("again", copyToFolder="CUST"),
        rule("copy", copyToFolder="GLOBEX"),
        rule("off", enabled=False, moveToFolder="ROOT"),
    ]
    found = [folder for folder in box.client.folders() if folder.reason == "rule"]
    assert found == [
        Folder("CUST", "Customers", "rule", "move"),
        Folder("GLOBEX", "Globex", "rule", "copy"),
    ]


def test_a_rule_in_error_counts_while_its_folder_is_there(box):
    box.rules = [rule("err", error=True, moveToFolder="CUST"), rule("gone", moveToFolder="NONE")]
    assert [f.id for f in box.client.folders() if f.reason == "rule"] == ["CUST"]


@pytest.mark.parametrize("target", ["JUNK", "SPAM", "BIN", "OLD", "OLDER", "DRAFT", "OUT", "IN"])
def test_junk_trash_drafts_and_what_lies_below_are_never_followed(box, target):
    box.rules = [rule("r", moveToFolder=target)]
    assert [f for f in box.client.folders() if f.reason == "rule"] == []


def test_a_read_only_rule_has_no_actions(box):
    box.rules = [{"id": "r", "isEnabled": True, "isReadOnly": True, "sequence": 1}]
    assert len(box.client.folders()) == 3


def test_rules_are_read_every_time_and_well_known_folders_once(box):
    client = box.client
    client.folders()
    box.rules = [rule("new", moveToFolder="CUST")]
    assert "CUST" in {folder.id for folder in client.folders()}
    assert len(box.asked("mailFolders/inbox?")) == 1


def test_a_place_is_unknown_where_its_folder_is_gone(box):
    box.messages["m1"] = mail(1, "VANISHED")
    [head] = box.client.headers([Ref("m1")])
    assert head.place is Place.ELSEWHERE


def test_a_ring_of_folders_ends(box, monkeypatch):
    monkeypatch.setitem(TREE, "CUST", ("Customers", "GLOBEX"))
    box.messages["m1"] = mail(1, "GLOBEX")
    [head] = box.client.headers([Ref("m1")])
    assert head.place is Place.ELSEWHERE


def test_a_folder_that_cannot_be_asked_for_now_is_a_retry(box):
    box.rules = [rule("r", moveToFolder="BUSY")]
    answer = box.answer
    box.stub.script = lambda asked: Reply(503, {}) if "BUSY" in asked.path else answer(asked)
    with pytest.raises(Retry):
        box.client.folders()


def test_rules_are_read_to_the_last_page(box):
    answer = box.answer
    pages = {
        "": {"value": [], "@odata.nextLink": f"{box.stub.url}/me/mailFolders/inbox/messageRules?p=2"},
        "p=2": {"value": [rule("r", moveToFolder="CUST")]},
    }  # fmt: skip

    def script(asked):
        path, _, query = asked.path.partition("?")
        return Reply(200, pages[query]) if path.endswith("messageRules") else answer(asked)

    box.stub.script = script
    assert "CUST" in {folder.id for folder in box.client.folders()}


def by_hand(client, *names):
    return [folder.id for folder in client.folders(names) if folder.reason == "hand"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("customers", ["CUST"]),
        ("GLOBEX", ["GLOBEX"]),
        ("Customers/Globex", ["GLOBEX"]),
        ("posteingang/customers/globex", ["GLOBEX"]),
        ("/Customers/", ["CUST"]),
        ("Globex/Customers", []),
        ("ustomers", []),
        ("", []),
        ("/", []),
        ("Nowhere", []),
        ("Posteingang", []),
        ("Gesendet", []),
        ("Old", []),
        ("Papierkorb/Old/Older", []),
        ("Spam", []),
        ("Entwürfe", []),
    ],
)
def test_a_folder_is_followed_by_hand_by_its_name_or_path(box, name, found):
    assert by_hand(box.client, name) == found


def test_a_folder_that_a_rule_fills_anyway_is_followed_once(box):
    box.rules = [rule("move", moveToFolder="CUST")]
    client = box.client
    assert by_hand(client, "Customers", "Globex", "globex") == ["GLOBEX"]
    assert [f.id for f in client.folders(("Customers",))] == ["IN", "CUST", "SENT", "JUNK"]


def test_what_lies_in_a_folder_by_hand_is_followed_mail(box):
    client = box.client
    box.messages["m1"] = mail(1, "CUST")
    client.folders(("Customers",))
    assert client.headers([Ref("m1")])[0].place is Place.FOLLOWED
    assert "CUST" in client.baseline()


def test_folders_are_not_looked_through_where_none_is_followed_by_hand(box):
    box.client.folders()
    assert box.asked("childFolders") == []


def test_folders_that_contain_each_other_end(box, monkeypatch):
    monkeypatch.setitem(TREE, "IN", ("Posteingang", "CUST"))
    monkeypatch.setitem(TREE, "CUST", ("Customers", "ROOT"))
    assert by_hand(box.client, "Customers") == ["CUST"]
