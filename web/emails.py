"""Logged e-mails: their bodies, safe to show, and the thread of one."""

from dataclasses import dataclass

from flask import Response, abort, make_response, render_template

from crm.quotes import fold
from crm.store import timeline
from crm.store.timeline import EmailRow, WholeEmail
from web import mail_html
from web.parts import parts
from web.people import me

CUT = 100 * 1024  # characters of a body that are shown on a timeline (rule `view-entire`)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a timeline shows it. Of an HTML mail the frame holds the body, else `new` and
    `quoted` do."""

    email: EmailRow
    framed: bool
    remote: int  # pictures on other servers
    new: str
    quoted: str
    cut: bool


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
    return _document(_whole(email_id), pictures=False, most=CUT)


def body_with_pictures(email_id: int) -> Response:
    """The same, with pictures from elsewhere: somebody asked for them."""
    return _document(_whole(email_id), pictures=True, most=CUT)


def whole(email_id: int) -> Response:
    """The entire message in a tab of its own (rule `view-entire`)."""
    return _document(_whole(email_id), pictures=False, most=mail_html.LONGEST)


def shown(found: WholeEmail) -> Shown:
    """A message for a template."""
    framed = bool(found.html.strip())
    new, quoted = ("", "") if framed else fold(found.text[:CUT])
    remote = mail_html.clean(found.html[:CUT]).remote if framed else 0
    longest = max(len(found.text), len(found.html))
    return Shown(
        found.email, framed, remote, new.strip("\r\n"), quoted.strip("\r\n"), longest > CUT
    )


def _whole(email_id: int) -> WholeEmail:
    with parts().database.read() as conn:
        found = timeline.email(conn, me().viewer, email_id)
    return found or abort(404)


def _document(found: WholeEmail, pictures: bool, most: int) -> Response:
    if found.html.strip():
        clean = mail_html.clean(found.html[:most], pictures)
    else:
        clean = mail_html.text_page(found.text[:most])
    response = make_response(mail_html.page(clean))
    response.headers["Content-Security-Policy"] = mail_html.policy(pictures)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
