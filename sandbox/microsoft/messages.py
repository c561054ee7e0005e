"""Handlers for messages and their attachments."""

from typing import Any
from urllib.parse import urlencode

from sandbox.microsoft import files, odata, sending, view
from sandbox.microsoft.graph import Context
from sandbox.microsoft.store import Stored
from sandbox.microsoft.wire import Answer, Json, bad_request, not_found

_MIME = {"Content-Type": "text/plain"}
_FLAGS = {"notFlagged", "complete", "flagged"}


def _look(context: Context) -> view.Wanted:
    """What is to be shown; Mail.ReadBasic refuses bodies that were asked for, hides others."""
    look = view.wanted(context.call)
    if context.basic:
        asked = set(look.names) & (view.BODY | {"attachments"})
        if asked or look.expand:
            context.refuse_basic()
        look.names = look.names or [name for name in view.DEFAULT if name not in view.BODY]
    return look


def listing(context: Context, key: str = "") -> Answer:
    """GET messages, of the whole mailbox or one folder; newest first unless told otherwise."""
    call, store = context.call, context.mailbox.store
    if call.option("search"):
        raise bad_request("This sandbox does not search.", "ErrorInvalidUrlQuery")
    folder = store.folder(key).id if key else ""
    look = _look(context)
    kept = odata.read_filter(call.option("filter"))
    paths = {"id", "receiveddatetime", *kept.properties, *odata.paths_of(call.option("orderby"))}
    within = [m for m in store.messages.values() if folder in ("", m.folder)]
    pairs = [(view.facts(store, m, paths), m) for m in within]
    found = {facts["id"]: m for facts, m in pairs if kept.test(facts)}
    rows = [facts for facts, _ in pairs if facts["id"] in found]
    rows.sort(key=lambda facts: str(facts["receivedDateTime"]), reverse=True)
    rows = odata.order(rows, call.option("orderby"), kept)
    size = call.preferences().get("odata.maxpagesize", "")
    default = min(int(size), 1000) if size.isdigit() else 10
    top, skip = max(1, call.number("top", default)), call.number("skip", 0, 1_000_000)
    shown = [view.show(store, found[facts["id"]], look) for facts in rows[skip : skip + top]]
    if look.body and shown:
        context.count("graph.messages.list.body")
    body: Json = {"@odata.context": context.note("messages"), "value": shown}
    if call.option("count") == "true":
        body["@odata.count"] = len(rows)
    if skip + top < len(rows):
        base = f"mailFolders('{folder}')/messages" if folder else "messages"
        body["@odata.nextLink"] = _next(context, base, top, skip + top)
    return Answer(200, body, view.applied(look))


def _next(context: Context, base: str, top: int, skip: int) -> str:
    kept = ("select", "filter", "orderby", "expand")
    options = {f"${name}": context.call.option(name) for name in kept if context.call.option(name)}
    query = urlencode({**options, "$top": top, "$skip": skip}, safe="$,()/'")
    return context.url(f"{base}?{query}")


def get(context: Context, key: str) -> Answer:
    message = context.mailbox.store.message(key)
    lag = context.mailbox.switches.number("graph.get_lag")
    if lag and 0 <= (context.service.world.now() - message.received).total_seconds() < lag:
        raise not_found()
    look = _look(context)
    if look.body:
        context.count("graph.messages.get.body")
    shown = view.show(context.mailbox.store, message, look)
    note = {"@odata.context": context.note("messages/$entity")}
    return Answer(200, note | shown, view.applied(look))


def value(context: Context, key: str) -> Answer:
    """The MIME; under Dynamic Delivery too, with the files' names but not their contents."""
    message = context.mailbox.store.message(key)
    raw = message.raw
    if message.placeholder:
        raw = sending.without_contents(raw)
    return Answer(200, raw, dict(_MIME))


def change(context: Context, key: str) -> Answer:
    """PATCH: categories, isRead, flag, importance; of a draft its text and recipients too."""
    store, body = context.mailbox.store, context.call.json()
    message = store.message(key)
    readable = {"isRead", "categories", "flag", "importance", "inferenceClassification"}
    rest = {name for name in body if not name.startswith("@")} - readable
    if rest and not message.draft:
        text = "The property cannot be set on a message that is not a draft."
        raise bad_request(text, "ErrorInvalidPropertySet")
    _marks(message, body)
    if rest:
        sending.edit(message, body)
    only_read = set(body) == {"isRead"}
    store.touch(message, "read" if only_read else "update")
    return Answer(200, view.show(store, message, view.wanted(context.call)))


def _marks(message: Stored, body: Json) -> None:
    if "isRead" in body:
        message.read = bool(body["isRead"])
    if "categories" in body:
        message.categories = [str(name) for name in body["categories"] or []]
    if "importance" in body:
        message.importance = str(body["importance"])
    status = (body.get("flag") or {}).get("flagStatus", message.flag)
    if status not in _FLAGS:
        raise bad_request("The flag is not valid.", "ErrorInvalidRequest")
    message.flag = status


def _target(context: Context) -> Any:
    destination = context.call.json().get("destinationId")
    if not isinstance(destination, str) or not destination:
        raise bad_request("The destinationId is required.", "ErrorInvalidRequest")
    return context.mailbox.store.folder(destination)


def move(context: Context, key: str) -> Answer:
    store = context.mailbox.store
    message = store.move(store.message(key), _target(context))
    return Answer(201, view.show(store, message, view.wanted(context.call)))


def copy(context: Context, key: str) -> Answer:
    store = context.mailbox.store
    message = store.copy(store.message(key), _target(context))
    return Answer(201, view.show(store, message, view.wanted(context.call)))


def delete(context: Context, key: str) -> Answer:
    store = context.mailbox.store
    store.drop(store.message(key))
    return Answer(204)


def purge(context: Context, key: str) -> Answer:
    store = context.mailbox.store
    store.purge(store.message(key))
    return Answer(204)


def extended(context: Context, key: str) -> Answer:
    context.mailbox.store.message(key)
    raise bad_request("Use $expand with a $filter.", "ErrorInvalidRequest")


# attachments


def attachments(context: Context, key: str) -> Answer:
    call, store = context.call, context.mailbox.store
    options = {"select": call.option("select")}
    found = files.attachments_of(store, store.message(key), options)
    if call.option("expand"):
        found = [
            files.attachment(store, store.message(key), a["id"], call.option("expand"))
            for a in found
        ]
    note = context.note(f"messages('{key}')/attachments")
    return Answer(200, {"@odata.context": note, "value": found})


def attachment(context: Context, key: str, part: str) -> Answer:
    call, store = context.call, context.mailbox.store
    message = store.message(key)
    shown = files.attachment(store, message, part, call.option("expand"), call.option("select"))
    return Answer(200, shown)


def attachment_value(context: Context, key: str, part: str) -> Answer:
    store = context.mailbox.store
    content = files.attachment_bytes(store, store.message(key), part)
    return Answer(200, content, {"Content-Type": "application/octet-stream"})


def attach(context: Context, key: str) -> Answer:
    """POST attachments: a file to a draft."""
    store = context.mailbox.store
    message = store.message(key)
    if not message.draft:
        raise bad_request("Attachments can be added to drafts only.", "ErrorInvalidOperation")
    sending.attach(message, [context.call.json()])
    store.touch(message)
    return Answer(201, files.attachments_of(store, message, {})[-1])
