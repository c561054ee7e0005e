"""The log label at each provider, beyond what the contract says."""

from collections.abc import Iterator

import pytest

from crm.model import Ref
from providers import causes
from providers.client import Operator, Retry
from tests.providers import mail
from tests.providers.gmail_rig import GmailRig
from tests.providers.gmail_rig import settings_for as gmail_settings
from tests.providers.graph_rig import GraphRig, rig_on
from tests.sandbox_process import Sandbox


@pytest.fixture
def gmail(sandbox: Sandbox) -> Iterator[GmailRig]:
    rig = GmailRig(sandbox, gmail_settings(sandbox))
    yield rig
    rig.close()


@pytest.fixture
def graph(sandbox: Sandbox) -> Iterator[GraphRig]:
    with rig_on(sandbox) as made:
        yield made


def test_gmail_gets_a_deleted_label_again(gmail: GmailRig) -> None:
    gmail.client.ensure_label("Log to CRM")
    (label,) = (one for one in gmail.call("GET", "/labels")["labels"] if one["type"] == "user")
    gmail.call("DELETE", f"/labels/{label['id']}")
    assert gmail.labels() == []
    gmail.client.ensure_label("Log to CRM")
    assert gmail.labels() == ["Log to CRM"]


def test_a_message_with_a_label_that_was_made_here_tells_its_name(gmail: GmailRig) -> None:
    gmail.client.ensure_label("CRM/Log")
    ref = gmail.send(mail.PLAIN)
    gmail.label(ref, "crm/log")
    (headers,) = gmail.client.headers([Ref(ref)])
    assert headers is not None
    assert headers.labels == {"CRM/Log"}


@pytest.mark.parametrize("name", ["Inbox", "SPAM"])
def test_gmail_refuses_the_names_of_its_own_labels(gmail: GmailRig, name: str) -> None:
    with pytest.raises(Operator) as caught:
        gmail.client.ensure_label(name)
    assert caught.value.cause == causes.LABEL_NAME


def test_a_label_that_somebody_makes_meanwhile_is_no_error(gmail: GmailRig) -> None:
    gmail.client.ensure_label("Log to CRM")
    gmail.sandbox.post(  # the list as it was a moment ago
        "/control/faults", match="GET /gmail/v1/users/me/labels", kind="status", status=200,
        body={"labels": []}, times=1,
    )  # fmt: skip
    gmail.client.ensure_label("log to crm")
    assert gmail.labels() == ["Log to CRM"]


def test_a_conflict_with_something_that_is_no_label_is_the_names_fault(gmail: GmailRig) -> None:
    gmail.sandbox.post(
        "/control/faults", match="POST /gmail/v1/users/me/labels", kind="status", status=409,
        body={"error": {"code": 409, "status": "ABORTED", "message": "exists or conflicts"}},
    )  # fmt: skip
    with pytest.raises(Operator) as caught:
        gmail.client.ensure_label("Log to CRM")
    assert caught.value.cause == causes.LABEL_NAME


@pytest.mark.parametrize("name", ["Log, CRM", "x" * 300])
def test_outlook_refuses_some_names(graph: GraphRig, name: str) -> None:
    with pytest.raises(Operator) as caught:
        graph.client.ensure_label(name)
    assert caught.value.cause == causes.LABEL_NAME
    assert graph.labels() == []


def test_a_busy_outlook_is_asked_again_later(graph: GraphRig) -> None:
    graph.refuse(503)
    with pytest.raises(Retry):
        graph.client.ensure_label("Log to CRM")


def test_a_category_that_is_in_the_list_needs_no_permission_to_make_one(graph: GraphRig) -> None:
    graph.client.ensure_label("Log to CRM")
    graph.keep_labels()
    graph.client.ensure_label("LOG to CRM")
