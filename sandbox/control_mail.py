"""Mail as the control API spells it."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from sandbox import mail
from sandbox.world import Item, Missing, Person, World

Body = Mapping[str, Any]


def _strings(value: object) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    raise ValueError("an address list is a string or a list of strings")


def name_line(world: World, address: str) -> str:
    """ "Maria Globex <maria@globex.test>" for somebody we know; other input as it is."""
    known = world.people.get(address.strip().lower())
    return f"{known.name} <{known.address}>" if known else address


def _attachments(value: object) -> tuple[mail.Attachment, ...]:
    found = []
    for one in value if isinstance(value, list) else []:
        content = base64.b64decode(one.get("content", ""))
        if "size" in one:  # too large for a request: bytes that follow from the name
            content = Random(str(one.get("name"))).randbytes(int(one["size"]))
        mime = str(one.get("mime", "application/octet-stream"))
        found.append(mail.Attachment(str(one.get("name", "file")), mime, content))
    return tuple(found)


def draft_of(body: Body, world: World) -> mail.Draft:
    """What to send, from the fields of POST mail and POST send; raises KeyError, ValueError."""
    references = body.get("references")
    if isinstance(references, str):
        references = references.split()
    return mail.Draft(
        sender=name_line(world, body["from"]),
        to=_strings(body.get("to")),
        cc=_strings(body.get("cc")),
        bcc=_strings(body.get("bcc")),
        subject=str(body.get("subject", "")),
        text=str(body.get("text", "")),
        html=body.get("html"),
        attachments=_attachments(body.get("attachments")),
        message_id=body.get("message_id"),
        in_reply_to=body.get("in_reply_to"),
        references=tuple(references or ()),
        headers={str(k): str(v) for k, v in (body.get("headers") or {}).items()},
    )


def find_item(person: Person, body: Body) -> Item:
    """The message of `id` or `message_id` (the newest copy); raises Missing."""
    for item in reversed(person.backend.items()):
        if item.id == body.get("id") or (
            "message_id" in body and mail.message_id(item.raw) == body["message_id"]
        ):
            return item
    raise Missing("no such message in this mailbox")


def reply_draft(person: Person, body: Body) -> mail.Draft:
    """The answer a person's mail program makes."""
    raw = find_item(person, body).raw
    sender = f"{person.name} <{person.address}>"
    draft = mail.reply(raw, sender, str(body.get("text", "")), body.get("subject"))
    if body.get("all"):
        others = [
            a
            for a in mail.recipients(mail.without_bcc(raw))
            if a not in (person.address, mail.bare(draft.to[0]))
        ]
        draft = replace(draft, cc=tuple(others))
    extra = {str(k): str(v) for k, v in (body.get("headers") or {}).items()}
    return replace(draft, headers=extra, html=body.get("html"), bcc=_strings(body.get("bcc")))


def shown_item(item: Item) -> dict[str, object]:
    """A message as GET mailbox lists it."""
    return {
        "id": item.id,
        "folder": item.folder,
        "labels": list(item.labels),
        "read": item.read,
        "received_at": item.received_at.isoformat(),
        "message_id": mail.message_id(item.raw),
        "from": mail.header(item.raw, "From"),
        "to": mail.header(item.raw, "To"),
        "cc": mail.header(item.raw, "Cc"),
        "bcc": mail.header(item.raw, "Bcc"),
        "subject": mail.header(item.raw, "Subject"),
    }
