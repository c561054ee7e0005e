"""What the story's people do on the pages, done in the database: settings, lists, contacts, and a
team's mailbox that has written to a contact."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crm.database import Connection, Database
from crm.kinds import kind
from crm.model import Address, Headers, MailboxKind, Message, Place, Ref, Tokens, Verdict
from crm.store import accounts, contacts, mailboxes, never_log, settle
from crm.store import settings as account_settings
from crm.store.outcomes import Logged, Run
from infra.secrets import Secrets
from infra.settings import Settings
from replylog import story
from replylog.mailbox_command import wake

_LEASE = timedelta(seconds=30)


@dataclass
class RealOffice:
    """The story's people at a running installation."""

    database: Database
    settings: Settings

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, int]]:
        with self.database.begin() as conn:
            yield conn, account_of(conn)

    def never_log(self, entry: str) -> None:
        """Put an entry on the company's Never Log list."""
        with self._writing() as (conn, account):
            never_log.add(conn, account, None, [entry], datetime.now(UTC))

    def skip_automatic(self, on: bool) -> None:
        """Turn the switch that leaves out automatic mail."""
        with self._writing() as (conn, account):
            account_settings.set_setting(conn, account, "skip_automatic", on)

    def add_contact(self, address: str) -> None:
        """Make somebody a contact; refused replies are looked at again."""
        with self._writing() as (conn, account):
            added = contacts.add_contact(conn, account, "", [address], datetime.now(UTC))
        wake(self.settings, *added.woken)

    def team_thread(self) -> str:
        """A team's mailbox, which is at no provider of the sandbox, wrote to Maria; the Message-ID.
        It is disconnected before a worker could ask anybody about it."""
        secrets, now = Secrets(self.settings.key_texts), datetime.now(UTC)
        tokens = Tokens("", "", now)
        new = mailboxes.NewMailbox(None, story.TEAM, "gmail", tokens, kind=MailboxKind.TEAM)
        with self._writing() as (conn, account):
            made = mailboxes.connect(conn, account, new, secrets, now)
            box = mailboxes.take_lease(conn, made, "story", now, _LEASE)
        assert box is not None, "nobody else knows the mailbox yet"
        headers = Headers(
            ref=Ref("team-1"),
            place=Place.SENT,
            received_at=now,
            sender=Address(story.TEAM, "Sales"),
            message_id="fair@acme.test",
            subject="Fair",
            sent_at=now,
            to=(Address(story.MARIA, "Maria"),),
        )
        message = Message(headers, "Shall we meet at the fair?", "")
        verdict = Verdict(True, "team", contacts=(story.MARIA,))
        with self._writing() as (conn, account):
            run = Run(box, "story", _LEASE, secrets)
            settle.commit(conn, run, [Logged(verdict, message, kind(headers))], now)
            mailboxes.disconnect(conn, account, box.id, now)
        return f"<{headers.message_id}>"


def account_of(conn: Connection) -> int:
    """The story's account."""
    user = accounts.user_by_address(conn, story.ANA)
    assert user is not None, "the story's people are seeded"
    return user.account_id
