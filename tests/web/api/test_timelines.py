"""Timelines and e-mails."""

import pytest
from sqlalchemy import update

from crm.model import Scope, Visibility
from crm.store import companies, contacts, deals
from crm.tables import Email
from tests.web.conftest import both

FIELDS = {
    "id", "direction", "subject", "from", "to", "cc", "sent_at", "logged_at", "kind", "thread_id",
    "message_id", "mailboxes", "rule", "has_attachments", "snippet",
}  # fmt: skip


@pytest.fixture
def maria(company):
    company.connect("ana@acme.test")
    with company.database.begin() as conn:
        firm = companies.ensure(conn, company.account, "Globex", "globex.test")
        added = contacts.add_contact(
            conn, company.account, "Maria", ["maria@globex.test"], company.now, firm
        )
        deals.add(conn, company.account, "Big deal", [added.contact_id], company.now)
    offer = company.mail(
        "Ana <ana@acme.test>", "maria@globex.test", "Offer", "our offer", bcc="log@acme.test"
    )
    answer = company.mail(
        "Maria Rossi <maria@globex.test>", "ana@acme.test", "Re: Offer", "we take it",
        html="<p>we take it<script>alert(1)</script></p>", answers=offer["Message-ID"],
    )  # fmt: skip
    company.bring("ana@acme.test", offer)
    company.bring("ana@acme.test", answer)
    return added.contact_id


def test_a_timeline_has_the_newest_first_with_every_field(program, maria):
    found = program.get(f"/contacts/{maria}/timeline")["items"]

    assert [each["subject"] for each in found] == ["Re: Offer", "Offer"]
    assert set(found[0]) >= FIELDS
    answer = found[0]
    assert answer["from"] == "maria@globex.test"
    assert answer["from_name"] == "Maria Rossi"
    assert answer["to"] == ["ana@acme.test"]
    assert (answer["direction"], answer["kind"], answer["rule"]) == ("incoming", "reply", "reply")
    assert answer["mailboxes"] == ["ana@acme.test"]
    assert answer["has_attachments"] is False
    assert found[1]["direction"] == "outgoing"
    assert found[0]["thread_id"] == found[1]["thread_id"]


@both
def test_companies_and_deals_have_the_same_timeline(program, maria):
    contact = program.get(f"/contacts/{maria}/timeline")

    assert program.get("/companies/1/timeline") == contact
    assert program.get("/deals/1/timeline") == contact


@both
def test_a_timeline_goes_on_where_the_last_page_ended(program, maria):
    first = program.get(f"/contacts/{maria}/timeline", limit=1)
    rest = program.get(f"/contacts/{maria}/timeline", limit=1, cursor=first["next"])

    assert [each["subject"] for each in first["items"] + rest["items"]] == ["Re: Offer", "Offer"]
    assert rest["next"] is None
    program.get(f"/contacts/{maria}/timeline", 400, cursor="yesterday")


@pytest.mark.parametrize("path", ["/contacts/77", "/companies/77", "/deals/77"])
def test_the_timeline_of_nobody_is_not_there(program, maria, path):
    program.get(f"{path}/timeline", 404)


def test_an_e_mail_comes_with_its_body_made_harmless(program, maria):
    entry = program.get(f"/contacts/{maria}/timeline")["items"][0]

    whole = program.get(f"/emails/{entry['id']}")

    assert whole["text"].strip() == "we take it"
    assert "we take it" in whole["html"]
    assert "script" not in whole["html"]
    assert entry.items() <= whole.items()
    program.get("/emails/77", 404)


def test_what_is_restricted_takes_a_key_that_may_see_it(program, make_program, company, maria):
    path = f"/contacts/{maria}/timeline"
    entry = program.get(path)["items"][0]
    with company.database.begin() as conn:
        this = (Email.account_id == company.account) & (Email.id == entry["id"])
        conn.execute(update(Email).where(this).values(visibility=Visibility.OWNER))

    assert entry["id"] not in [each["id"] for each in program.get(path)["items"]]
    program.get(f"/emails/{entry['id']}", 404)
    insider = make_program(Scope.READ, Scope.RESTRICTED)
    assert insider.get(path)["items"][0]["visibility"] == "owner"
    assert insider.get(f"/emails/{entry['id']}")["id"] == entry["id"]
