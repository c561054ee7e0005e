"""/contacts: the people on whose timelines mail is logged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import marshmallow as ma
from flask.views import MethodView

from crm.addresses import normalise
from crm.database import Connection
from crm.store import contacts, merging, removal
from crm.store.contacts import AddressOfAnother, ContactRow, NoSuchContact, NotAnAddress
from crm.store.paging import Page, WrongCursor
from web.api import lists
from web.api.keys import caller
from web.api.lists import Window
from web.api.problems import Problem
from web.api.resources import Resource, row_id
from web.parts import parts

LONGEST_NAME = 200
MOST_EMAILS = 100
blueprint = Resource("api_contacts", __name__, url_prefix="/contacts", description=__doc__)


class ContactSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    emails = ma.fields.List(ma.fields.String(), required=True)
    company_id = ma.fields.Integer(required=True, allow_none=True)


class NewContactSchema(ma.Schema):
    name = ma.fields.String(load_default="", validate=ma.validate.Length(max=LONGEST_NAME))
    emails = ma.fields.List(
        ma.fields.String(), required=True, validate=ma.validate.Length(1, MOST_EMAILS)
    )
    company_id = row_id(load_default=None, allow_none=True)


class ChangedContactSchema(ma.Schema):
    """What is left out stays as it is; `emails` is the whole new list."""

    name = ma.fields.String(validate=ma.validate.Length(max=LONGEST_NAME))
    emails = ma.fields.List(ma.fields.String(), validate=ma.validate.Length(1, MOST_EMAILS))
    company_id = row_id(allow_none=True)


class MergeSchema(ma.Schema):
    contact_id = row_id(
        required=True, metadata={"description": "the contact that ends; its id leads to this one"}
    )


class Search(Window):
    email = ma.fields.String(load_default="", metadata={"description": "exactly this address"})
    q = ma.fields.String(load_default="", metadata={"description": "part of a name or an address"})


def shape(row: ContactRow) -> dict[str, Any]:
    """A contact as JSON."""
    return {
        "id": row.id,
        "name": row.name,
        "emails": list(row.addresses),
        "company_id": row.company.id if row.company else None,
    }


def found(contact_id: int) -> ContactRow:
    """The contact. Raises Problem 404; where it was merged, the problem names the other one."""
    with parts().database.read() as conn:
        row = contacts.contact(conn, caller().account_id, contact_id)
        other = merging.merged_into(conn, caller().account_id, contact_id)
    if row is None and other is not None:
        raise Problem(404, "This contact was merged into another one.", contact_id=other)
    if row is None:
        raise Problem(404, "There is no such contact.")
    return row


@blueprint.route("")
class Contacts(MethodView):
    @blueprint.arguments(Search, location="query")
    @blueprint.response(200, lists.listed(ContactSchema))
    def get(self, search: dict[str, Any]) -> dict[str, Any]:
        """Contacts by name."""
        return lists.answer(lambda: _search(search), shape)

    @blueprint.arguments(NewContactSchema)
    @blueprint.response(201, ContactSchema)
    def post(self, new: dict[str, Any]) -> dict[str, Any]:
        """Add a contact. Replies of these addresses that were refused are judged again."""
        here, account_id = parts(), caller().account_id
        with _explained(), here.database.begin() as conn:
            added = contacts.add_contact(
                conn, account_id, new["name"], new["emails"], here.clock(), new["company_id"]
            )
        here.ring(*added.woken)
        return shape(found(added.contact_id))


@blueprint.route("/<int:contact_id>")
class Contact(MethodView):
    @blueprint.response(200, ContactSchema)
    def get(self, contact_id: int) -> dict[str, Any]:
        """One contact."""
        return shape(found(contact_id))

    @blueprint.arguments(ChangedContactSchema, required=False)
    @blueprint.response(200, ContactSchema)
    def patch(self, change: dict[str, Any], contact_id: int) -> dict[str, Any]:
        """Change a contact."""
        woken = _change(contact_id, change)
        parts().ring(*woken)
        return shape(found(contact_id))

    @blueprint.response(204)
    def delete(self, contact_id: int) -> None:
        """Remove a contact, and the logged e-mails that then stand on nobody's timeline."""
        with _explained(), parts().database.begin() as conn:
            removal.remove_contact(conn, caller().account_id, contact_id)


@blueprint.route("/<int:contact_id>/merge")
class Merge(MethodView):
    @blueprint.arguments(MergeSchema)
    @blueprint.response(200, ContactSchema)
    def post(self, other: dict[str, Any], contact_id: int) -> dict[str, Any]:
        """Make one contact of two: this one gets all that the other has."""
        here, account_id = parts(), caller().account_id
        with _explained(), here.database.begin() as conn:
            done = merging.merge(conn, account_id, contact_id, other["contact_id"], here.clock())
        here.ring(*done.woken)
        return shape(found(contact_id))


def _search(search: dict[str, Any]) -> Page[ContactRow]:
    account_id = caller().account_id
    with parts().database.read() as conn:
        if search["email"]:
            one = contacts.find(conn, account_id, search["email"])
            return Page((one,) if one else ())
        start = search["cursor"] or "0"
        if not (start.isascii() and start.isdigit() and len(start) < 10):
            raise WrongCursor(start)
        limit = search["limit"]
        rows = contacts.listing(conn, account_id, search["q"], int(start), limit + 1)
    return Page(tuple(rows[:limit]), str(int(start) + limit) if len(rows) > limit else "")


def _change(contact_id: int, change: dict[str, Any]) -> frozenset[int]:
    here, account_id = parts(), caller().account_id
    woken: frozenset[int] = frozenset()
    with _explained(), here.database.begin() as conn:
        row = contacts.contact(conn, account_id, contact_id)
        if row is None:
            raise NoSuchContact
        if "name" in change:
            contacts.rename(conn, account_id, contact_id, change["name"])
        if "company_id" in change:
            contacts.set_company(conn, account_id, contact_id, change["company_id"])
        if "emails" in change:
            woken = _addresses(conn, row, change["emails"])
    return woken


def _addresses(conn: Connection, row: ContactRow, emails: list[str]) -> frozenset[int]:
    """Make `emails` the contact's addresses; the mailboxes to wake."""
    account_id, woken = caller().account_id, frozenset[int]()
    for each in emails:
        added = contacts.add_address(conn, account_id, row.id, each, parts().clock())
        woken |= added.woken
    wanted = {normalise(each) for each in emails}
    for each in row.addresses:
        if each not in wanted:
            contacts.remove_address(conn, account_id, row.id, each)
    return woken


@contextmanager
def _explained() -> Iterator[None]:
    """The store's errors as problems."""
    try:
        yield
    except NoSuchContact:
        raise Problem(404, "There is no such contact.") from None
    except NotAnAddress:
        raise Problem(422, "One of `emails` is not an e-mail address.") from None
    except AddressOfAnother as error:
        detail = "One of `emails` belongs to another contact."
        raise Problem(409, detail, contact_id=error.contact_id) from None
    except LookupError:
        raise Problem(422, "`company_id`: there is no such company.") from None
