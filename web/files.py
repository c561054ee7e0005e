"""Files of logged e-mails: downloads, pictures within a text, and all files of a contact.

Nothing that a stranger sent is ever shown as a page of ours: whatever it says it is, it goes to the
disk. Pictures are pictures only by their own first bytes.
"""

import re
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from flask import Response, abort, render_template, request, url_for

from crm.model import FileState
from crm.rules.registry import BY_ID
from crm.store import contacts, files
from crm.store.files import ContactFile, FileRow
from crm.store.paging import Page, WrongCursor
from crm.store.visibility import Viewer
from crm.text import safe_name
from infra.blobs import NoSuchBlob, Unavailable
from web.parts import parts
from web.people import me

PER_PAGE = 50
FEW = 5  # on the contact's own page
PICTURES = (  # media type, first bytes, what follows at the eighth
    ("image/png", b"\x89PNG\r\n\x1a\n", b""),
    ("image/jpeg", b"\xff\xd8\xff", b""),
    ("image/gif", b"GIF87a", b""),
    ("image/gif", b"GIF89a", b""),
    ("image/webp", b"RIFF", b"WEBP"),
)
_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_UNKNOWN = "application/octet-stream"
_DRAWN = frozenset({*(kind for kind, _, _ in PICTURES), "image/jpg", "image/pjpeg"})
_PLAIN = {  # why there is nothing to download, in a few words
    FileState.WAITING: "being fetched",
    FileState.PENDING: "being scanned",
    FileState.OFF: "not kept: attachments are switched off",
    FileState.TOO_LARGE: "not kept: too large",
    FileState.LINK: "in the sender's cloud: open it from the message",
    FileState.UNAVAILABLE: "not available from the mailbox",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A file for a template: `url` where it can be downloaded, else `missing` says why not."""

    file: FileRow
    name: str
    url: str
    missing: str
    remedy: str


def shown(file: FileRow) -> Shown:
    """A file for a template."""
    url = url_for("email_file", email_id=file.email_id, file_id=file.id) if file.is_kept else ""
    state = FileState(file.state)
    missing = "" if url else _PLAIN.get(state, "not kept")
    rule = BY_ID.get(file.state)
    name = file.filename or "file without a name"
    return Shown(file, name, url, missing, rule.summary if rule and missing else "")


def pictures(attached: tuple[FileRow, ...]) -> dict[str, str]:
    """Where the kept pictures of an e-mail are, by the Content-IDs that its text has for them."""
    return {
        each.content_id: url_for("email_file", email_id=each.email_id, file_id=each.id)
        for each in attached
        if each.content_id and each.is_kept and each.content_type in _DRAWN
    }


def download(email_id: int, file_id: int) -> Response:
    """A file, for whoever may see its e-mail."""
    return streamed(me().viewer, email_id, file_id)


def streamed(viewer: Viewer, email_id: int, file_id: int) -> Response:
    """A file as a download, read as it is sent; 404 where the viewer may not see it."""
    here = parts()
    with here.database.read() as conn:
        file = files.file(conn, viewer, email_id, file_id)
    if file is None or not file.is_kept:
        abort(404)
    pieces = here.blobs.open(viewer.account_id, file.digest)
    try:
        first = next(pieces, b"")
    except NoSuchBlob:
        abort(404)
    except Unavailable:
        abort(503)
    response = Response(chain((first,), pieces), content_type=media_type(first))
    response.content_length = file.size
    response.headers["Content-Disposition"] = disposition(file.filename)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def page(contact_id: int) -> str:
    """All files of a contact's e-mails, newest first."""
    with parts().database.read() as conn:
        contact = contacts.contact(conn, me().account_id, contact_id)
    found = _page(contact_id, request.args.get("after", ""), PER_PAGE)
    return render_template(
        "contact_files.html", contact=contact or abort(404), found=found, first=not request.args
    )


def newest(contact_id: int) -> Page[ContactFile]:
    """The newest files of a contact, for a part of its page."""
    return _page(contact_id, "", FEW)


def media_type(first: bytes) -> str:
    """What a file may say of itself: a picture that browsers only ever draw, or nothing."""
    for kind, start, later in PICTURES:
        if first.startswith(start) and first[8 : 8 + len(later)] == later:
            return kind
    return _UNKNOWN


def disposition(filename: str) -> str:
    """The Content-Disposition of a download, in both forms that RFC 6266 has for a name."""
    name = safe_name(filename) or "file"
    plain = re.sub(r'["%?\\]', "_", name.encode("ascii", "replace").decode())
    encoded = quote(name, safe="!#$&+-.^_`|~", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def _page(contact_id: int, after: str, limit: int) -> Page[ContactFile]:
    with parts().database.read() as conn:
        try:
            return files.of_contact(conn, me().viewer, contact_id, after, limit)
        except WrongCursor:
            abort(404)
