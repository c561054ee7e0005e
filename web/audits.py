"""Audits of a mailbox: what the last comparisons with its journal found, and one at once."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.audit_words import sentence
from crm.model import MailboxStatus
from crm.store import audits
from crm.store.audits import DAYS, AuditRow
from crm.store.mailboxes import Mailbox
from web import live
from web.connect import owned_mailbox, seen_mailbox
from web.parts import parts
from web.people import me

SHOWN = 30
CHOICES = (1, DAYS, 7, 14)


def page(mailbox_id: int) -> str:
    """The last audits of one's own mailbox, or of anybody's for an admin: they name no mail."""
    mailbox = seen_mailbox(mailbox_id)
    found = _found(mailbox)
    return render_template(
        "audit.html",
        mailbox=mailbox,
        own=me().owns(mailbox),
        can=mailbox.status is MailboxStatus.CONNECTED,
        choices=CHOICES,
        usual=DAYS,
        **_shown(mailbox, found),
    )


def lines_part(mailbox_id: int) -> Response:
    """The audits, for a page that follows itself up."""
    mailbox = seen_mailbox(mailbox_id)
    shown = _shown(mailbox, _found(mailbox))
    version = str(shown.pop("version"))
    return live.part("parts/audits.html", version, mailbox=mailbox, **shown)


def begin(mailbox_id: int) -> AnyResponse:
    """Audit the mailbox now; a worker does it."""
    mailbox, here = owned_mailbox(mailbox_id), parts()
    days = request.form.get("days", str(DAYS))
    if days not in {str(choice) for choice in CHOICES}:
        abort(400)
    with here.database.begin() as conn:
        begun = audits.begin(conn, mailbox.account_id, mailbox.id, int(days), here.clock())
    if begun is None:
        abort(409)
    here.ring(mailbox.id)
    flash("The mailbox is being compared with its journal. You can leave this page meanwhile.")
    return redirect(url_for("audit", mailbox_id=mailbox.id))


def _found(mailbox: Mailbox) -> list[AuditRow]:
    with parts().database.read() as conn:
        return audits.listing(conn, mailbox.account_id, mailbox.id, SHOWN)


def _shown(mailbox: Mailbox, found: list[AuditRow]) -> dict[str, object]:
    blocked = mailbox.blocked_until
    waits = blocked if blocked is not None and blocked > parts().clock() else None
    return {
        "audits": found,
        "why": sentence,
        "waits": waits,
        "version": live.version(found, waits),
    }
