"""What the control API can do to the pretend Microsoft.

| method and path (below /control) | body | answer |
|---|---|---|
| POST microsoft/authorize | url, address, decision ("accept") | location: where the browser goes; status and page where it goes nowhere |
| POST microsoft/token | address, scopes | access_token and refresh_token without a browser |
| POST microsoft/switch | address, name, value (null: the world's again) | a switch for one mailbox |
| POST microsoft/read-only-rule | as rule | a rule that Graph shows without conditions and actions |
| POST microsoft/read | address, id, read | |
| POST microsoft/categories | address, id, names | |
| POST microsoft/link | address, id, name, url | a cloud attachment |
| POST microsoft/rename-folder | address, name, to | |
| POST microsoft/delete-folder | address, name | goes under Deleted Items |
| POST microsoft/move-folder | address, name, to | into another folder or place |
| POST microsoft/delete-rule | address, name | |
| POST microsoft/fill | address, folder, count, days (30) | that many messages received so long ago, told to nobody |
| POST microsoft/silence | address | its subscriptions stay alive and tell of no mail any more |
| POST microsoft/finish-scan | address | Dynamic Delivery puts the attachments in place |
| POST microsoft/lifecycle | address, kind | reauthorizationRequired, subscriptionRemoved or missed |
| POST microsoft/end-subscriptions | address | they end, and nobody is told |
| POST microsoft/revoke-sessions | address | refreshing fails with AADSTS50173 |
| POST microsoft/ids | address, id | both ids of a message, its folder's id |
| GET microsoft/subscriptions | | all live subscriptions |
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import flask

from sandbox.control import add_route
from sandbox.microsoft.entra import Entra
from sandbox.microsoft.people import Mailbox
from sandbox.microsoft.service import Grant, service_of
from sandbox.microsoft.subscriptions import show
from sandbox.microsoft.wire import GraphError
from sandbox.world import Missing, Rule, World

Body = Mapping[str, Any]
SCOPES = "openid profile offline_access User.Read Mail.Read MailboxSettings.Read"
LIFECYCLE = ("reauthorizationRequired", "subscriptionRemoved", "missed")


def _box(world: World, body: Body) -> Mailbox:
    found = service_of(world).mailbox(str(body["address"]))
    if found is None:
        raise Missing(f"no Microsoft mailbox {body['address']}")
    return found


def _authorize(world: World, body: Body) -> object:
    parts = urlsplit(str(body["url"]))
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    values["decision"] = str(body.get("decision", "accept"))
    values["account"] = _box(world, body).address
    entra = Entra(service_of(world))
    tenant = parts.path.strip("/").split("/")[0]
    consent = parts.path.endswith("adminconsent")
    found = (entra.admin_consent if consent else entra.authorize)(tenant, values)
    answer = flask.make_response(found)
    page = answer.get_data(as_text=True) if answer.status_code != 302 else ""
    return {"location": answer.headers.get("Location"), "status": answer.status_code, "page": page}


def _token(world: World, body: Body) -> object:
    service, box = service_of(world), _box(world, body)
    scopes = frozenset(body.get("scopes") or SCOPES.split())
    service.consents.setdefault(box.address, set()).update(scopes)
    grant = Grant(box.address, scopes)
    form = {"claims": str(body.get("claims", ""))}
    return Entra(service).issue(form, grant, scopes, "", world.url)


def _switch(world: World, body: Body) -> object:
    _box(world, body).set_switch(str(body["name"]), body["value"])
    return {"ok": True}


def _read_only_rule(world: World, body: Body) -> object:
    target = str(body["target_folder"])
    rule = Rule(
        str(body["name"]), str(body.get("from_contains", "")), target, bool(body.get("copy"))
    )
    return {"id": _box(world, body).add_read_only_rule(rule)}


def _read(world: World, body: Body) -> object:
    _box(world, body).mark_read(str(body["id"]), bool(body.get("read", True)))
    return {"ok": True}


def _categories(world: World, body: Body) -> object:
    _box(world, body).set_categories(str(body["id"]), [str(name) for name in body["names"]])
    return {"ok": True}


def _link(world: World, body: Body) -> object:
    _box(world, body).add_link(str(body["id"]), str(body["name"]), str(body["url"]))
    return {"ok": True}


def _rename_folder(world: World, body: Body) -> object:
    _box(world, body).rename_folder(str(body["name"]), str(body["to"]))
    return {"ok": True}


def _delete_folder(world: World, body: Body) -> object:
    _box(world, body).delete_folder(str(body["name"]))
    return {"ok": True}


def _move_folder(world: World, body: Body) -> object:
    _box(world, body).move_folder(str(body["name"]), str(body["to"]))
    return {"ok": True}


def _delete_rule(world: World, body: Body) -> object:
    _box(world, body).delete_rule(str(body["name"]))
    return {"ok": True}


def _fill(world: World, body: Body) -> object:
    received = world.now() - timedelta(days=float(body.get("days", 30)))
    _box(world, body).fill(str(body["folder"]), int(body["count"]), received)
    return {"ok": True}


def _silence(world: World, body: Body) -> object:
    _box(world, body).silence()
    return {"ok": True}


def _finish_scan(world: World, body: Body) -> object:
    _box(world, body).finish_scan()
    return {"ok": True}


def _lifecycle(world: World, body: Body) -> object:
    if body["kind"] not in LIFECYCLE:
        raise ValueError(f"kind is one of {', '.join(LIFECYCLE)}")
    _box(world, body).lifecycle(str(body["kind"]))
    return {"ok": True}


def _end_subscriptions(world: World, body: Body) -> object:
    service, address = service_of(world), _box(world, body).address
    for key in [key for key, one in service.subscriptions.items() if one.address == address]:
        del service.subscriptions[key]
    return {"ok": True}


def _revoke_sessions(world: World, body: Body) -> object:
    _box(world, body).revoke_sessions()
    return {"ok": True}


def _ids(world: World, body: Body) -> object:
    store = _box(world, body).store
    try:
        message = store.message(str(body["id"]))
    except GraphError:
        raise Missing(f"no message {body['id']}") from None
    immutable = store.id_of(message, immutable=True)
    return {"id": store.id_of(message), "immutable": immutable, "folder": message.folder}


def _subscriptions(world: World, _body: Body) -> object:
    return [show(one, one.address) for one in service_of(world).subscriptions.values()]


_ROUTES: dict[str, Callable[[World, Body], object]] = {
    "POST microsoft/authorize": _authorize,
    "POST microsoft/token": _token,
    "POST microsoft/switch": _switch,
    "POST microsoft/read-only-rule": _read_only_rule,
    "POST microsoft/read": _read,
    "POST microsoft/categories": _categories,
    "POST microsoft/link": _link,
    "POST microsoft/rename-folder": _rename_folder,
    "POST microsoft/delete-folder": _delete_folder,
    "POST microsoft/move-folder": _move_folder,
    "POST microsoft/delete-rule": _delete_rule,
    "POST microsoft/fill": _fill,
    "POST microsoft/silence": _silence,
    "POST microsoft/finish-scan": _finish_scan,
    "POST microsoft/lifecycle": _lifecycle,
    "POST microsoft/end-subscriptions": _end_subscriptions,
    "POST microsoft/revoke-sessions": _revoke_sessions,
    "POST microsoft/ids": _ids,
    "GET microsoft/subscriptions": _subscriptions,
}


def add_routes(world: World, steering: flask.Blueprint) -> None:
    """Put them beside the control API's own."""
    for line, handler in _ROUTES.items():
        add_route(steering, world, line, handler)
