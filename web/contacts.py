"""Contacts: the list, one contact's page with the timeline, adding people and addresses."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.addresses import normalise
from crm.store import companies, contacts, deals, journal, mailboxes, timeline
from crm.store.contacts import Added, AddressOfAnother, NoSuchContact, NotAnAddress
from crm.store.timeline import On
from web import merging, timelines
from web.forms import line, page_start
from web.parts import parts
from web.people import me

PER_PAGE = 50
REFUSED = 422

Answer = str | AnyResponse | tuple[str, int]


def listing() -> str:
    search, start = line("q"), page_start()
    with parts().database.read() as conn:
        found = contacts.listing(conn, me().account_id, search, start, PER_PAGE + 1)
        numbers = timeline.numbers(conn, me().viewer, [each.id for each in found])
        own = any(me().owns(each) for each in mailboxes.list_mailboxes(conn, me().account_id))
    return render_template(
        "contacts.html",
        found=found[:PER_PAGE],
        numbers=numbers,
        more=start + PER_PAGE if len(found) > PER_PAGE else 0,
        start=start,
        search=search,
        same_as=normalise(request.args.get("same_as", "")),
        has_mailbox=own,
    )


def page(contact_id: int) -> str:
    contact = merging.existing(contact_id)
    with parts().database.read() as conn:
        theirs = deals.of_contact(conn, me().account_id, contact_id)
        own = [each for each in mailboxes.list_mailboxes(conn, me().account_id) if me().owns(each)]
        refused = journal.refused_of(
            conn, me().account_id, [each.id for each in own], contact.addresses
        )
    return render_template(
        "contact.html",
        contact=contact,
        deals=theirs,
        own=own,
        refused=refused,
        address=normalise(request.args.get("address", "")),
        timeline=timelines.read(On.CONTACT, contact_id),
    )


def timeline_part(contact_id: int) -> Response:
    merging.existing(contact_id)
    return timelines.part(On.CONTACT, contact_id)


def new() -> str:
    typed = {"name": "", "addresses": normalise(request.args.get("address", "")), "company": ""}
    return render_template("new_contact.html", typed=typed, problem="", other=None)


def add() -> Answer:
    """Add a contact; refused replies of its addresses are judged again."""
    here, form = parts(), request.form
    name, firm = line("name"), line("company")
    addresses = form.get("addresses", "").replace(",", " ").split()
    if not addresses:
        return _again("Write at least one e-mail address.")
    try:
        with here.database.begin() as conn:
            company = companies.ensure(conn, me().account_id, firm) if firm else None
            added = contacts.add_contact(
                conn, me().account_id, name, addresses, here.clock(), company
            )
    except NotAnAddress:
        return _again("One of the addresses is not an e-mail address.")
    except AddressOfAnother as error:
        return _again("One of the addresses belongs to a contact already.", error.contact_id)
    here.ring(*added.woken)
    flash(f"{name or addresses[0]} is a contact now.{_judged_again(added)}")
    return redirect(url_for("contact", contact_id=added.contact_id))


def add_address(contact_id: int) -> AnyResponse:
    """One more address of the same person; refused replies from it are judged again."""
    here = parts()
    address = request.form.get("address", "").strip()
    back = redirect(url_for("contact", contact_id=contact_id))
    try:
        with here.database.begin() as conn:
            added = contacts.add_address(conn, me().account_id, contact_id, address, here.clock())
    except NoSuchContact:
        abort(404)
    except NotAnAddress:
        flash("That is not an e-mail address. One looks like maria@example.com.")
        return back
    except AddressOfAnother:
        flash(f"{normalise(address)} belongs to another contact already.")
        return back
    here.ring(*added.woken)
    flash(f"{normalise(address)} was added.{_judged_again(added)}")
    return back


def set_company(contact_id: int) -> AnyResponse:
    """Make a company the contact's primary one; no name takes the contact out."""
    firm = line("company")
    try:
        with parts().database.begin() as conn:
            company = companies.ensure(conn, me().account_id, firm) if firm else None
            contacts.set_company(conn, me().account_id, contact_id, company)
    except NoSuchContact:
        abort(404)
    flash(
        f"The company is {firm}. What is logged from now on stands on its timeline, too."
        if firm
        else "The contact has no company now. What was logged stays on its timeline."
    )
    return redirect(url_for("contact", contact_id=contact_id))


def _again(problem: str, other: int | None = None) -> tuple[str, int]:
    page = render_template("new_contact.html", typed=request.form, problem=problem, other=other)
    return page, REFUSED


def _judged_again(added: Added) -> str:
    return " Replies that were refused are being judged again." if added.woken else ""
