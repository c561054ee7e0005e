"""Attachments as Graph shows them: files, messages within, links to the cloud."""

import base64

from sandbox.microsoft import odata
from sandbox.microsoft.mime import Part, parse
from sandbox.microsoft.store import Store, Stored, make_id
from sandbox.microsoft.wire import Json, bad_request, not_found, stamp

_NAMES = ["id", "lastModifiedDateTime", "name", "contentType", "size", "isInline"]
_CASTS = {
    "microsoft.graph.fileattachment/contentid": "contentId",
    "microsoft.graph.fileattachment/contentbytes": "contentBytes",
    "microsoft.graph.fileattachment/contentlocation": "contentLocation",
}


def _shown_parts(message: Stored) -> list[Part]:
    if message.placeholder:  # Dynamic Delivery: names are right only in the MIME
        note = b"The attachments of this message are being scanned."
        return [Part("file", message.placeholder, "text/html", note, False, "")]
    return message.parsed.parts


def attachment_id(store: Store, message: Stored, place: int) -> str:
    return make_id("AAMkADattach", store.guid, message.number, message.generation, place)


def _part_json(store: Store, message: Stored, place: int, part: Part, whole: bool) -> Json:
    kind = "itemAttachment" if part.kind == "item" else "fileAttachment"
    shown: Json = {
        "@odata.type": f"#microsoft.graph.{kind}",
        "@odata.mediaContentType": part.content_type,
        "id": attachment_id(store, message, place),
        "lastModifiedDateTime": stamp(message.received),
        "name": part.name,
        "contentType": part.content_type if part.kind == "file" else None,
        "size": len(part.content),
        "isInline": part.inline,
    }
    if part.kind == "file":
        shown["contentId"] = part.content_id or None
        shown["contentLocation"] = None
        if whole:
            shown["contentBytes"] = base64.b64encode(part.content).decode()
    return shown


def _link_json(store: Store, message: Stored, place: int, link: dict[str, str]) -> Json:
    return {
        "@odata.type": "#microsoft.graph.referenceAttachment",
        "id": attachment_id(store, message, place),
        "lastModifiedDateTime": stamp(message.received),
        "name": link["name"],
        "contentType": None,
        "size": 0,
        "isInline": False,
    }


def _all(store: Store, message: Stored, whole: bool) -> list[Json]:
    parts = [_part_json(store, message, n, p, whole) for n, p in enumerate(_shown_parts(message))]
    links = [_link_json(store, message, 1000 + n, k) for n, k in enumerate(message.links)]
    return [*parts, *links]


def _known(name: str) -> str:
    """A name in $select of attachments; contentId and the like only behind a cast."""
    plain = {n.lower(): n for n in _NAMES}
    found = plain.get(name.lower()) or _CASTS.get(name.lower())
    if not found:
        text = f"Could not find a property named '{name}' on type 'microsoft.graph.attachment'."
        raise bad_request(text, "RequestBroker--ParseUri")
    return found


def attachments_of(store: Store, message: Stored, options: dict[str, str]) -> list[Json]:
    """All attachments, with the options of a list or of $expand."""
    names = {_known(name) for name in odata.split(options.get("select", ""))}
    found = _all(store, message, whole=not names or "contentBytes" in names)
    if names:
        keep = names | {"id"}
        found = [{k: v for k, v in a.items() if k in keep or k.startswith("@")} for a in found]
    return found


def _place(store: Store, message: Stored, key: str) -> int:
    places: list[int] = [*range(len(_shown_parts(message)))]
    for place in places + [1000 + n for n in range(len(message.links))]:
        if attachment_id(store, message, place) == key:
            return place
    raise not_found()


def attachment(store: Store, message: Stored, key: str, expand: str, select: str = "") -> Json:
    """One attachment; `expand` "microsoft.graph.itemattachment/item" shows the message within."""
    place = _place(store, message, key)
    shown = next(a for a in attachments_of(store, message, {"select": select}) if a["id"] == key)
    if "itemattachment/item" in expand.lower() and place < 1000:
        part = _shown_parts(message)[place]
        if part.kind == "item":
            inner = parse(part.content)
            shown["item"] = {
                "@odata.type": "#microsoft.graph.message",
                "id": "",
                "subject": inner.subject,
                "internetMessageId": inner.message_id,
                "body": {"contentType": "text", "content": inner.plain},
            }
    return shown


def attachment_bytes(store: Store, message: Stored, key: str) -> bytes:
    """$value: the file, or the MIME of the message within; links have none."""
    place = _place(store, message, key)
    if place >= 1000:
        text = "Reference attachments have no content."
        raise bad_request(text, "ErrorInvalidRequest")
    return _shown_parts(message)[place].content
