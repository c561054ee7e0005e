"""A stored message as Graph shows it: all properties, then those asked for."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.microsoft import mime, odata
from sandbox.microsoft.files import attachments_of
from sandbox.microsoft.store import Store, Stored
from sandbox.microsoft.wire import Call, Json, bad_request, stamp

KIND = "microsoft.graph.message"
DEFAULT = [
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "internetMessageId",
    "subject",
    "bodyPreview",
    "importance",
    "parentFolderId",
    "conversationId",
    "conversationIndex",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "isRead",
    "isDraft",
    "webLink",
    "inferenceClassification",
    "body",
    "sender",
    "from",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "flag",
]
ON_REQUEST = ["internetMessageHeaders", "uniqueBody"]
NAMES = {name.lower(): name for name in (*DEFAULT, *ON_REQUEST)}
BODY = {"body", "bodyPreview", "uniqueBody"}  # what Mail.ReadBasic does not show
_PROPERTIES = {  # MAPI tags: In-Reply-To, References, Message-ID
    "string 0x1042": "In-Reply-To",
    "string 0x1039": "References",
    "string 0x1035": "Message-ID",
}
_SIZE = "Integer 0x0E08"  # of the whole message


@dataclass
class Wanted:
    """What a request asked to see of each message."""

    names: list[str] = field(default_factory=list)  # [] = the default set
    expand: list[odata.Expand] = field(default_factory=list)
    immutable: bool = False
    body_type: str = ""  # "text" or "html"
    unsafe: bool = False

    @property
    def shown(self) -> list[str]:
        return self.names or DEFAULT

    @property
    def body(self) -> bool:
        return "body" in self.shown or "uniqueBody" in self.shown


@dataclass(frozen=True)
class _View:
    store: Store
    message: Stored
    look: Wanted


def wanted(call: Call) -> Wanted:
    """Read $select, $expand and Prefer; raises GraphError 400."""
    preferences = call.preferences()
    extra = NAMES | {"attachments": "attachments"}
    return Wanted(
        odata.select(call.option("select"), extra, KIND),
        odata.expand(call.option("expand")),
        call.immutable,
        preferences.get("outlook.body-content-type", "").lower(),
        "outlook.allow-unsafe-html" in preferences,
    )


def applied(look: Wanted) -> dict[str, str]:
    """The Preference-Applied header, where there is something to say."""
    parts = []
    if look.immutable:
        parts.append('IdType="ImmutableId"')
    if look.body_type:
        parts.append(f'outlook.body-content-type="{look.body_type}"')
    return {"Preference-Applied": ", ".join(parts)} if parts else {}


def etag(message: Stored) -> str:
    return f'W/"{change_key(message)}"'


def change_key(message: Stored) -> str:
    seed = f"{message.number:012d}{message.version:06d}".encode()
    return "CQAAABYAAAC" + base64.b64encode(seed).decode()


def show(store: Store, message: Stored, look: Wanted) -> Json:
    """The message with exactly what was asked for; id always."""
    view = _View(store, message, look)
    shown: Json = {"@odata.etag": etag(message)}
    if message.parsed.meeting:
        shown["@odata.type"] = "#microsoft.graph.eventMessage"
    names = look.shown if "id" in look.shown else ["id", *look.shown]
    for name in names:
        if name in _READERS:
            shown[name] = _READERS[name](view)
    if "internetMessageHeaders" in names and not (message.sent or message.draft):
        headers = message.parsed.headers
        shown["internetMessageHeaders"] = [{"name": n, "value": v} for n, v in headers]
    for part in look.expand:
        _expand(store, message, part, shown)
    return shown


def facts(store: Store, message: Stored, paths: Iterable[str] | None = None) -> Json:
    """What a $filter can look at; `paths`: no more than these, in lower case (None = all)."""
    roots = None if paths is None else {path.partition("/")[0] for path in paths}
    names = [name for name in DEFAULT if name not in BODY]
    wanted_names = [name for name in names if roots is None or name.lower() in roots]
    view = _View(store, message, Wanted())
    return {name: _READERS[name](view) for name in wanted_names}


def _expand(store: Store, message: Stored, part: odata.Expand, shown: Json) -> None:
    if part.name.lower() == "attachments":
        shown["attachments"] = attachments_of(store, message, part.options)
    elif part.name.lower() == "singlevalueextendedproperties":
        found = extended(message, part.options.get("filter", ""))
        if found:
            shown["singleValueExtendedProperties"] = found
    elif part.name.lower() != "extensions":
        text = f"Could not find a property named '{part.name}' on type '{KIND}'."
        raise bad_request(text, "RequestBroker--ParseUri")


def extended(message: Stored, text: str) -> list[Json]:
    """MAPI properties by `id eq 'String 0x1042' or …`; those that have no value are left out."""
    if not text:
        raise bad_request(
            "The $filter of the expanded property is required.", "ErrorInvalidProperty"
        )
    kept = odata.read_filter(text)
    found = []
    for tag, header in _PROPERTIES.items():
        name = tag.replace("string", "String")
        if kept.test({"id": name}) or kept.test({"id": tag}):
            value = message.parsed.header(header)
            if value:
                found.append({"id": name, "value": value})
    if kept.test({"id": _SIZE}):
        found.append({"id": _SIZE, "value": str(len(message.raw))})
    return found


def _person(pair: tuple[str, str]) -> Json:
    name, address = pair
    return {"emailAddress": {"name": name or address, "address": address}}


def _people(message: Stored, field_name: str) -> list[Json]:
    return [_person(pair) for pair in message.parsed.addresses[field_name]]


def _first(message: Stored, *names: str) -> Json | None:
    for name in names:
        if message.parsed.addresses[name]:
            return _person(message.parsed.addresses[name][0])
    return None


def body(message: Stored, look: Wanted, unique: bool = False) -> Json:
    """body or uniqueBody in the type that Prefer names, HTML when it names none."""
    parsed = message.parsed
    if look.body_type == "text":
        text = parsed.plain
        return {"contentType": "text", "content": mime.unique_text(text) if unique else text}
    markup = parsed.html or mime.to_html(mime.unique_text(parsed.text) if unique else parsed.text)
    if unique:
        markup = mime.unique_html(markup)
    return {"contentType": "html", "content": markup if look.unsafe else mime.safe_html(markup)}


def _importance(message: Stored) -> str:
    said = message.importance or message.parsed.header("Importance").lower()
    return said if said in ("low", "high") else "normal"


def _sent_at(message: Stored) -> str:
    return stamp(message.parsed.sent_at or message.received)


def _index(message: Stored) -> str:
    return base64.b64encode(message.conversation.encode()[:22]).decode()


def _has_files(message: Stored) -> bool:
    files = any(not part.inline for part in message.parsed.parts)
    return files or bool(message.links) or bool(message.placeholder)


def _link(message_id: str) -> str:
    return f"https://outlook.office365.com/owa/?ItemID={message_id}&exvsurl=1&viewmodel=ReadMessageItem"


_READERS: dict[str, Callable[[_View], Any]] = {
    "id": lambda v: v.store.id_of(v.message, v.look.immutable),
    "createdDateTime": lambda v: stamp(v.message.created),
    "lastModifiedDateTime": lambda v: stamp(v.message.modified),
    "changeKey": lambda v: change_key(v.message),
    "categories": lambda v: list(v.message.categories),
    "receivedDateTime": lambda v: stamp(v.message.received),
    "sentDateTime": lambda v: _sent_at(v.message),
    "hasAttachments": lambda v: _has_files(v.message),
    "internetMessageId": lambda v: v.message.parsed.message_id,
    "subject": lambda v: v.message.parsed.subject,
    "bodyPreview": lambda v: v.message.parsed.plain[:255],
    "importance": lambda v: _importance(v.message),
    "parentFolderId": lambda v: v.message.folder,
    "conversationId": lambda v: v.message.conversation,
    "conversationIndex": lambda v: _index(v.message),
    "isDeliveryReceiptRequested": lambda _: False,
    "isReadReceiptRequested": lambda _: False,
    "isRead": lambda v: v.message.read,
    "isDraft": lambda v: v.message.draft,
    "webLink": lambda v: _link(v.store.id_of(v.message)),
    "inferenceClassification": lambda _: "focused",
    "body": lambda v: body(v.message, v.look),
    "uniqueBody": lambda v: body(v.message, v.look, unique=True),
    "sender": lambda v: _first(v.message, "sender", "from"),
    "from": lambda v: _first(v.message, "from", "sender"),
    "toRecipients": lambda v: _people(v.message, "to"),
    "ccRecipients": lambda v: _people(v.message, "cc"),
    "bccRecipients": lambda v: _people(v.message, "bcc"),
    "replyTo": lambda v: _people(v.message, "reply-to"),
    "flag": lambda v: {"flagStatus": v.message.flag},
}
