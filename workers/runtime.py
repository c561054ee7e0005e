"""What a worker process works with, made after the fork: database, Redis, secrets, clock, clients."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from redis import Redis

from crm.database import Database
from crm.model import Tokens
from crm.store import mailboxes
from crm.store.mailboxes import Mailbox
from infra import posting
from infra.blobs import Blobs
from infra.mailer import Mailer
from infra.posting import Answer
from infra.secrets import Secrets
from infra.settings import Settings
from providers import oauth, registry
from providers.budget import allowance
from providers.client import MailClient
from providers.hosts import Host, host_of
from providers.tokens import StoredTokens
from workers.queue import Queue


def utc_now() -> datetime:
    return datetime.now(UTC)


class Stopped(Exception):
    """The process was asked to end between two steps; nothing is lost, the run is rung again."""


@dataclass(frozen=True, slots=True)
class Runtime:
    database: Database
    queue: Queue
    secrets: Secrets
    open_client: Callable[[Mailbox], MailClient]
    blobs: Blobs
    clock: Callable[[], datetime] = utc_now
    host_of: Callable[[str], Host] = lambda _address: Host.UNKNOWN  # who hosts an address's mail
    post: Callable[[str, Mapping[str, str], bytes], Answer] = posting.post
    mailer: Mailer | None = None  # None: no mail is sent
    project_units: int = 1_000_000  # of Gmail's quota, a minute, for all mailboxes together
    renew: Callable[[Mailbox], object] = lambda _mailbox: None  # a mailbox's token, at its provider


@contextmanager
def runtime(settings: Settings, redis: Redis) -> Iterator[Runtime]:
    """The real thing for `settings`; closes what it opened."""
    database = Database(settings.resolved_database_url)
    secrets = Secrets(settings.key_texts)
    try:
        source = token_source(database, secrets, settings)
        yield Runtime(
            database,
            Queue(redis),
            secrets,
            client_opener(database, secrets, settings),
            Blobs(settings),
            host_of=partial(host_of, settings=settings),
            post=partial(posting.post, anywhere=settings.posts_anywhere),
            mailer=mailer_of(settings),
            project_units=allowance(settings.gmail_project_units_per_minute, 60.0).units,
            renew=lambda mailbox: source(mailbox).token(fresh=True),
        )
    finally:
        database.close()
        redis.close()


def mailer_of(settings: Settings) -> Mailer | None:
    """What sends mail to people; None where no SMTP server is set."""
    if not settings.smtp_url:
        return None
    return Mailer(settings.smtp_url, settings.mail_from, settings.public_url)


def token_source(
    database: Database, secrets: Secrets, settings: Settings
) -> Callable[[Mailbox], StoredTokens]:
    """Gives each mailbox's tokens, read from, and refreshed into, the database."""

    def load(mailbox: Mailbox) -> tuple[Tokens, int]:
        with database.read() as conn:
            return mailboxes.tokens(conn, mailbox.account_id, mailbox.id, secrets)

    def save(mailbox: Mailbox, tokens: Tokens, version: int) -> bool:
        with database.begin() as conn:
            return mailboxes.save_tokens(
                conn, mailbox.account_id, mailbox.id, tokens, version, secrets
            )

    def source(mailbox: Mailbox) -> StoredTokens:
        return StoredTokens(
            load=lambda: load(mailbox),
            save=lambda tokens, version: save(mailbox, tokens, version),
            refresh=partial(oauth.refresh, mailbox.provider, settings),
        )

    return source


def client_opener(
    database: Database, secrets: Secrets, settings: Settings
) -> Callable[[Mailbox], MailClient]:
    """Opens live clients of mailboxes, with the tokens of `token_source`."""
    source = token_source(database, secrets, settings)
    return lambda mailbox: registry.open_client(
        mailbox.provider, source(mailbox), settings, mailbox.spent
    )
