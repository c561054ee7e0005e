"""What can be done beside a row of the journal: carried out here, and the row then shows what came
of it."""

from collections.abc import Callable
from typing import TypeAlias

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.database import Connection
from crm.journal_actions import ALLOWS
from crm.journal_lines import Line, lines
from crm.journal_model import Do
from crm.model import VerdictKind
from crm.rules.turns import NARROWING
from crm.store import again, contacts, journal, journal_facts, mailboxes, never_log, waiting
from crm.store import settings as account_settings
from crm.store.contacts import AddressOfAnother, NoSuchContact, NotAnAddress
from crm.store.journal import Entry
from crm.store.mailboxes import Mailbox
from web.journal import row_version
from web.parts import parts
from web.people import admin_only, me

Done: TypeAlias = tuple[str, "set[int] | frozenset[int]"]  # what to say, and mailboxes to ring


def own_row(conn: Connection, row_id: int) -> tuple[Entry, Mailbox]:
    """A row of one of the person's own mailboxes; to all others there is none."""
    entry = journal.row(conn, me().account_id, row_id) or abort(404)
    mailbox = mailboxes.mailbox(conn, me().account_id, entry.mailbox_id) or abort(404)
    if not me().owns(mailbox):
        abort(403)
    return entry, mailbox


def row_part(row_id: int) -> Response:
    """A row that follows itself up; 204 while it shows what it showed."""
    line = _line(row_id)
    version = row_version(line)
    if request.args.get("v") == version:
        return Response(status=204)
    done = not line.again and line.entry.verdict == VerdictKind.REFUSED
    return Response(_row(line, "Looked at again just now." if done else ""))


def act(row_id: int, do: str) -> AnyResponse:
    """Carry out what a row offers."""
    handler = _HANDLERS.get(do) or abort(404)
    here = parts()
    try:
        with here.database.begin() as conn:
            entry, _ = own_row(conn, row_id)
            note, rung = handler(conn, entry)
    except AddressOfAnother:
        note, rung = "That address belongs to a contact already.", frozenset()
    except (NoSuchContact, NotAnAddress):
        abort(404)
    here.ring(*rung)
    if request.headers.get("HX-Request"):
        return Response(_row(_line(row_id), note))
    flash(note)
    return redirect(url_for("why"))


def _line(row_id: int) -> Line:
    who = me()
    with parts().database.read() as conn:
        entry, mailbox = own_row(conn, row_id)
        return lines(conn, who.viewer, [entry], [mailbox], who.is_admin)[0]


def _row(line: Line, note: str) -> str:
    """A row in place of one that may have gone: where the page followed itself up meanwhile, htmx
    must not take the row that stands there now for the one to keep (`hx-preserve`)."""
    shown = {"line": line, "note": note, "versions": row_version, "own": []}
    return render_template("why/row.html", **shown, kept=False)


def _add_contact(conn: Connection, entry: Entry) -> Done:
    here = parts()
    added = contacts.add_contact(conn, me().account_id, "", [entry.sender], here.clock())
    again_too = waiting.judge_again(conn, me().account_id, entry.id, here.clock())
    return f"{entry.sender} is a contact now.", added.woken | again_too


def _same_person(conn: Connection, entry: Entry) -> Done:
    contact_id = request.form.get("target", type=int) or abort(404)
    here = parts()
    added = contacts.add_address(conn, me().account_id, contact_id, entry.sender, here.clock())
    names = journal_facts.known(conn, me().account_id, [entry.sender])
    return f"Added to {names[entry.sender].name}.", added.woken


def _never_log(conn: Connection, entry: Entry) -> Done:
    account, here = me().account_id, parts()
    entry_id = request.form.get("target", type=int) or abort(404)
    row = never_log.row(conn, account, me().id, entry_id) or abort(404)
    if row.user_id is None:
        admin_only()
    never_log.remove(conn, account, row.user_id, row.id)
    rung = again.after_never_log(conn, account, row.user_id, here.clock())
    rung |= waiting.judge_again(conn, account, entry.id, here.clock())
    return f"{row.entry} is off the list.", rung


def _allow(conn: Connection, entry: Entry) -> Done:
    """Turn a switch over, and judge this message again, or all that the switch turns."""
    admin_only()
    account, now = me().account_id, parts().clock()
    name = request.form.get("target", "")
    if name not in ALLOWS:
        abort(404)
    account_settings.set_setting(conn, account, name, name not in NARROWING)
    if request.form.get("all"):
        return "Allowed, for all messages like it.", again.after_switch(conn, account, name, now)
    return "Allowed from now on.", waiting.judge_again(conn, account, entry.id, now)


def _again(conn: Connection, entry: Entry) -> Done:
    account, now = me().account_id, parts().clock()
    if rung := waiting.try_again(conn, account, entry.id, now):
        return "Trying again now.", rung
    return "", waiting.judge_again(conn, account, entry.id, now)


def _give_up(conn: Connection, entry: Entry) -> Done:
    waiting.give_up(conn, me().account_id, entry.id, parts().clock())
    return "Given up. The message stays in your mailbox.", frozenset()


_HANDLERS: dict[str, Callable[[Connection, Entry], Done]] = {
    Do.ADD_CONTACT: _add_contact,
    Do.SAME_PERSON: _same_person,
    Do.NEVER_LOG: _never_log,
    Do.ALLOW: _allow,
    Do.AGAIN: _again,
    Do.GIVE_UP: _give_up,
}
