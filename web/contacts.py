"""Contacts: the list, one contact's page with the timeline, adding people and addresses."""

from dataclasses import dataclass

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.addresses import normalise
from crm.store import companies, contacts, deals, mailboxes, timeline
from crm.store.contacts import Added, AddressOfAnother, ContactRow, NoSuchContact, NotAnAddress
from crm.store.paging import WrongCursor
from crm.store.timeline import EmailRow, ThreadRow
from web import live
from web.emails import Shown, shown
from web.parts import parts
from web.people import me

PER_PAGE = 50
THREADS = 10
MOST = 1_000_000  # contacts that can be paged through
LONGEST_NAME = 200
REFUSED = 422

Answer = str | AnyResponse | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread, folded to its newest message."""

    row: ThreadRow
    newest: Shown
    older: tuple[EmailRow, ...]

    @property
    def name(self) -> str:
        return f"thread-{self.row.id}-{self.newest.email.id}-{len(self.older)}"


def listing() -> str:
    search = request.args.get("q", "").strip()[:LONGEST_NAME]
    start = min(max(request.args.get("start", 0, type=int), 0), MOST)
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
    contact = _contact(contact_id)
    after = request.args.get("after", "")
    rows, more = _rows(contact_id, after)
    with parts().database.read() as conn:
        theirs = deals.of_contact(conn, me().account_id, contact_id)
        own = [each for each in mailboxes.list_mailboxes(conn, me().account_id) if me().owns(each)]
    return render_template(
        "contact.html",
        contact=contact,
        deals=theirs,
        own=own,
        address=normalise(request.args.get("address", "")),
        threads=_threads(rows),
        more=more,
        first_page=not after,
        version=_version(rows),
    )


def timeline_part(contact_id: int) -> Response:
    """The first page of the timeline, for a page that follows itself up."""
    contact = _contact(contact_id)
    rows, more = _rows(contact_id, "")
    version = _version(rows)
    if request.args.get("v") == version:
        return Response(status=204)
    return live.part(
        "parts/timeline.html",
        version,
        contact=contact,
        threads=_threads(rows),
        more=more,
        first_page=True,
    )


def new() -> str:
    typed = {"name": "", "addresses": normalise(request.args.get("address", "")), "company": ""}
    return render_template("new_contact.html", typed=typed, problem="", other=None)


def add() -> Answer:
    """Add a contact; refused replies of its addresses are judged again."""
    here, form = parts(), request.form
    name = " ".join(form.get("name", "").split())[:LONGEST_NAME]
    addresses = form.get("addresses", "").replace(",", " ").split()
    firm = form.get("company", "").strip()[:LONGEST_NAME]
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


def _contact(contact_id: int) -> ContactRow:
    with parts().database.read() as conn:
        found = contacts.contact(conn, me().account_id, contact_id)
    return found or abort(404)


def _rows(contact_id: int, after: str) -> tuple[tuple[ThreadRow, ...], str]:
    with parts().database.read() as conn:
        try:
            found = timeline.of_contact(conn, me().viewer, contact_id, after, THREADS)
        except WrongCursor:
            abort(404)
    return found.items, found.next


def _threads(rows: tuple[ThreadRow, ...]) -> list[Thread]:
    threads = []
    with parts().database.read() as conn:
        for row in rows:
            newest = timeline.email(conn, me().viewer, row.emails[0].id)
            if newest is not None:
                threads.append(Thread(row, shown(newest), row.emails[1:]))
    return threads


def _version(rows: tuple[ThreadRow, ...]) -> str:
    return live.version(
        *((row.id, [(each.id, each.visibility) for each in row.emails]) for row in rows)
    )


def _again(problem: str, other: int | None = None) -> tuple[str, int]:
    page = render_template("new_contact.html", typed=request.form, problem=problem, other=other)
    return page, REFUSED


def _judged_again(added: Added) -> str:
    return " Replies that were refused are being judged again." if added.woken else ""
