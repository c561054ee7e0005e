"""The mail to admins when an outgoing webhook is paused because it failed, or said that it is gone."""

from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

from crm.database import Connection
from crm.store import accounts, endpoints
from crm.store.deliveries import Due
from crm.topics import State
from infra.mailer import Mailer

_WHAT = {
    State.FAILING: "has failed for days and is paused. What it should be told waits for up to 30 days.",
    State.GONE: "answered that it is gone (410), and is told no more.",
}


def message(conn: Connection, mailer: Mailer, due: Due) -> EmailMessage | None:
    """The mail to the admin `due.target`; None where it is true no longer. Names no URL: one may have
    a key in it."""
    try:
        endpoint = endpoints.one(conn, due.account_id, due.payload["endpoint_id"])
    except endpoints.NoSuchEndpoint:
        return None
    user = accounts.user(conn, due.account_id, due.target)
    if endpoint.state not in _WHAT or user is None or not user.active:
        return None
    host = urlsplit(mailer.public_url).hostname
    made = EmailMessage()
    made["To"] = user.address
    made["Subject"] = "An outgoing webhook stopped"
    made["Date"] = format_datetime(due.told_at)
    made["Message-ID"] = f"<paused-{due.event_id}-{user.id}@{host}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(
        f"An outgoing webhook of replylog {_WHAT[endpoint.state]}\n\n"
        f"Look at it: {mailer.public_url}/settings/webhooks/{endpoint.id}\n"
    )
    return made
