"""Logged e-mails: their bodies, safe to show, and the thread of one."""

from dataclasses import dataclass

from flask import Response, abort, make_response, render_template

from crm.quotes import fold
from crm.rules import files as rules
from crm.store import timeline
from crm.store.files import FileRow
from crm.store.timeline import EmailRow, WholeEmail
from web import files, mail_html
from web.parts import parts
from web.people import me


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a timeline shows it. Of an HTML mail the frame holds the body, else `new` and
    `quoted` do."""

    email: EmailRow
    framed: bool
    remote: int  # pictures on other servers
    new: str
    quoted: str
    cut: bool  # rule `view-entire`
    files: tuple[FileRow, ...]  # all but pictures that stand in the text


def page(email_id: int) -> str:
    """The thread of an e-mail, oldest first."""
    asked = _whole(email_id)
    with parts().database.read() as conn:
        rows = timeline.thread(conn, me().viewer, asked.email.thread_id)
    return render_template(
        "email.html",
        asked=shown(asked),
        rows=rows,
        subject=next((row.subject for row in rows), ""),
    )


def shown_part(email_id: int) -> str:
    """One message's body, for a folded one that is opened."""
    return render_template("parts/body_only.html", message=shown(_whole(email_id)))


def body(email_id: int) -> Response:
    """The document in a message's frame, without pictures from elsewhere."""
    return _body(_whole(email_id), pictures=False)


def body_with_pictures(email_id: int) -> Response:
    """The same, with pictures from elsewhere: somebody asked for them."""
    return _body(_whole(email_id), pictures=True)


def whole(email_id: int) -> Response:
    """The entire message in a tab of its own (rule `view-entire`)."""
    found = _whole(email_id)
    if found.html.strip():
        return _document(mail_html.entire(found.html, _own(found)))
    return _document(mail_html.text_page(found.text))


def shown(found: WholeEmail) -> Shown:
    """A message for a template."""
    framed = bool(found.html.strip())
    new, quoted = ("", "") if framed else fold(rules.shown(found.text))
    cleaned = mail_html.clean(rules.shown(found.html), own=_own(found)) if framed else None
    drawn = cleaned.drawn if cleaned else frozenset()
    return Shown(
        email=found.email,
        framed=framed,
        remote=cleaned.remote if cleaned else 0,
        new=new.strip("\r\n"),
        quoted=quoted.strip("\r\n"),
        cut=rules.is_long(found.html if framed else found.text),
        files=tuple(each for each in found.email.attachments if each.content_id not in drawn),
    )


def _own(found: WholeEmail) -> dict[str, str]:
    return files.pictures(found.email.attachments)


def _whole(email_id: int) -> WholeEmail:
    with parts().database.read() as conn:
        found = timeline.email(conn, me().viewer, email_id)
    return found or abort(404)


def _body(found: WholeEmail, pictures: bool) -> Response:
    if found.html.strip():
        clean = mail_html.clean(rules.shown(found.html), pictures, _own(found))
    else:
        clean = mail_html.text_page(rules.shown(found.text))
    return _document(clean, pictures)


def _document(clean: mail_html.Body, pictures: bool = False) -> Response:
    response = make_response(mail_html.page(clean))
    response.headers["Content-Security-Policy"] = mail_html.policy(pictures)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
