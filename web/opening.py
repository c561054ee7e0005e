"""Links to a logged e-mail in its owner's own mail program."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import g

from crm.store import mailboxes
from crm.store.timeline import EmailRow
from infra.settings import Settings
from web.parts import parts
from web.people import me

GMAIL = "https://mail.google.com/mail/"


@dataclass(frozen=True, slots=True)
class Link:
    title: str
    url: str


def links(email: EmailRow) -> list[Link]:
    """One for each Gmail mailbox of the signed-in person that has a copy. (Outlook has no address by
    Message-ID.)"""
    if not email.message_id:
        return []
    return [
        Link("Open in Gmail", gmail(address, email.message_id))
        for address in email.mailboxes
        if address in _own_at_gmail()
    ]


def gmail(address: str, message_id: str) -> str:
    """Where Gmail shows a message to whoever is signed in there as `address`."""
    search = quote(f"rfc822msgid:{message_id}", safe="")
    return f"{GMAIL}?{urlencode({'authuser': address})}#search/{search}"


def _own_at_gmail() -> frozenset[str]:
    """Looked up once a request. A pretend Google has no such page."""
    if "own_at_gmail" not in g:
        here = parts()
        real = Settings.model_fields["gmail_api_url"].default
        found = []
        if here.settings.gmail_api_url == real:
            with here.database.read() as conn:
                found = mailboxes.list_mailboxes(conn, me().account_id)
        g.own_at_gmail = frozenset(
            each.address for each in found if me().owns(each) and each.provider == "gmail"
        )
    return g.own_at_gmail  # type: ignore[no-any-return]
