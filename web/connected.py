"""The page after a consent: what is followed, what arrived meanwhile, how to log, and a try."""

from flask import render_template, request

from crm.addresses import normalise
from crm.history import What, old_place
from crm.store import history, mailboxes
from crm.store import settings as account_settings
from web import gaps
from web.connect import NAMES, owned_mailbox
from web.parts import parts


def page(mailbox_id: int) -> str:
    """What is followed from now on, and why; what arrived while it was not connected."""
    mailbox = owned_mailbox(mailbox_id)
    with parts().database.read() as conn:
        folders = mailboxes.folders(conn, mailbox.account_id, mailbox.id)
        settings = account_settings.settings_of(conn, mailbox.account_id)
        found = gaps.after_connecting(conn, mailbox)
        again = history.facts_of(conn, mailbox.account_id, mailbox.id, What.RECONNECTED)
    return render_template(
        "connected.html",
        mailbox=mailbox,
        name=NAMES.get(mailbox.provider, mailbox.provider),
        folders=folders,
        settings=settings,
        typed=normalise(request.args.get("typed", "")),
        anew="anew" in request.args,
        old_place=old_place(again[-1]) if again else "",
        gaps=found,
        version=gaps.version(found),
    )
