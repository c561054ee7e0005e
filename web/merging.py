"""Putting contacts right: two that are one person, and addresses that are somebody else's."""

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.addresses import normalise
from crm.store import contacts, merging, timeline
from crm.store.contacts import ContactRow, NoSuchContact
from web.forms import line, row_id
from web.parts import parts
from web.people import me

MOST_FOUND = 20


def page(contact_id: int) -> str:
    """Look for the other contact; or, with `other`, what a merge with it would move."""
    other_id = request.args.get("other", 0, type=int)
    search = line("q")
    with parts().database.read() as conn:
        contact = contacts.contact(conn, me().account_id, contact_id) or abort(404)
        if other_id:
            other = contacts.contact(conn, me().account_id, other_id)
            if other is None or other.id == contact.id:
                abort(404)
            moves = merging.preview(conn, me().viewer, contact.id, other.id)
            return render_template("merge.html", contact=contact, other=other, moves=moves)
        wanted = MOST_FOUND + 1
        found = contacts.listing(conn, me().account_id, search, 0, wanted) if search else []
        found = [each for each in found if each.id != contact.id][:MOST_FOUND]
        numbers = timeline.numbers(conn, me().viewer, [each.id for each in found])
    return render_template(
        "merge_with.html", contact=contact, found=found, numbers=numbers, search=search
    )


def merge(contact_id: int) -> Response:
    here = parts()
    gone = row_id("other") or abort(404)
    try:
        with here.database.begin() as conn:
            done = merging.merge(conn, me().account_id, contact_id, gone, here.clock())
    except NoSuchContact:
        abort(404)
    here.ring(*done.woken)
    flash("The two contacts are one now.")
    return redirect(url_for("contact", contact_id=contact_id))


def remove_address(contact_id: int) -> Response:
    """Take an address away; the e-mails that only it brought leave the timeline."""
    existing(contact_id)
    address = normalise(request.form.get("address", ""))
    with parts().database.begin() as conn:
        contacts.remove_address(conn, me().account_id, contact_id, address)
    flash(f"{address} was removed. Its e-mails stay logged, and come to whoever gets the address.")
    return redirect(url_for("contact", contact_id=contact_id))


def existing(contact_id: int) -> ContactRow:
    """The contact, for a page about it. Whoever was merged into another leads there."""
    with parts().database.read() as conn:
        found = contacts.contact(conn, me().account_id, contact_id)
        if found is None and (to := merging.merged_into(conn, me().account_id, contact_id)):
            abort(redirect(url_for("contact", contact_id=to)))
    return found or abort(404)
