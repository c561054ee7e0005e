"""Folders and inbox rules of the pretend Graph."""

import pytest

from tests.sandbox.graph_kit import BEN, Client, code_of, until
from tests.sandbox_process import Sandbox


def rule(sandbox: Sandbox, **more: object) -> str:
    body = {
        "address": BEN,
        "name": "Customers",
        "from_contains": "globex",
        "target_folder": "Customers",
    }
    key: str = sandbox.post("/control/rule", **{**body, **more})["id"]
    return key


def names(ben: Client, folder: str) -> list[str]:
    return [one["subject"] for one in ben.get(f"/me/mailFolders/{folder}/messages")["value"]]


def test_well_known_names_work_in_any_case_and_both_forms(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    oid = ben.get("/me")["id"]
    forms = [
        "/me/mailFolders/Inbox",
        "/me/mailFolders('inbox')",
        f"/users/{BEN}/mailFolders/INBOX",
        f"/users/{oid}/mailFolders/inbox",
        "/users/me-token-to-replace/mailFolders/inbox",
    ]
    assert len({ben.get(form)["id"] for form in forms}) == 1


def test_one_level_is_listed_in_pages(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.post("/me/mailFolders/inbox/childFolders", displayName="Deep")
    page = ben.get("/me/mailFolders", top=3)
    seen = page["value"]
    while "@odata.nextLink" in page:
        page = ben.get(page["@odata.nextLink"])
        seen += page["value"]
    shown = {one["displayName"]: one for one in seen}
    assert {"Inbox", "Sent Items", "Drafts", "Deleted Items", "Junk Email", "Outbox"} <= set(shown)
    assert "Deep" not in shown
    assert shown["Inbox"]["childFolderCount"] == 1
    tree = ben.get("/me/mailFolders", top=99, expand="childFolders($select=displayName;$top=99)")[
        "value"
    ]
    inbox = next(one for one in tree if one["displayName"] == "Inbox")
    assert inbox["childFolders"][0]["displayName"] == "Deep"


def test_a_deleted_folder_goes_under_deleted_items_with_its_id(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    made = ben.post("/me/mailFolders", displayName="Mine").json()
    assert ben.post("/me/mailFolders", displayName="mine").status_code == 409
    renamed = ben.call("PATCH", f"/me/mailFolders/{made['id']}", json={"displayName": "Yours"})
    assert renamed.json()["displayName"] == "Yours"
    assert ben.call("DELETE", f"/me/mailFolders/{made['id']}").status_code == 204
    assert ben.get(f"/me/mailFolders/{made['id']}")["parentFolderId"] == ben.folder("deleteditems")
    assert ben.call("DELETE", f"/me/mailFolders/{made['id']}").status_code == 204
    gone = ben.call("GET", f"/me/mailFolders/{made['id']}")
    assert (gone.status_code, code_of(gone)) == (404, "ErrorItemNotFound")


def test_a_rule_moves_arriving_mail(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    rule(sandbox)
    shown = ben.get("/me/mailFolders/inbox/messageRules")["value"][0]
    target = ben.get(f"/me/mailFolders/{shown['actions']['moveToFolder']}")["id"]
    assert target != shown["actions"]["moveToFolder"]
    ben.deliver(subject="moved")
    assert names(ben, target) == ["moved"]
    assert names(ben, "inbox") == []
    assert ben.get("/me/messages")["value"][0]["parentFolderId"] == target


def test_a_rule_can_copy(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    rule(sandbox, copy=True)
    ben.deliver(subject="both")
    found = ben.get("/me/messages")["value"]
    assert len({one["id"] for one in found}) == 2
    assert len({one["internetMessageId"] for one in found}) == 1


def test_a_rule_may_act_after_the_message_was_seen_in_the_inbox(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.rule_inbox_first", 0.2)
    rule(sandbox)
    ben.deliver(subject="late")
    assert names(ben, "inbox") == ["late"]
    until(lambda: names(ben, "inbox") == [])


def test_a_disabled_rule_and_a_read_only_one(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    rule(sandbox, enabled=False)
    ben.control("read-only-rule", name="Odd", from_contains="umbrella", target_folder="Odd")
    shown = {
        one["displayName"]: one for one in ben.get("/me/mailFolders/inbox/messageRules")["value"]
    }
    assert shown["Customers"]["isEnabled"] is False
    assert shown["Odd"]["isReadOnly"] is True
    assert not {"actions", "conditions"} & set(shown["Odd"])
    ben.deliver()
    assert names(ben, "inbox") == ["Hello"]
    ben.deliver(**{"from": "joe@umbrella.test"})
    assert len(names(ben, "inbox")) == 1


def test_a_rule_whose_folder_is_deleted_has_an_error(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    rule(sandbox)
    ben.control("delete-folder", name="Customers")
    assert ben.get("/me/mailFolders/inbox/messageRules")["value"][0]["hasError"] is True
    ben.deliver()
    assert names(ben, "inbox") == ["Hello"]


def test_rules_are_made_changed_and_deleted(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    base = "/me/mailFolders/inbox/messageRules"
    body = {
        "displayName": "r",
        "conditions": {"subjectContains": ["x"]},
        "actions": {"markAsRead": True},
    }
    made = ben.call("POST", base, json=body)
    assert made.status_code == 201
    one = f"{base}/{made.json()['id']}"
    assert ben.call("PATCH", one, json={"isEnabled": False}).json()["isEnabled"] is False
    assert ben.call("DELETE", one).status_code == 204
    assert ben.call("GET", one).status_code == 404


@pytest.mark.parametrize("scopes", [["User.Read", "Mail.Read"], ["MailboxSettings.Read"]])
def test_rules_need_their_own_scope(sandbox: Sandbox, scopes: list[str]) -> None:
    ben = Client(sandbox, scopes=scopes)
    expected = 200 if "MailboxSettings.Read" in scopes else 403
    assert ben.call("GET", "/me/mailFolders/inbox/messageRules").status_code == expected
