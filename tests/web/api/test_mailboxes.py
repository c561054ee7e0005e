"""/mailboxes."""

from datetime import timedelta

from sqlalchemy import update

from crm.tables import Mailbox


def test_a_mailbox_says_how_it_is_doing(program, company):
    box = company.connect("ana@acme.test", "graph")
    assert program.get("/mailboxes")["items"] == [program.get(f"/mailboxes/{box.id}")]
    found = program.get(f"/mailboxes/{box.id}")

    assert found["address"] == "ana@acme.test"
    assert found["provider"] == "graph"
    assert found["kind"] == "personal"
    assert found["status"] == "connected"
    assert found["reason"] is None
    assert {"name": "Customers", "reason": "rule"} in found["followed_folders"]


def test_a_stopped_mailbox_says_why(program, company):
    box = company.connect("ana@acme.test")
    company.stop("ana@acme.test", "password-changed")

    found = program.get(f"/mailboxes/{box.id}")

    assert found["status"] == "reconnect"
    assert "password" in found["reason"]


def test_the_lag_is_counted_from_the_last_settled_time(program, company):
    box = company.connect("ana@acme.test")
    settle(company, box, None)
    assert program.get(f"/mailboxes/{box.id}")["lag_seconds"] is None
    settle(company, box, company.now - timedelta(seconds=90))

    assert program.get(f"/mailboxes/{box.id}")["lag_seconds"] == 90.0


def settle(company, box, when):
    with company.database.begin() as conn:
        mine = Mailbox.account_id == box.account_id
        conn.execute(update(Mailbox).where(mine).values(settled_at=when))


def test_a_mailbox_of_nobody_is_not_there(program):
    program.get("/mailboxes/77", 404)
