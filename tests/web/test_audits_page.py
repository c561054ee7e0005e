"""Audits on the pages: what they found, and one at once."""

import pytest

from crm.store import audits, mailboxes
from tests.web import story
from workers.queue import AWAKE


@pytest.fixture
def told(company):
    return story.tell(company)


def test_the_last_audits_stand_there_with_what_they_found_and_why(ana, told):
    page = " ".join(ana.get("/mailboxes/1/audit").text.split())
    assert "Nothing missing" in page
    assert "2 missed" in page
    assert "2, 1 of them logged now" in page
    assert "It came while the provider announced no new mail of this mailbox." in page
    assert "41: 36 known, 3 in junk" in page
    assert page.index("Under way") < page.index("2 missed") < page.index("Nothing missing")


def test_the_history_leads_there(ana, told):
    assert 'href="/mailboxes/1/audit"' in ana.get("/mailboxes/1/history").text


def test_a_mailbox_without_audits_says_when_the_first_one_comes(ana, company):
    company.connect("ana@acme.test")
    assert "in the night after the mailbox was connected" in ana.get("/mailboxes/1/audit").text


def test_somebody_asks_for_one_at_once_and_a_worker_is_rung(ana, company, redis):
    box = company.connect("ana@acme.test")
    answer = ana.post(f"/mailboxes/{box.id}/audit", {"days": "7"})
    assert (answer.status_code, answer.location) == (302, f"/mailboxes/{box.id}/audit")
    with company.database.read() as conn:
        begun = audits.open_one(conn, company.account, box.id)
        row = mailboxes.by_id(conn, box.id)
    assert begun is not None
    assert (begun.asked, begun.days) == ("person", 7)
    assert row is not None
    assert row.audit_due_at == row.wake_at == company.now
    assert redis.zrange(AWAKE, 0, -1) == [str(box.id).encode()]
    assert "Under way" in ana.get(f"/mailboxes/{box.id}/audit").text


def test_the_page_follows_its_progress(ana, told):
    shown = ana.get("/mailboxes/1/audit").text.partition("lines?v=")[2].partition('"')[0]
    assert ana.get(f"/mailboxes/1/audit/lines?v={shown}").status_code == 204
    part = ana.get("/mailboxes/1/audit/lines?v=other").text
    assert 'value="66"' in part


def test_audits_are_for_the_owner_and_only_they_ask_for_one(ana, ben, company, told):
    assert ana.get("/mailboxes/2/audit").status_code == 200
    assert "Check the last days now" not in ana.get("/mailboxes/2/audit").text
    assert ana.post("/mailboxes/2/audit", {"days": "3"}).status_code == 403
    for path in ("audit", "audit/lines"):
        assert ben.get(f"/mailboxes/1/{path}").status_code == 403
        assert ana.get(f"/mailboxes/999/{path}").status_code == 404


def test_what_cannot_be_audited_says_so(ana, company):
    box = company.connect("ana@acme.test")
    assert ana.post(f"/mailboxes/{box.id}/audit", {"days": "400"}).status_code == 400
    company.stop("ana@acme.test", "revoked")
    assert "cannot be checked" in ana.get(f"/mailboxes/{box.id}/audit").text
    assert ana.post(f"/mailboxes/{box.id}/audit", {"days": "3"}).status_code == 409
