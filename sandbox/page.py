"""A small pretend webmail for two worlds: read, write, answer, move, mark junk, rules, break things."""

import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, cast

import flask
from flask.typing import ResponseReturnValue

from sandbox import mail
from sandbox.control_mail import find_item, name_line, reply_draft
from sandbox.faults import Fault
from sandbox.world import Item, Missing, Person, Rule, Unsupported, World

FOLDER = Path(__file__).parent
LOG_LABEL = "Log to CRM"
_HOSTS = {"google": "Google", "microsoft": "Microsoft 365", "plain": "somewhere else"}
_CUTS = {
    "consent": "Consent taken away.",
    "password": "Password changed.",
    "tokens": "Access tokens ended.",
    "history": "Old cursors are too old now.",
}

View = Callable[..., ResponseReturnValue]


def _line(item: Item) -> dict[str, object]:
    return {
        "id": item.id,
        "subject": mail.header(item.raw, "Subject") or "(no subject)",
        "sender": mail.header(item.raw, "From"),
        "to": mail.header(item.raw, "To"),
        "labels": item.labels,
        "folder": item.folder,
        "read": item.read,
        "at": item.received_at,
    }


def _find(person: Person, item_id: str) -> Item:
    return find_item(person, {"id": item_id})


class _Pages:
    """The views; each holds the world's lock while it runs."""

    def __init__(self, world: World) -> None:
        self.world = world

    def people(self) -> ResponseReturnValue:
        shown = [
            (p, _HOSTS[p.provider], sum(not i.read for i in p.backend.items()))
            for p in self.world.people.values()
        ]
        return flask.render_template(
            "people.html", people=shown, drop=self.world.notifications.drop
        )

    def mailbox(self, address: str) -> ResponseReturnValue:
        person = self.world.person(address)
        items = person.backend.items()
        folders = list(dict.fromkeys(["inbox", "sent", *person.backend.folders()]))
        chosen = flask.request.args.get("folder", "inbox")
        shown = [_line(i) for i in reversed(items) if chosen in (i.folder, *i.labels)]
        return flask.render_template(
            "mailbox.html",
            person=person,
            host=_HOSTS[person.provider],
            folders=folders,
            chosen=chosen,
            items=shown,
            said=flask.request.args.get("said", ""),
            drop=self.world.notifications.drop,
        )

    def message(self, address: str, item_id: str) -> ResponseReturnValue:
        person = self.world.person(address)
        item = _find(person, item_id)
        return flask.render_template(
            "message.html",
            person=person,
            item=_line(item),
            cc=mail.header(item.raw, "Cc"),
            bcc=mail.header(item.raw, "Bcc"),
            text=mail.body_text(item.raw),
            head=mail.split(item.raw)[0].decode("utf-8", "replace"),
            folders=person.backend.folders(),
            log_label=LOG_LABEL,
        )

    def compose(self, address: str) -> ResponseReturnValue:
        return flask.render_template(
            "compose.html", person=self.world.person(address), log_label=LOG_LABEL
        )

    def send(self, address: str) -> ResponseReturnValue:
        form = flask.request.form
        person = self.world.person(address)
        draft = mail.Draft(
            sender=name_line(self.world, address),
            to=(form.get("to", ""),),
            cc=(form["cc"],) if form.get("cc") else (),
            bcc=(form["bcc"],) if form.get("bcc") else (),
            subject=form.get("subject", ""),
            text=form.get("text", ""),
        )
        person.backend.send(mail.compose(draft, self.world.now()), form.get("label") or None)
        return self._back(address, "Sent.", "sent")

    def answer(self, address: str, item_id: str) -> ResponseReturnValue:
        form = flask.request.form
        person = self.world.person(address)
        given = {"id": item_id, "text": form.get("text", ""), "bcc": form.get("bcc", "")}
        given |= {"subject": form["subject"]} if form.get("subject") else {}
        given |= {"all": form["all"]} if form.get("all") else {}
        raw = mail.compose(reply_draft(person, given), self.world.now())
        person.backend.send(raw, form.get("label") or None)
        return self._back(address, "Answered.", "sent")

    def act(self, address: str, item_id: str) -> ResponseReturnValue:
        form = flask.request.form
        backend = self.world.person(address).backend
        if form.get("delete"):
            backend.delete(item_id)
            return self._back(address, "Deleted for ever.")
        if form.get("label"):
            backend.label(item_id, form["label"], form.get("off") is None)
            return self._back(address, "Label changed.")
        target = form.get("new_folder") or form.get("to", "inbox")
        backend.move(item_id, target)
        return self._back(address, f"Moved to {target}.")

    def rule(self, address: str) -> ResponseReturnValue:
        form = flask.request.form
        target = form.get("target_folder", "").strip() or "Customers"
        wanted = form.get("from_contains", "").strip()
        name = form.get("name", "").strip() or f"From {wanted}"
        rule = Rule(name, wanted, target, copy=form.get("copy") == "1")
        self.world.person(address).backend.add_rule(rule)
        return self._back(address, f"Mail from {wanted} goes to {target} now.")

    def break_it(self, address: str) -> ResponseReturnValue:
        what = flask.request.form.get("what", "")
        if what in _CUTS:
            self.world.person(address).backend.cut(what)
            return self._back(address, _CUTS[what])
        if what == "drop":
            kept = self.world.notifications
            kept.drop = not kept.drop
            return self._back(address, f"Notifications {'get lost' if kept.drop else 'leave'} now.")
        if what == "429":
            self._busy(self.world.person(address))
            return self._back(address, "Every request is answered 429 for a minute.")
        raise Unsupported(f"nothing breaks like that: {what}")

    def _busy(self, person: Person) -> None:
        """429 on everything of the person's provider for a minute."""
        match = r" (/gmail/|/batch)" if person.provider == "google" else r" /v1\.0/"
        body = '{"error": {"code": 429, "message": "Too many requests", "status": "RESOURCE_EXHAUSTED"}}'
        fault = Fault(match, "status", 429, body, {"Retry-After": "60"}, None)
        self.world.faults.add(fault)
        timer = threading.Timer(60, self.world.faults.remove, (fault,))
        timer.daemon = True
        timer.start()

    def _back(self, address: str, said: str, folder: str = "inbox") -> ResponseReturnValue:
        return flask.redirect(
            flask.url_for("page.mailbox", address=address, said=said, folder=folder), 303
        )


_RULES = (
    ("/", "people", "GET"),
    ("/mail/<address>", "mailbox", "GET"),
    ("/mail/<address>/write", "compose", "GET"),
    ("/mail/<address>/write", "send", "POST"),
    ("/mail/<address>/rule", "rule", "POST"),
    ("/mail/<address>/break", "break_it", "POST"),
    ("/mail/<address>/message/<item_id>", "message", "GET"),
    ("/mail/<address>/message/<item_id>/answer", "answer", "POST"),
    ("/mail/<address>/message/<item_id>", "act", "POST"),
)


def blueprint(world: World) -> flask.Blueprint:
    """The pages for people."""
    routes = flask.Blueprint("page", __name__)
    pages = _Pages(world)
    for path, name, verb in _RULES:
        routes.add_url_rule(path, name, _guarded(world, getattr(pages, name)), methods=[verb])
    return routes


def _guarded(world: World, view: View) -> View:
    @wraps(view)
    def guarded(**names: Any) -> ResponseReturnValue:
        try:
            with world.lock:
                return view(**names)
        except Missing as error:
            return flask.render_template("said.html", text=str(error)), 404
        except (Unsupported, ValueError) as error:
            return flask.render_template("said.html", text=str(error)), 400

    return cast(View, guarded)
