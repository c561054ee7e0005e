"""The pages of companies and deals, and the ways to them."""

from datetime import timedelta

import pytest

from crm.store import companies, contacts, deals
from tests.web.company import BCC, Company
from tests.web.conftest import Client

MARIA = "maria@globex.test"


@pytest.fixture
def maria(company: Company) -> int:
    company.connect("ana@acme.test")
    return company.contact("Maria Rossi", MARIA, company="Globex")


def globex(company: Company) -> int:
    with company.database.read() as conn:
        (found,) = companies.listing(conn, company.account)
    return found.company.id


def an_offer(company: Company, subject: str = "Offer 12") -> None:
    """Ana sends Maria an offer with Log ticked; Maria answers."""
    sent = company.mail("Ana <ana@acme.test>", MARIA, subject, "Here it is.", Bcc=BCC)
    company.bring("ana@acme.test", sent, timedelta(hours=2))
    reply = company.mail(
        MARIA, "ana@acme.test", f"Re: {subject}", "We take it.", answers=sent["Message-ID"]
    )
    company.bring("ana@acme.test", reply, timedelta(hours=1))


def opened(answer: object) -> int:
    """The id at the end of the address that a form led to."""
    return int(answer.headers["Location"].rpartition("/")[2])  # type: ignore[attr-defined]


def test_empty_lists_say_what_to_do(ana: Client) -> None:
    assert "No companies yet" in ana.get("/companies").text
    assert "No deals yet" in ana.get("/deals").text


def test_root_and_reply_stand_on_the_pages_of_the_contacts_company_and_deal(
    company: Company, ana: Client, maria: int
) -> None:
    deal = opened(ana.post("/deals", {"name": "Spring order", "contact_id": str(maria)}))
    an_offer(company)
    for path in (f"/companies/{globex(company)}", f"/deals/{deal}", f"/contacts/{maria}"):
        text = ana.get(path).text
        assert "Offer 12" in text
        assert "We take it." in text
        assert "1 earlier message" in text
    contact = ana.get(f"/contacts/{maria}").text
    assert f'href="/deals/{deal}"' in contact
    assert f'href="/companies/{globex(company)}"' in contact


def test_a_closed_deal_keeps_its_timeline_and_gets_no_new_threads(
    company: Company, ana: Client, maria: int
) -> None:
    deal = opened(ana.post("/deals", {"name": "Spring order", "contact_id": str(maria)}))
    an_offer(company)
    ana.post(f"/deals/{deal}/open", {"open": "no"})
    an_offer(company, "Offer 13")
    text = ana.get(f"/deals/{deal}").text
    assert ("Offer 12" in text, "Offer 13" in text) == (True, False)
    assert "closed" in ana.get("/deals").text
    ana.post(f"/deals/{deal}/open", {"open": "yes"})
    an_offer(company, "Offer 14")
    assert "Offer 14" in ana.get(f"/deals/{deal}").text


def test_contacts_come_into_a_deal_by_address_and_leave_it(
    company: Company, ana: Client, maria: int
) -> None:
    deal = opened(ana.post("/deals", {"name": "Spring order"}))
    assert "Without a contact nothing comes" in ana.get(f"/deals/{deal}").text
    ana.post(f"/deals/{deal}/contacts", {"address": "nobody@x.test"})
    assert "No contact has that address" in ana.get(f"/deals/{deal}").text
    ana.post(f"/deals/{deal}/contacts", {"address": "MARIA@globex.test"})
    assert "Maria Rossi" in ana.get(f"/deals/{deal}").text
    ana.post(f"/deals/{deal}/contacts/{maria}/remove")
    assert "Maria Rossi" not in ana.get(f"/deals/{deal}").text


def test_a_contact_changes_and_leaves_its_company(
    company: Company, ana: Client, maria: int
) -> None:
    old = globex(company)
    ana.post(f"/contacts/{maria}/company", {"company": "  Initech   GmbH "})
    assert "Initech GmbH" in ana.get(f"/contacts/{maria}").text
    assert "Name this company on a contact" in ana.get(f"/companies/{old}").text
    ana.post(f"/contacts/{maria}/company", {"company": ""})
    with company.database.read() as conn:
        assert contacts.contact(conn, company.account, maria).company is None


def test_a_company_is_added_once_and_found_by_name_or_domain(company: Company, ana: Client) -> None:
    form = {"name": "Initech", "domain": "Initech.test"}
    first, second = (opened(ana.post("/companies", form)) for _ in range(2))
    assert first == second
    for search in ("init", "INITECH.TEST"):
        assert "Initech" in ana.get(f"/companies?q={search}").text
    assert "No company is called" in ana.get("/companies?q=hooli").text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": "X", "domain": "not a domain"}, "That is not a domain"),
        ({"name": " ", "domain": ""}, "Write the company"),
    ],
    ids=["a wrong domain", "no name"],
)
def test_a_company_needs_a_name_and_a_good_domain(
    ana: Client, form: dict[str, str], words: str
) -> None:
    assert words in ana.get(ana.post("/companies", form).headers["Location"]).text
    assert "No companies yet" in ana.get("/companies").text


def test_a_deal_needs_a_name_and_a_contact_that_exists(company: Company, ana: Client) -> None:
    assert "Write the deal" in ana.get(ana.post("/deals", {"name": ""}).headers["Location"]).text
    assert ana.post("/deals", {"name": "x", "contact_id": "999"}).status_code == 404
    assert "No deals yet" in ana.get("/deals").text


@pytest.mark.parametrize(
    "path", ["/companies/9", "/companies/9/timeline", "/deals/9", "/deals/9/timeline"]
)
def test_what_is_not_there_is_not_found(ana: Client, path: str) -> None:
    assert ana.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/deals/9/open", "/deals/9/contacts", "/contacts/9/company"])
def test_nothing_can_be_changed_that_is_not_there(ana: Client, path: str) -> None:
    assert ana.post(path, {"address": MARIA, "open": "no"}).status_code == 404


def test_the_pages_follow_themselves_up(company: Company, ana: Client, maria: int) -> None:
    with company.database.begin() as conn:
        deal = deals.add(conn, company.account, "Spring order", [maria], company.now)
    for path in (f"/companies/{globex(company)}", f"/deals/{deal}"):
        shown = ana.get(path).text.partition(f'hx-get="{path}/timeline?v=')[2].partition('"')[0]
        assert ana.get(f"{path}/timeline?v={shown}").status_code == 204
    an_offer(company)
    for path in (f"/companies/{globex(company)}", f"/deals/{deal}"):
        assert "Offer 12" in ana.get(f"{path}/timeline?v={shown}").text


def test_the_five_newest_open_deals_of_a_contact_get_a_thread(
    company: Company, ana: Client, maria: int
) -> None:
    with company.database.begin() as conn:
        made = [
            deals.add(conn, company.account, f"D{day}", [maria], company.now + timedelta(days=day))
            for day in range(6)
        ]
    an_offer(company)
    found = ["Offer 12" in ana.get(f"/deals/{each}").text for each in made]
    assert found == [False, True, True, True, True, True]


def test_lists_go_on_on_further_pages(company: Company, ana: Client) -> None:
    with company.database.begin() as conn:
        for number in range(51):
            deals.add(conn, company.account, f"Deal {number:02}", [], company.now)
            companies.ensure(conn, company.account, f"Firm {number:02}")
    assert "Firm 50" in ana.get("/companies?start=50").text
    assert "start=50" in ana.get("/deals").text
    assert "Deal 00" in ana.get("/deals?start=50").text
