"""The explainer: paste the headers of a message, or choose its file, and read what the rules say.

Nothing is stored, not even for the time of the answer: of a file the head is kept in memory and the
rest is thrown away while it arrives.
"""

from io import BytesIO
from typing import IO, Any

from flask import Flask, Request, abort, render_template, request
from werkzeug.datastructures import FileStorage

from crm.explainer import explain_text
from crm.pasted import LONGEST
from crm.store import mailboxes
from crm.store.mailboxes import Mailbox
from web.parts import parts
from web.people import me

LARGEST_FILE = 25 * 1024 * 1024  # bytes, and of all that is sent with it
LARGEST_TEXT = 4 * 1024 * 1024
ENDPOINT = "explain_asked"


class _Head(BytesIO):
    """Keeps the beginning of what is written to it."""

    def write(self, data: Any) -> int:
        room = max(LONGEST - self.tell(), 0)
        super().write(bytes(data[:room]))
        return len(data)


class PageRequest(Request):
    """A request whose files never touch the disk: only their beginning is kept."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return _Head()


def allow_files(app: Flask) -> None:
    """Let this page take more than forms usually hold. Must be called before anything that reads
    forms is set up."""
    app.request_class = PageRequest

    def widen() -> None:
        if request.endpoint == ENDPOINT:
            request.max_content_length = LARGEST_FILE + LARGEST_TEXT
            request.max_form_memory_size = LARGEST_TEXT

    app.before_request(widen)


def page() -> str:
    own = _own()
    chosen = request.args.get("mailbox", type=int)
    return render_template("why/explain.html", own=own, chosen=chosen, said=None, pasted="")


def answer() -> str:
    """What would become of the message that was pasted or chosen."""
    own = _own()
    chosen = request.form.get("mailbox", type=int)
    mailbox = next((each for each in own if each.id == chosen), None) or abort(404)
    text = request.form.get("headers", "")
    given: str | bytes = text if text.strip() else _file(request.files.get("file"))
    here = parts()
    with here.database.read() as conn:
        said = explain_text(conn, mailbox, given, here.clock(), here.secrets)
    return render_template(
        "why/explain.html", own=own, chosen=mailbox.id, said=said, pasted=text[:LONGEST]
    )


def _file(file: FileStorage | None) -> bytes:
    if file is None:
        return b""
    file.stream.seek(0)
    return bytes(file.stream.read(LONGEST))


def _own() -> list[Mailbox]:
    with parts().database.read() as conn:
        found = mailboxes.list_mailboxes(conn, me().account_id)
    return [each for each in found if me().owns(each)]
