"""What a new mailbox needs besides its consent: for the pages, and for the command line."""

from dataclasses import replace
from typing import TYPE_CHECKING

from crm.history import PROVIDER_NAMES
from crm.model import MailboxKind, MailboxStatus
from crm.store.mailboxes import Mailbox, NewMailbox
from infra.settings import Settings
from providers import hosts, registry
from providers.held import HeldToken
from providers.oauth import Grant

if TYPE_CHECKING:
    from web.parts import OpenClient


def hosted_elsewhere(provider: str, address: str, known: Mailbox | None, settings: Settings) -> str:
    """The provider that DNS names for `address` where it is not this one, else "". A mailbox that
    is connected again where it was is let be: whether it has moved is not for one answer to say."""
    if known is not None and known.provider == provider and not known.moved_to:
        return ""
    host = hosts.host_of(address, settings).value
    return host if host in PROVIDER_NAMES and host != provider else ""


def is_read_already(known: Mailbox | None, provider: str, grant: Grant) -> bool:
    """Whether this very account is connected: what a new consent is for has its place and folders. A
    run may be asking just now, and Graph allows an app four requests at a time in a mailbox."""
    return (
        known is not None
        and known.status is MailboxStatus.CONNECTED
        and (known.provider, known.subject) == (provider, grant.subject)
        and bool(known.subject and known.cursor)
    )


def new_mailbox(
    provider: str,
    grant: Grant,
    user_id: int,
    settings: Settings,
    open_client: "OpenClient" = registry.open_client,
    kind: MailboxKind = MailboxKind.PERSONAL,
) -> NewMailbox:
    """The mailbox with its place "from now on" and the folders that its rules fill. Asks the
    provider; raises ProviderError."""
    client = open_client(provider, HeldToken(grant.tokens.access_token), settings, None)
    try:
        cursor, folders = client.baseline(), tuple(client.folders())
    finally:
        client.close()
    return replace(with_consent(provider, grant, user_id, kind), cursor=cursor, folders=folders)


def with_consent(provider: str, grant: Grant, user_id: int, kind: MailboxKind) -> NewMailbox:
    """The mailbox without a place: where one is stored it stays."""
    return NewMailbox(
        user_id=user_id,
        address=grant.address,
        provider=provider,
        kind=kind,
        tokens=grant.tokens,
        subject=grant.subject,
        own_addresses=(grant.address,),
    )
