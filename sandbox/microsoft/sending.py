"""Writing and sending by Graph: sendMail, drafts, replies, forwards; JSON or MIME."""

import base64
import binascii
import re
import uuid
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.utils import format_datetime

from sandbox import mail
from sandbox.microsoft import mime, view
from sandbox.microsoft.graph import Context
from sandbox.microsoft.store import Stored
from sandbox.microsoft.wire import Answer, GraphError, Json, bad_request

_FIELDS = {
    "toRecipients": "To",
    "ccRecipients": "Cc",
    "bccRecipients": "Bcc",
    "replyTo": "Reply-To",
}


# building messages


def _addresses(recipients: object) -> list[Address]:
    found = []
    for recipient in recipients if isinstance(recipients, list) else []:
        details = recipient.get("emailAddress") or {}
        address = str(details.get("address", ""))
        if "@" not in address:
            text = "At least one recipient is not valid."
            raise bad_request(text, "ErrorInvalidRecipients")
        found.append(Address(str(details.get("name") or ""), addr_spec=address))
    return found


def _new_id(address: str) -> str:
    host = address.partition("@")[2].partition(".")[0].upper()
    return f"<{host}{uuid.uuid4().hex[:16].upper()}@{host}.eurprd01.prod.outlook.com>"


def _set(message: EmailMessage, name: str, value: object) -> None:
    del message[name]
    if value:
        message[name] = value


def _fill(message: EmailMessage, body: Json) -> None:
    """Headers of a Graph message into `message`; only X- headers can be set by name."""
    for key, name in _FIELDS.items():
        if key in body:
            _set(message, name, _addresses(body[key]))
    if "subject" in body:
        _set(message, "Subject", str(body["subject"] or ""))
    if body.get("importance") in ("low", "high"):
        _set(message, "Importance", body["importance"])
    for header in body.get("internetMessageHeaders") or []:
        name = str(header.get("name", ""))
        if not name.lower().startswith("x-"):
            text = f"The internet message header name '{name}' should start with 'x-' or 'X-'."
            raise bad_request(text, "InvalidInternetMessageHeader")
        message[name] = str(header.get("value", ""))


def _content(message: EmailMessage, body: Json) -> None:
    said = body.get("body") or {}
    text = str(said.get("content") or "")
    if str(said.get("contentType") or "text").lower() == "html":
        message.set_content(mime.to_text(text))
        message.add_alternative(text, subtype="html")
    else:
        message.set_content(text)


def _head(context: Context, now: datetime) -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = Address(context.mailbox.name, addr_spec=context.mailbox.address)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = _new_id(context.mailbox.address)
    return message


def _compose(context: Context, body: Json) -> bytes:
    _check_sender(context, body.get("from") or body.get("sender"))
    message = _head(context, context.service.world.now())
    _fill(message, body)
    _content(message, body)
    for attachment in body.get("attachments") or []:
        _add_file(message, attachment)
    return message.as_bytes()


def _check_sender(context: Context, sender: object) -> None:
    details = (sender.get("emailAddress") or {}) if isinstance(sender, dict) else {}
    address = str(details.get("address") or context.mailbox.address)
    if address.lower() != context.mailbox.address:
        text = "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account."
        raise GraphError(403, "ErrorSendAsDenied", text)


def _add_file(message: EmailMessage, attachment: Json) -> None:
    try:
        content = base64.b64decode(str(attachment.get("contentBytes") or ""), validate=True)
    except binascii.Error:
        raise bad_request("contentBytes is not base64.", "ErrorInvalidRequest") from None
    kind = str(attachment.get("contentType") or "application/octet-stream")
    main, _, sub = kind.partition("/")
    message.add_attachment(
        content,
        maintype=main,
        subtype=sub or "octet-stream",
        filename=str(attachment.get("name") or "file"),
        disposition="inline" if attachment.get("isInline") else "attachment",
        cid=f"<{attachment['contentId']}>" if attachment.get("contentId") else None,
    )


def _uploaded(context: Context) -> bytes | None:
    """The MIME of a text/plain body (base64), None for JSON."""
    if not context.call.headers.get("content-type", "").lower().startswith("text/plain"):
        return None
    try:
        raw = base64.b64decode(context.call.data, validate=False)
    except binascii.Error:
        raw = b""
    if not raw or not mail.fields(raw):
        text = "Invalid base64 string for MIME content."
        raise bad_request(text, "ErrorMimeContentInvalidBase64String")
    sender = mail.sender(raw)
    _check_sender(context, {"emailAddress": {"address": sender}})
    if not mail.message_id(raw):
        raw = mail.with_headers(raw, [("Message-ID", _new_id(context.mailbox.address))])
    return raw


def _load(message: Stored) -> EmailMessage:
    return message_from_bytes(message.raw, policy=policy.SMTP)


def edit(message: Stored, body: Json) -> None:
    """PATCH of a draft: its headers, its text (attachments stay)."""
    old = _load(message)
    _fill(old, body)
    if "body" in body:
        files = list(old.iter_attachments()) if old.is_multipart() else []
        fresh = EmailMessage(policy=policy.SMTP)
        for name, value in old.items():
            if not name.lower().startswith("content-") and name.lower() != "mime-version":
                fresh[name] = value
        _content(fresh, body)
        for part in files:
            fresh.make_mixed()
            fresh.attach(part)
        old = fresh
    message.rewrite(old.as_bytes())


def attach(message: Stored, attachments: list[Json]) -> None:
    loaded = _load(message)
    for attachment in attachments:
        _add_file(loaded, attachment)
    message.rewrite(loaded.as_bytes())


def without_contents(raw: bytes) -> bytes:
    """What /$value gives while attachments are scanned: the right names, hardly any content."""
    message = mail.parse(raw)
    for part in _files(message):
        part.set_payload("")
    return message.as_bytes()


def _files(message: Message) -> list[Message]:
    return [part for part in message.walk() if part.get_filename() and not part.is_multipart()]


# sending


def _draft(context: Context, raw: bytes) -> Stored:
    store = context.mailbox.store
    return store.put(raw, store.known("drafts"), read=True, draft=True)


def _send(context: Context, message: Stored, keep: bool = True) -> Answer:
    if not mail.recipients(message.raw):
        text = "At least one recipient is required."
        raise bad_request(text, "ErrorInvalidRecipients")
    store = context.mailbox.store
    if context.mailbox.switches.on("graph.send_through_outbox"):
        store.move(message, store.known("outbox"))
    context.mailbox.finish_send(message, keep)
    return Answer(202)


def send_mail(context: Context) -> Answer:
    """POST sendMail: 202 and no id; the Sent copy keeps Bcc."""
    raw = _uploaded(context)
    keep = True
    categories: list[str] = []
    if raw is None:
        body = {name.lower(): value for name, value in context.call.json().items()}
        message = body.get("message")
        if not isinstance(message, dict):
            raise bad_request("The message is required.", "ErrorInvalidRequest")
        keep = body.get("savetosentitems", True) is not False
        categories = [str(name) for name in message.get("categories") or []]
        raw = _compose(context, message)
    if not mail.recipients(raw):
        raise bad_request("At least one recipient is required.", "ErrorInvalidRecipients")
    store = context.mailbox.store
    draft = store.put(raw, store.known("drafts"), read=True, draft=True)
    draft.categories = categories
    return _send(context, draft, keep)


def create(context: Context) -> Answer:
    """POST messages: a new draft, from JSON or MIME."""
    raw = _uploaded(context)
    body = {} if raw is not None else context.call.json()
    message = _draft(context, raw or _compose(context, body))
    message.categories = [str(name) for name in body.get("categories") or []]
    return _created(context, message)


def _created(context: Context, message: Stored) -> Answer:
    look = view.wanted(context.call)
    return Answer(201, view.show(context.mailbox.store, message, look), view.applied(look))


def send_draft(context: Context, key: str) -> Answer:
    message = context.mailbox.store.message(key)
    if not message.draft:
        text = "The message was sent already."
        raise bad_request(text, "ErrorInvalidRequest")
    return _send(context, message)


# replies


def _answer(context: Context, key: str, everybody: bool) -> bytes:
    """A reply to the message, threaded, with the call's `message` and `comment` worked in."""
    raw = _uploaded(context)
    if raw is not None:
        return raw
    body = context.call.json()
    given = body.get("message") or {}
    comment = body.get("comment")
    if comment and given.get("body"):
        text = "Specify either a comment or the body of the message, not both."
        raise bad_request(text, "ErrorInvalidRequest")
    old = context.mailbox.store.message(key)
    message = _threaded(context, old, "Re: ")
    message["To"] = _reply_to(context, old)
    if everybody:
        others = _others(context, old)
        if others:
            message["Cc"] = others
    _fill(message, given)
    _content(message, given if given.get("body") else _quoted(old, str(comment or "")))
    for attachment in given.get("attachments") or []:
        _add_file(message, attachment)
    return message.as_bytes()


def _threaded(context: Context, old: Stored, prefix: str) -> EmailMessage:
    message = _head(context, context.service.world.now())
    subject = old.parsed.subject
    plain = re.match(r"(?i)(re|fw|fwd): ", subject)
    message["Subject"] = subject if plain and prefix == "Re: " else prefix + subject
    if old.parsed.message_id:
        message["In-Reply-To"] = old.parsed.message_id
        references = [*mail.refers_to(old.raw), old.parsed.message_id]
        message["References"] = " ".join(dict.fromkeys(references))
    return message


def _pairs(pairs: list[tuple[str, str]]) -> list[Address]:
    return [Address(name, addr_spec=address) for name, address in pairs if "@" in address]


def _reply_to(context: Context, old: Stored) -> list[Address]:
    found = old.parsed.addresses
    sender = found["reply-to"] or found["from"]
    mine = bool(found["from"]) and found["from"][0][1].lower() == context.mailbox.address
    return _pairs(found["to"] if mine else sender)


def _others(context: Context, old: Stored) -> list[Address]:
    skip = {context.mailbox.address, *(a.addr_spec.lower() for a in _reply_to(context, old))}
    pairs = [*old.parsed.addresses["to"], *old.parsed.addresses["cc"]]
    return _pairs([(name, address) for name, address in pairs if address.lower() not in skip])


def _quoted(old: Stored, comment: str) -> Json:
    sender = old.parsed.header("From")
    inner = old.parsed.html or mime.to_html(old.parsed.text)
    head = f"<b>From:</b> {sender.replace('<', '&lt;')}<br><b>Subject:</b> {old.parsed.subject}<br>"
    text = f'<html><body>{comment}<hr><div id="divRplyFwdMsg">{head}</div>{inner}</body></html>'
    return {"body": {"contentType": "html", "content": text}}


def create_reply(context: Context, key: str) -> Answer:
    return _created(context, _draft(context, _answer(context, key, everybody=False)))


def create_reply_all(context: Context, key: str) -> Answer:
    return _created(context, _draft(context, _answer(context, key, everybody=True)))


def reply(context: Context, key: str) -> Answer:
    return _send(context, _draft(context, _answer(context, key, everybody=False)))


def reply_all(context: Context, key: str) -> Answer:
    return _send(context, _draft(context, _answer(context, key, everybody=True)))


def forward(context: Context, key: str) -> Answer:
    """POST forward: to toRecipients, with the message quoted."""
    body = context.call.json()
    given = body.get("message") or {}
    old = context.mailbox.store.message(key)
    message = _threaded(context, old, "Fw: ")
    message["To"] = _addresses(body.get("toRecipients") or given.get("toRecipients"))
    _content(message, _quoted(old, str(body.get("comment") or "")))
    return _send(context, _draft(context, message.as_bytes()))
