"""Companies: the list, and one company's page with its people and its timeline."""

from flask import Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.store import companies, contacts
from crm.store.companies import CompanyRow
from crm.store.timeline import On
from web import timelines
from web.forms import domain_of, line, page_start
from web.parts import parts
from web.people import me

PER_PAGE = 50
PEOPLE = 100  # contacts shown on a company's page


def listing() -> str:
    search, start = line("q"), page_start()
    with parts().database.read() as conn:
        found = companies.listing(conn, me().account_id, search, start, PER_PAGE + 1)
    return render_template(
        "companies.html",
        found=found[:PER_PAGE],
        more=start + PER_PAGE if len(found) > PER_PAGE else 0,
        start=start,
        search=search,
    )


def add() -> AnyResponse:
    """Add a company, or go to the one that is there already."""
    name, typed = line("name"), line("domain")
    domain = domain_of(typed)
    if typed and not domain:
        flash("That is not a domain. One looks like example.com.")
        return redirect(url_for("companies"))
    if not name and not domain:
        flash("Write the company's name.")
        return redirect(url_for("companies"))
    with parts().database.begin() as conn:
        company_id = companies.ensure(conn, me().account_id, name, domain)
    return redirect(url_for("company", company_id=company_id))


def page(company_id: int) -> str:
    company = _company(company_id)
    with parts().database.read() as conn:
        people = contacts.of_company(conn, me().account_id, company_id, PEOPLE)
    return render_template(
        "company.html",
        company=company,
        people=people,
        timeline=timelines.read(On.COMPANY, company_id),
    )


def timeline_part(company_id: int) -> Response:
    _company(company_id)
    return timelines.part(On.COMPANY, company_id)


def _company(company_id: int) -> CompanyRow:
    with parts().database.read() as conn:
        found = companies.company(conn, me().account_id, company_id)
    return found or abort(404)
