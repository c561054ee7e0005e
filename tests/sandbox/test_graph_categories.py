"""The master list of categories of the pretend Graph."""

from tests.sandbox.graph_kit import SCOPES, Client, code_of
from tests.sandbox_process import Sandbox

LIST = "/me/outlook/masterCategories"


def test_a_category_is_made_listed_and_deleted(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    assert ben.get(LIST)["value"] == []
    made = ben.post(LIST, displayName="Log to CRM", color="preset4")
    assert made.status_code == 201
    assert ben.post(LIST, displayName="log to crm").status_code == 409
    (shown,) = ben.get(LIST)["value"]
    assert (shown["displayName"], shown["color"]) == ("Log to CRM", "preset4")
    assert ben.call("DELETE", f"{LIST}/{shown['id']}").status_code == 204
    assert ben.call("DELETE", f"{LIST}/{shown['id']}").status_code == 404
    assert ben.get(LIST)["value"] == []


def test_a_category_needs_a_name_and_a_known_colour(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    for body in ({}, {"displayName": " "}, {"displayName": "a,b"}, {"displayName": "x" * 256}):
        assert ben.post(LIST, **body).status_code == 400
    assert ben.post(LIST, displayName="x", color="preset99").status_code == 400


def test_reading_the_list_is_not_writing_it(sandbox: Sandbox) -> None:
    ben = Client(sandbox, scopes=[one for one in SCOPES if one != "MailboxSettings.ReadWrite"])
    assert ben.get(LIST)["value"] == []
    refused = ben.post(LIST, displayName="Log to CRM")
    assert (refused.status_code, code_of(refused)) == (403, "ErrorAccessDenied")
