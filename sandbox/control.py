"""The control API: what the world does to the mailboxes, and what goes wrong. JSON in, JSON out.

An unknown person, message or folder answers 404, a wrong body 400: {"error": "..."}.

| method and path | body | answer |
|---|---|---|
| POST reset | | everything back to the start |
| GET people | | people with provider |
| POST people | address, name, provider | a new person |
| GET counts, POST counts/reset | | operations counted since the start or the reset |
| GET faults, DELETE faults?name= | | the faults that are set; take all away, or those of a name |
| GET faults/met | | how many requests met a fault, by its name |
| POST faults | name, match, kind, status, body, headers, times (null: for ever), seconds, after | |
| GET notifications | | how they misbehave, and each one that left with its time |
| POST notifications | drop, duplicate, delay, reorder | |
| GET switches, POST switches | name: value | what the reference calls unverified, and limits |
| POST skew | seconds | the sandbox's clock runs that far ahead |
| POST mail | from, to, cc, bcc, subject, text, html, attachments[{name, mime, content (base64) or size}], in_reply_to, references, headers, message_id, place, raw (base64) | deliver from anyone: message_id, ids |
| POST send | as mail (with raw: from), and label, withheld | a person sends in the own mail program (withheld: it reaches nobody yet): message_id, id |
| POST reply | from, message_id or id, text, subject, all | a person answers a message of the own mailbox |
| GET mailbox?address= | | messages and folders |
| GET raw?address=&id= | | the message as bytes |
| POST move | address, id, to | the id afterwards |
| POST label | address, id, label, on | |
| POST delete | address, id | |
| POST rule | address, name, from_contains, target_folder, copy, enabled | |
| POST password, consent, expire-tokens, expire-history | address | end access in that way |
| POST mx | domain, provider or host (null: the domain does not exist) | |
| POST google/... | see `sandbox.google.control` | |
"""

import base64
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from sandbox import mail, people
from sandbox.control_mail import draft_of, reply_draft, shown_item
from sandbox.faults import Fault
from sandbox.world import Missing, Rule, Unsupported, World

Body = Mapping[str, Any]
_CUTS = {
    "password": "password",
    "consent": "consent",
    "expire-tokens": "tokens",
    "expire-history": "history",
}


def _reset(world: World, _body: Body) -> object:
    with world.lock:
        world.reset()
        people.seed(world)
    return {"ok": True}


def _people(world: World, _body: Body) -> object:
    shown = [(p.address, p.name, p.provider) for p in world.people.values()]
    return [dict(zip(("address", "name", "provider"), one, strict=True)) for one in shown]


def _add_person(world: World, body: Body) -> object:
    provider = str(body.get("provider", "plain"))
    person = people.add_person(world, body["address"], str(body.get("name", "")), provider)
    return {"address": person.address}


def _counts(world: World, _body: Body) -> object:
    return dict(sorted(world.counts.items()))


def _reset_counts(world: World, _body: Body) -> object:
    world.counts.clear()
    return {"ok": True}


def _add_fault(world: World, body: Body) -> object:
    given = dict(body)
    if isinstance(given.get("body"), dict | list):
        given["body"] = flask.json.dumps(given["body"])
    world.faults.add(Fault(**given))
    return {"ok": True}


def _faults(world: World, _body: Body) -> object:
    return world.faults.listing()


def _met(world: World, _body: Body) -> object:
    return dict(world.faults.met)


def _no_faults(world: World, _body: Body) -> object:
    world.faults.clear(flask.request.args.get("name", ""))
    return {"ok": True}


def _misbehave(world: World, body: Body) -> object:
    kept = world.notifications
    kept.drop = bool(body.get("drop", kept.drop))
    kept.duplicate = bool(body.get("duplicate", kept.duplicate))
    kept.delay = float(body.get("delay", kept.delay))
    kept.reorder = float(body.get("reorder", kept.reorder))
    return {"ok": True}


def _notifications(world: World, _body: Body) -> object:
    kept = world.notifications
    state: dict[str, object] = {"drop": kept.drop, "duplicate": kept.duplicate}
    state |= {"delay": kept.delay, "reorder": kept.reorder}
    return state | {"log": [asdict(one) for one in list(kept.log)]}


def _switches(world: World, body: Body) -> object:
    for name in body:
        if name not in world.switches:
            raise ValueError(f"no switch {name}; there are {', '.join(sorted(world.switches))}")
    world.switches.update(body)
    return world.switches


def _skew(world: World, body: Body) -> object:
    world.skew = timedelta(seconds=float(body["seconds"]))
    return {"now": world.now().isoformat()}


def _mail(world: World, body: Body) -> object:
    place = str(body.get("place", "inbox"))
    if place not in ("inbox", "junk"):
        raise ValueError("place is inbox or junk")
    if "raw" in body:
        raw = base64.b64decode(body["raw"])
        to = [str(one) for one in body.get("recipients", mail.recipients(raw))]
        ids = world.deliver(mail.without_bcc(raw), to, place)
    else:
        raw = mail.compose(draft_of(body, world), world.now())
        ids = world.post(raw, place)
    return {"message_id": mail.message_id(raw), "ids": ids}


def _send(world: World, body: Body) -> object:
    if "raw" in body:
        person, raw = world.person(body["from"]), base64.b64decode(body["raw"])
    else:
        draft = draft_of(body, world)
        person = world.person(mail.bare(draft.sender))
        raw = mail.compose(draft, world.now())
    with world.withheld() if body.get("withheld") else nullcontext():
        found = person.backend.send(raw, body.get("label"))
    return {"message_id": mail.message_id(raw), "id": found}


def _reply(world: World, body: Body) -> object:
    person = world.person(mail.bare(body["from"]))
    raw = mail.compose(reply_draft(person, body), world.now())
    found = person.backend.send(raw, body.get("label"))
    return {"message_id": mail.message_id(raw), "id": found}


def _mailbox(world: World, _body: Body) -> object:
    backend = world.person(flask.request.args["address"]).backend
    return {
        "folders": backend.folders(),
        "messages": [shown_item(item) for item in backend.items()],
    }


def _raw(world: World, _body: Body) -> object:
    wanted = flask.request.args["id"]
    items = world.person(flask.request.args["address"]).backend.items()
    for item in items:
        if item.id == wanted:
            return flask.Response(item.raw, content_type="message/rfc822")
    raise Missing(f"no message {wanted}")


def _move(world: World, body: Body) -> object:
    return {"id": world.person(body["address"]).backend.move(body["id"], str(body["to"]))}


def _label(world: World, body: Body) -> object:
    on = bool(body.get("on", True))
    world.person(body["address"]).backend.label(body["id"], str(body["label"]), on)
    return {"ok": True}


def _delete(world: World, body: Body) -> object:
    world.person(body["address"]).backend.delete(body["id"])
    return {"ok": True}


def _rule(world: World, body: Body) -> object:
    rule = Rule(
        str(body["name"]),
        str(body["from_contains"]),
        str(body["target_folder"]),
        bool(body.get("copy", False)),
        bool(body.get("enabled", True)),
    )
    return {"id": world.person(body["address"]).backend.add_rule(rule)}


def _cut(cause: str) -> Callable[[World, Body], object]:
    def cut(world: World, body: Body) -> object:
        world.person(body["address"]).backend.cut(cause)
        return {"ok": True}

    return cut


def _mx(world: World, body: Body) -> object:
    provider = body.get("provider") or body.get("host")
    if provider is None:
        world.hosts.pop(str(body["domain"]), None)
    else:
        world.hosts[str(body["domain"]).lower()] = str(provider)
    return {"ok": True}


_ROUTES: dict[str, Callable[[World, Body], object]] = {
    "POST reset": _reset,
    "GET people": _people,
    "POST people": _add_person,
    "GET counts": _counts,
    "POST counts/reset": _reset_counts,
    "GET faults": _faults,
    "GET faults/met": _met,
    "POST faults": _add_fault,
    "DELETE faults": _no_faults,
    "GET notifications": _notifications,
    "POST notifications": _misbehave,
    "GET switches": _switches,
    "POST switches": _switches,
    "POST skew": _skew,
    "POST mail": _mail,
    "POST send": _send,
    "POST reply": _reply,
    "GET mailbox": _mailbox,
    "GET raw": _raw,
    "POST move": _move,
    "POST label": _label,
    "POST delete": _delete,
    "POST rule": _rule,
    "POST mx": _mx,
    **{f"POST {name}": _cut(cause) for name, cause in _CUTS.items()},
}


def _answer(
    world: World, handler: Callable[[World, Body], object], locked: bool
) -> ResponseReturnValue:
    body: object = {}
    if flask.request.get_data():
        body = flask.request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        return {"error": "the body is no JSON object"}, 400
    try:
        with world.lock if locked else nullcontext():
            answer = handler(world, body)
            return answer if isinstance(answer, flask.Response) else flask.jsonify(answer)
    except Missing as error:
        return {"error": str(error)}, 404
    except KeyError as error:
        return {"error": f"missing: {error}"}, 400
    except (ValueError, TypeError, Unsupported) as error:
        return {"error": str(error)}, 400


def add_route(
    routes: flask.Blueprint,
    world: World,
    line: str,
    handler: Callable[[World, Body], object],
    locked: bool = True,
) -> None:
    """One more path of the control API; `line` is "POST path". A handler that calls somebody who
    may call back is not run under the world's lock."""
    verb, path = line.split()
    name = line.replace(" ", "_").replace("/", "_")
    routes.add_url_rule(f"/{path}", name, lambda: _answer(world, handler, locked), methods=[verb])


def blueprint(world: World) -> flask.Blueprint:
    """All of /control/, without what providers add to it."""
    routes = flask.Blueprint("control", __name__, url_prefix="/control")
    for line, handler in _ROUTES.items():
        add_route(routes, world, line, handler)
    return routes
