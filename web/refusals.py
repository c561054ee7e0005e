"""What to say when a mailbox could not be connected: one page, its words by cause."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import render_template

from providers import causes
from web.parts import parts

STATUS = 422

_SETTINGS = {
    "gmail": ("REPLYLOG_GOOGLE_CLIENT_ID", "REPLYLOG_GOOGLE_CLIENT_SECRET"),
    "graph": ("REPLYLOG_MICROSOFT_CLIENT_ID", "REPLYLOG_MICROSOFT_CLIENT_SECRET"),
}


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str
    again: bool = True  # whether trying again may help


_WORDS = {
    "stale": Words(
        "This sign-in is not the one that was started here",
        "It took longer than a quarter of an hour, was opened twice, or began in another browser. "
        "Nothing was connected. Start again.",
    ),
    "busy": Words(
        "The provider does not answer right now",
        "Nothing was connected, and nothing is wrong with your mailbox. Try again in a minute.",
    ),
    "taken": Words(
        "A colleague has connected this mailbox",
        "A mailbox belongs to one person. Ask your colleague to disconnect it first.",
        again=False,
    ),
    causes.CONSENT_DENIED: Words(
        "You declined the permission",
        "That is fine: nothing was connected and nothing was read. You can connect whenever you "
        "like.",
    ),
    causes.SCOPE_MISSING: Words(
        "A permission is missing",
        "On the provider's page one of the boxes was not ticked. Without it mail cannot be read, "
        "so nothing was connected. Try again and leave every box ticked.",
    ),
    causes.ADMIN_CONSENT: Words(
        "Your organisation's administrator must agree first",
        "Send the link below to your administrator. After they have agreed, connect again.",
    ),
    causes.WRONG_ACCOUNT: Words(
        "That was another mailbox",
        "You signed in with another address than the mailbox to reconnect. Nothing was changed. "
        "Try again and choose the right account.",
    ),
    causes.NOT_CONFIGURED: Words(
        "This installation cannot connect to this provider yet",
        "The person who runs it must register it with the provider and set:",
        again=False,
    ),
}


def refusal(
    cause: str, provider: str, address: str, mailbox_id: int | None = None
) -> tuple[str, int]:
    """The page for `cause`: one of `providers.causes`, or "stale", "busy", "taken"."""
    known = causes.explain(cause)
    words = _WORDS.get(cause) or Words(known.sentence.rstrip("."), known.action)
    page = render_template(
        "refusal.html",
        words=words,
        address=address,
        mailbox_id=mailbox_id,
        admin_link=_admin_link() if cause == causes.ADMIN_CONSENT else "",
        names=_SETTINGS.get(provider, ()) if cause in causes.OPERATOR_CAUSES else (),
    )
    return page, STATUS


def _admin_link() -> str:
    """Where an administrator of a Microsoft 365 organisation agrees for everybody in it."""
    settings = parts().settings
    back = f"{settings.public_url}/connect/microsoft/callback"  # Entra knows no other of ours
    query = urlencode({"client_id": settings.microsoft_client_id, "redirect_uri": back})
    return f"{settings.entra_authority_url}/{settings.microsoft_tenant}/adminconsent?{query}"
