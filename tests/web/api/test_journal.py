"""/mailboxes/{id}/journal."""

import pytest
from sqlalchemy import update

from crm.model import Scope, Visibility
from crm.tables import Email

SECRET = "a subject that must not be kept"


@pytest.fixture
def journal(company):
    """Ana's mailbox with a root, a reply and two refusals; the path of its journal."""
    box = company.connect("ana@acme.test")
    company.contact("Maria", "maria@globex.test")
    offer = company.mail("ana@acme.test", "maria@globex.test", "Offer", "x", bcc="log@acme.test")
    for message in (
        offer,
        company.mail("maria@globex.test", "ana@acme.test", "Re: Offer", "yes",
                     answers=offer["Message-ID"]),
        company.mail("maria@globex.test", "ana@acme.test", SECRET, "new"),
        company.mail("eve@globex.test", "ana@acme.test", "Re: Offer", "me too",
                     answers=offer["Message-ID"]),
    ):  # fmt: skip
        company.bring("ana@acme.test", message)
    return f"/mailboxes/{box.id}/journal"


def test_every_message_has_a_verdict_a_rule_and_a_sentence(program, journal):
    found = program.get(journal)["items"]

    assert {(each["sender"], each["verdict"], each["rule"]) for each in found} == {
        ("ana@acme.test", "logged", "sent-bcc"),
        ("maria@globex.test", "logged", "reply"),
        ("maria@globex.test", "refused", "not-a-reply"),
        ("eve@globex.test", "refused", "unknown-sender"),
    }
    for each in found:
        assert each["sentence"]
        assert each["received_at"]
        assert (each["email_id"] is not None) is (each["verdict"] == "logged")
        assert bool(each["remedy"]) is (each["verdict"] == "refused")
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"rule": "unknown-sender"}, 1),
        ({"sender": "globex"}, 3),
        ({"verdict": "logged"}, 2),
        ({"sender": "maria", "verdict": "refused"}, 1),
        ({"rule": "no-such-rule"}, 0),
    ],
)
def test_the_journal_is_narrowed(program, journal, query, number):
    assert len(program.get(journal, **query)["items"]) == number


def test_the_journal_goes_on_where_the_last_page_ended(program, journal):
    first = program.get(journal, limit=3)
    rest = program.get(journal, limit=3, cursor=first["next"])

    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 1, None)
    program.get(journal, 400, cursor="yesterday")
    program.get(journal, 422, verdict="maybe")


def test_an_e_mail_that_the_key_may_not_see_is_not_named(program, company, journal):
    with company.database.begin() as conn:
        mine = Email.account_id == company.account
        conn.execute(update(Email).where(mine).values(visibility=Visibility.OWNER))

    found = program.get(journal, verdict="logged")["items"]

    assert [each["email_id"] for each in found] == [None, None]
    assert "Offer" not in str(found)


def test_the_journal_takes_its_own_scope(make_program, journal):
    make_program(Scope.READ).get(journal, 403)
