"""The only place that knows which provider has which adapter."""

from crm.spending import Spent
from infra.settings import Settings
from providers.authority import Authority
from providers.client import MailClient
from providers.tokens import TokenSource

PROVIDERS = ("gmail", "graph")


def open_client(
    provider: str, access: TokenSource, settings: Settings, spent: Spent | None = None
) -> MailClient:
    """A client of one mailbox, of which `spent` was asked lately (None: nobody counts). Makes no
    request. Raises ValueError for an unknown provider."""
    # An adapter is imported when the first mailbox needs it: its SDK costs up to a second.
    if provider == "gmail":
        from providers.gmail.client import GmailClient

        return GmailClient(access, settings, spent=spent)
    if provider == "graph":
        from providers.graph.client import GraphClient

        return GraphClient(access, settings, spent=spent)
    raise ValueError(f"no such provider: {provider!r}")


def warm(settings: Settings) -> None:
    """Make what all clients of a process share (TLS context, the SDKs' lazy parts), so that the
    first mailbox need not wait for it. Opens no socket and starts no thread: a parent calls it
    before it forks."""
    if settings.gmail_enabled:
        from providers.gmail.transport import tls_context

        tls_context()
    if settings.microsoft_enabled:
        from providers.graph import client

        client.warm()


def authority(provider: str, settings: Settings) -> Authority:
    """How to get the consent to read a mailbox there. Raises ValueError for an unknown provider."""
    if provider == "gmail":
        from providers.gmail import oauth as google

        return google.authority(settings)
    if provider == "graph":
        from providers.graph import oauth as entra

        return entra.authority(settings)
    raise ValueError(f"no such provider: {provider!r}")
