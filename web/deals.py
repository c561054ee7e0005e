"""Deals: the list, and one deal's page with its contacts and its timeline."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.addresses import normalise
from crm.store import contacts, deals
from crm.store.contacts import NoSuchContact
from crm.store.deals import DealRow, NoSuchDeal
from crm.store.timeline import On
from web import timelines
from web.forms import line, page_start, row_id
from web.parts import parts
from web.people import me

PER_PAGE = 50
PEOPLE = 100  # contacts shown on a deal's page


def listing() -> str:
    search, start = line("q"), page_start()
    with parts().database.read() as conn:
        found = deals.listing(conn, me().account_id, search, start, PER_PAGE + 1)
    return render_template(
        "deals.html",
        found=found[:PER_PAGE],
        more=start + PER_PAGE if len(found) > PER_PAGE else 0,
        start=start,
        search=search,
    )


def add() -> AnyResponse:
    """Add an open deal, with the contact on whose page the form stood."""
    here, name = parts(), line("name")
    contact_id = row_id("contact_id")
    if not name:
        flash("Write the deal's name.")
        return redirect(url_for("deals"))
    try:
        with here.database.begin() as conn:
            people = [] if contact_id is None else [contact_id]
            deal_id = deals.add(conn, me().account_id, name, people, here.clock())
    except NoSuchContact:
        abort(404)
    flash(f"“{name}” is open. What is logged with its contacts from now on stands here, too.")
    return redirect(url_for("deal", deal_id=deal_id))


def page(deal_id: int) -> str:
    deal = _deal(deal_id)
    with parts().database.read() as conn:
        people = contacts.of_deal(conn, me().account_id, deal_id, PEOPLE)
    return render_template(
        "deal.html", deal=deal, people=people, timeline=timelines.read(On.DEAL, deal_id)
    )


def timeline_part(deal_id: int) -> Response:
    _deal(deal_id)
    return timelines.part(On.DEAL, deal_id)


def add_contact(deal_id: int) -> AnyResponse:
    """Put the contact with the address that was typed into the deal."""
    address = normalise(line("address"))
    back = redirect(url_for("deal", deal_id=deal_id))
    _deal(deal_id)
    with parts().database.begin() as conn:
        found = contacts.find(conn, me().account_id, address) if address else None
        if found is not None:
            deals.put_contact(conn, me().account_id, deal_id, found.id)
    if found is None:
        flash("No contact has that address. Add the contact first.")
    return back


def remove_contact(deal_id: int, contact_id: int) -> AnyResponse:
    """What was logged stays on the deal's timeline."""
    _deal(deal_id)
    with parts().database.begin() as conn:
        deals.remove_contact(conn, me().account_id, deal_id, contact_id)
    return redirect(url_for("deal", deal_id=deal_id))


def set_open(deal_id: int) -> AnyResponse:
    """Close a deal, or open it again."""
    is_open = request.form.get("open") == "yes"
    try:
        with parts().database.begin() as conn:
            deals.set_open(conn, me().account_id, deal_id, is_open)
    except NoSuchDeal:
        abort(404)
    flash(
        "The deal is open again."
        if is_open
        else "The deal is closed. New threads do not come to it; what stands here stays."
    )
    return redirect(url_for("deal", deal_id=deal_id))


def _deal(deal_id: int) -> DealRow:
    with parts().database.read() as conn:
        found = deals.deal(conn, me().account_id, deal_id)
    return found or abort(404)
