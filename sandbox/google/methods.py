"""What each Gmail method does."""

from email.utils import parsedate_to_datetime

from sandbox import mail
from sandbox.google import history
from sandbox.google.calls import (
    ANY,
    COMPOSE,
    FULL,
    INSERT,
    LABELS,
    MODIFY,
    READ,
    SEND,
    Call,
    Method,
    scope_denied,
)
from sandbox.google.errors import invalid, login_required, not_found
from sandbox.google.mailbox import SYSTEM, Mailbox
from sandbox.google.message import GmailMessage, Json, attachment, in_format
from sandbox.google.search import Query

FORMATS = ("minimal", "metadata", "full", "raw")


def _profile(call: Call) -> Json:
    box = call.box
    return {
        "emailAddress": box.address,
        "messagesTotal": len(box.messages),
        "threadsTotal": len({m.thread_id for m in box.messages.values()}),
        "historyId": str(box.history.current),
    }


def _format(call: Call) -> str:
    kind = call.arg("format", "full").lower()
    if kind not in FORMATS:
        raise invalid(f"Invalid value at 'format', \"{kind}\"")
    if call.only_metadata and kind in ("full", "raw"):
        raise scope_denied(f"Metadata scope doesn't allow format {kind.upper()}")
    return kind


def _get(call: Call) -> Json:
    kind = _format(call)
    call.google.world.count(f"gmail.messages.get.{kind}")
    message = call.box.message(call.path["id"])
    lag = float(str(call.google.world.switches["gmail.get_lag"]))
    if lag and call.google.world.now().timestamp() - message.added_at < lag:
        raise not_found()
    return in_format(message, kind, call.args.get("metadataHeaders", []), call.shape())


def _found(call: Call, box: Mailbox) -> list[GmailMessage]:
    text = call.arg("q")
    if text and call.only_metadata:
        raise scope_denied("Metadata scope does not support 'q' parameter")
    names = {name.lower(): found for found, name in box.labels.items()}
    query = Query(text, call.google.world.now(), names)
    wanted = {box.label_id(one) for one in call.args.get("labelIds", [])}
    everywhere = call.arg("includeSpamTrash") == "true" or query.everywhere
    hidden = everywhere or bool(wanted & {"SPAM", "TRASH"})
    return box.search(lambda m: wanted <= m.labels and query.matches(m), hidden)


def _paged(call: Call, key: str, items: list[Json]) -> Json:
    token = call.arg("pageToken")
    if token and not (token.isdigit() and len(token) > 10):
        raise invalid("Invalid pageToken")
    start = int(token) - 10**19 if token else 0
    page = items[start : start + call.limit]
    answer: Json = {key: page} if page else {}
    if start + call.limit < len(items):
        answer["nextPageToken"] = str(10**19 + start + call.limit)
    return answer | {"resultSizeEstimate": len(items)}


def _list(call: Call) -> Json:
    return _paged(call, "messages", [m.basics() for m in _found(call, call.box)])


def _sent(message: GmailMessage) -> Json:
    return message.basics() | {"labelIds": sorted(message.labels)}


def _send(call: Call) -> Json:
    return _sent(call.box.dispatch(call.raw(), call.given("threadId")))


def _insert(call: Call) -> Json:
    """insert and import: no filters, no delivery, nothing sent."""
    given = call.body.get("labelIds")
    labels = {call.box.label_id(str(one)) for one in given} if isinstance(given, list) else set()
    raw = call.raw()
    date = 0
    if call.arg("internalDateSource", "receivedTime") == "dateHeader":
        date = _header_date(raw)
    thread = call.given("threadId")
    if thread:
        call.box.thread(thread)
        thread = call.box.thread_for(raw, wanted=thread)
    return _sent(call.box.put(raw, labels, thread, date))


def _header_date(raw: bytes) -> int:
    try:
        return int(parsedate_to_datetime(mail.header(raw, "Date")).timestamp() * 1000)
    except ValueError:
        return 0


def _modify(call: Call) -> Json:
    add, remove = call.names("addLabelIds"), call.names("removeLabelIds")
    if not add and not remove:
        raise invalid("No label add or removes specified")
    return call.box.relabel(call.path["id"], add, remove)


def _trash(call: Call) -> Json:
    return call.box.relabel(call.path["id"], ["TRASH"], ["INBOX"])


def _untrash(call: Call) -> Json:
    return call.box.relabel(call.path["id"], [], ["TRASH"])


def _delete(call: Call) -> None:
    call.box.delete(call.path["id"])


def _attachment(call: Call) -> Json:
    if call.only_metadata:
        raise scope_denied("Metadata scope does not allow attachments")
    return attachment(call.box.message(call.path["id"]), call.path["attachment"])


def _labels(call: Call) -> Json:
    shown: list[Json] = [{"id": one, "name": one, "type": "system"} for one in SYSTEM]
    own = call.box.labels.items()
    shown += [_label(found, name) for found, name in own]
    return {"labels": shown}


def _label(found: str, name: str) -> Json:
    kept = {"messageListVisibility": "show", "labelListVisibility": "labelShow"}
    return {"id": found, "name": name, "type": "user", **kept}


def _new_label(call: Call) -> Json:
    name = str(call.body.get("name") or "")
    if not name:
        raise invalid("Invalid label name")
    if name.upper() in SYSTEM:
        raise invalid("Invalid label name")
    if name.lower() in {one.lower() for one in call.box.labels.values()}:
        error = invalid("Label name exists or conflicts", "aborted")
        error.code, error.status = 409, "ABORTED"
        raise error
    return _label(call.box.label_id(name, make=True), name)


def _delete_label(call: Call) -> None:
    found = call.path["id"]
    if found not in call.box.labels:
        raise not_found()
    for message in list(call.box.messages.values()):
        if found in message.labels:
            call.box.relabel(message.id, remove=[found])
    del call.box.labels[found]


def _history(call: Call) -> Json:
    want = history.asked(
        call.arg("startHistoryId"),
        call.args.get("historyTypes", []),
        call.arg("labelId"),
        str(call.limit),
        call.arg("pageToken"),
    )
    world = call.google.world
    return history.listing(
        call.box.history,
        want,
        world.now().timestamp(),
        float(str(world.switches["gmail.history_lag"])),
        bool(world.switches["gmail.history_labels"]),
    )


def _project(call: Call) -> str:
    client = call.google.accounts.clients.get(call.access.client)
    if client is None:
        raise login_required()
    return client.project


def _watch(call: Call) -> Json:
    return call.google.watch(call.box, _project(call), call.body)


def _stop(call: Call) -> None:
    call.google.stop(call.box.address, _project(call))


def _send_as(call: Call) -> Json:
    if call.only_metadata:
        raise scope_denied("Metadata scope does not allow settings")
    shown: list[Json] = []
    for one in call.box.send_as:
        entry: Json = {"sendAsEmail": one.address, "displayName": one.name, "replyToAddress": ""}
        entry["signature"] = ""
        if one.primary:
            entry |= {"isPrimary": True, "isDefault": True}
        else:
            status = "accepted" if one.accepted else "pending"
            entry |= {"treatAsAlias": True, "isDefault": False, "verificationStatus": status}
        shown.append(entry)
    return {"sendAs": shown}


def _draft(call: Call, draft_id: str) -> Json:
    return {"id": draft_id, "message": _sent(call.box.draft(draft_id))}


def _draft_create(call: Call) -> Json:
    return _draft(call, call.box.save_draft(call.raw(), thread=call.given("threadId")))


def _draft_update(call: Call) -> Json:
    return _draft(call, call.box.save_draft(call.raw(), call.path["id"], call.given("threadId")))


def _draft_send(call: Call) -> Json:
    draft_id = str(call.body.get("id") or "")
    if not draft_id:
        return _sent(call.box.dispatch(call.raw(), call.given("threadId")))
    has_new = call.upload is not None or isinstance(call.body.get("message"), dict)
    return _sent(call.box.send_draft(draft_id, call.raw() if has_new else None))


def _thread(call: Call) -> Json:
    kind = _format(call)
    if kind == "raw":
        raise invalid("Invalid value at 'format', \"raw\"")
    messages = call.box.thread(call.path["id"])
    names, shape = call.args.get("metadataHeaders", []), call.shape()
    shown = [in_format(m, kind, names, shape) for m in messages]
    newest = max(m.history_id for m in messages)
    return {"id": call.path["id"], "historyId": str(newest), "messages": shown}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RAW = _set("raw threadId labelIds payload id snippet historyId internalDate sizeEstimate")
_PAGE = _set("maxResults pageToken")
_GET = _set("format metadataHeaders")
_WATCH = _set("topicName labelIds labelFilterBehavior labelFilterAction")
_LABEL = _set("name messageListVisibility labelListVisibility color id type")
_SETTINGS = READ | {"https://www.googleapis.com/auth/gmail.settings.basic"}
_DRAFT = _set("id message")
_LIST = _PAGE | _set("q labelIds includeSpamTrash")
_HISTORY = _PAGE | _set("startHistoryId historyTypes labelId")
_INSERT = _set("internalDateSource deleted")
_IMPORT = _INSERT | _set("neverMarkSpam processForCalendar")
_CHANGE = _set("addLabelIds removeLabelIds")
_ONE = "messages/{id}"

METHODS = (
    Method("profile", "GET", "profile", 1, ANY | COMPOSE, _profile),
    Method("messages.list", "GET", "messages", 5, ANY, _list, _LIST),
    Method("messages.send", "POST", "messages/send", 100, SEND, _send, fields=_RAW),
    Method("messages.import", "POST", "messages/import", 25, INSERT, _insert, _IMPORT, _RAW),
    Method("messages.insert", "POST", "messages", 25, INSERT, _insert, _INSERT, _RAW),
    Method("messages.get", "GET", _ONE, 20, ANY, _get, _GET),
    Method("messages.delete", "DELETE", _ONE, 10, frozenset({FULL}), _delete),
    Method("messages.modify", "POST", f"{_ONE}/modify", 5, MODIFY, _modify, fields=_CHANGE),
    Method("messages.trash", "POST", f"{_ONE}/trash", 20, MODIFY, _trash),
    Method("messages.untrash", "POST", f"{_ONE}/untrash", 5, MODIFY, _untrash),
    Method("attachments.get", "GET", f"{_ONE}/attachments/{{attachment}}", 20, READ, _attachment),
    Method("labels.list", "GET", "labels", 1, ANY | LABELS, _labels),
    Method("labels.create", "POST", "labels", 5, LABELS, _new_label, fields=_LABEL),
    Method("labels.delete", "DELETE", "labels/{id}", 5, LABELS, _delete_label),
    Method("history.list", "GET", "history", 2, ANY, _history, _HISTORY),
    Method("watch", "POST", "watch", 100, ANY, _watch, fields=_WATCH),
    Method("stop", "POST", "stop", 50, ANY, _stop),
    Method("sendAs.list", "GET", "settings/sendAs", 1, _SETTINGS, _send_as),
    Method("drafts.create", "POST", "drafts", 10, COMPOSE, _draft_create, fields=_DRAFT),
    Method("drafts.send", "POST", "drafts/send", 100, COMPOSE, _draft_send, fields=_DRAFT),
    Method("drafts.update", "PUT", "drafts/{id}", 15, COMPOSE, _draft_update, fields=_DRAFT),
    Method("threads.get", "GET", "threads/{id}", 40, ANY, _thread, _GET),
)
UPLOADS = frozenset(
    [
        "messages.send",
        "messages.import",
        "messages.insert",
        "drafts.create",
        "drafts.send",
        "drafts.update",
    ]
)
FIELDS = _set(
    "emailAddress messagesTotal threadsTotal historyId messages nextPageToken resultSizeEstimate id "
    "threadId labelIds snippet internalDate sizeEstimate payload raw partId mimeType filename headers "
    "name value body attachmentId size data parts history messagesAdded messagesDeleted labelsAdded "
    "labelsRemoved message labels type messageListVisibility labelListVisibility color "
    "messagesUnread threadsUnread textColor backgroundColor expiration sendAs sendAsEmail "
    "displayName replyToAddress signature isPrimary isDefault treatAsAlias verificationStatus "
    "smtpMsa drafts threads classificationLabelValues"
)
