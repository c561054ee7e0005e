"""What the pages say about the log label of a mailbox."""

import pytest
from redis import Redis

from crm.store import mailboxes
from crm.store.labels import Label, set_label
from tests.web.company import Company
from tests.web.conftest import Client
from workers.queue import AWAKE

WORDS = {
    ("gmail", "scope-missing"): "Make it in Gmail yourself",
    ("graph", "scope-missing"): "right-click any message",
    ("gmail", "label-name"): "Gmail does not accept “CRM/Log”",
    ("graph", "label-name"): "Outlook does not accept “CRM/Log”",
    ("graph", "not-yet"): "could not be made yet; we try again",
}


@pytest.mark.parametrize(
    ("provider", "problem", "words"), [(*key, words) for key, words in WORDS.items()]
)
def test_a_label_that_could_not_be_made_is_told_on_card_and_connect_page(
    company: Company, ana: Client, provider: str, problem: str, words: str
) -> None:
    box = company.connect("ana@acme.test", provider)
    with company.database.begin() as conn:
        set_label(conn, box, Label("CRM/Log", problem, company.now))
    for path in ("/mailboxes", f"/mailboxes/{box.id}/connected"):
        assert words in ana.get(path).text


def test_a_label_that_is_there_is_not_talked_about(company: Company, ana: Client) -> None:
    box = company.connect("ana@acme.test")
    with company.database.begin() as conn:
        set_label(conn, box, Label("Log to CRM", "", company.now))
    assert "Log to CRM" not in ana.get("/mailboxes").text


def test_nobody_is_told_about_the_label_of_a_mailbox_that_stopped(
    company: Company, ana: Client
) -> None:
    box = company.connect("ana@acme.test")
    with company.database.begin() as conn:
        set_label(conn, box, Label("Log to CRM", "scope-missing", company.now))
        mailboxes.disconnect(conn, company.account, box.id, company.now)
    assert "Make it in Gmail" not in ana.get("/mailboxes").text


def test_a_new_name_of_the_label_rings_the_connected_mailboxes(
    company: Company, ana: Client, redis: Redis
) -> None:
    box, other = company.connect("ana@acme.test"), company.connect("ben@acme.test")
    with company.database.begin() as conn:
        mailboxes.disconnect(conn, company.account, other.id, company.now)
    form = {"log_label": "CRM/Log", "bcc_address": "", "forwarding_address": ""}
    assert ana.post("/settings/connection", form).status_code == 302
    assert redis.zrange(AWAKE, 0, -1) == [str(box.id).encode()]


def test_before_the_first_look_the_way_by_hand_is_told_for_outlook_alone(
    company: Company, ana: Client
) -> None:
    box = company.connect("ana@acme.test", "graph")
    path = f"/mailboxes/{box.id}/connected"
    assert "Outlook does not offer it? Make it once" in " ".join(ana.get(path).text.split())
    with company.database.begin() as conn:
        set_label(conn, box, Label("Log to CRM", "", company.now))
    assert "Make it once" not in ana.get(path).text
