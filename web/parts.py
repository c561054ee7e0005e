"""What the pages work with, made once by `web.app.create_app`."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import cast

from flask import current_app
from redis import Redis

from crm.database import Database
from crm.model import Tokens
from crm.spending import Spent
from crm.store import mailboxes
from crm.store.mailboxes import Mailbox
from infra.blobs import Blobs
from infra.secrets import Secrets
from infra.settings import Settings
from providers import oauth, registry
from providers.client import MailClient
from providers.tokens import StoredTokens, TokenSource
from workers.queue import Queue, QueueDown

NAME = "replylog"
Clock = Callable[[], datetime]
OpenClient = Callable[[str, TokenSource, Settings, Spent | None], MailClient]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    database: Database
    secrets: Secrets
    redis: Redis
    queue: Queue
    blobs: Blobs
    clock: Clock = utc_now
    open_client: OpenClient = registry.open_client

    def ring(self, *mailbox_ids: int) -> None:
        """Wake mailboxes that are due by their rows: where Redis is down the timetable does it."""
        if mailbox_ids:
            with suppress(QueueDown):
                self.queue.wake(*mailbox_ids)

    def client_of(self, mailbox: Mailbox) -> MailClient:
        """A live client of a stored mailbox. Its first call raises NotConnected where there are no
        tokens."""
        where = (mailbox.account_id, mailbox.id)

        def load() -> tuple[Tokens, int]:
            with self.database.read() as conn:
                return mailboxes.tokens(conn, *where, self.secrets)

        def save(tokens: Tokens, version: int) -> bool:
            with self.database.begin() as conn:
                return mailboxes.save_tokens(conn, *where, tokens, version, self.secrets)

        access = StoredTokens(load, save, partial(oauth.refresh, mailbox.provider, self.settings))
        return self.open_client(mailbox.provider, access, self.settings, mailbox.spent)


def parts() -> Parts:
    """The parts of the application that answers the current request."""
    return cast(Parts, current_app.extensions[NAME])
