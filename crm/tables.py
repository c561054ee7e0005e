"""The tables. Every row belongs to one account: `account_id` is in every table but `account` itself
and `lease`, and every query on them says which (a test listens to all statements and proves it).
Unique keys are what makes each write safe to repeat; they are named where a store function relies
on them with ON CONFLICT.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from crm.check_tables import Audit as Audit
from crm.check_tables import HostCheck as HostCheck
from crm.columns import Key, Names
from crm.email_tables import Email as Email
from crm.email_tables import EmailAssociation as EmailAssociation
from crm.email_tables import EmailAttachment as EmailAttachment
from crm.email_tables import EmailContact as EmailContact
from crm.email_tables import EmailPerson as EmailPerson
from crm.email_tables import EmailReference as EmailReference
from crm.email_tables import Sighting as Sighting
from crm.email_tables import Thread as Thread
from crm.gap_tables import Gap as Gap
from crm.outbox_tables import Delivery as Delivery
from crm.outbox_tables import OutboxEvent as OutboxEvent
from crm.outbox_tables import WebhookEndpoint as WebhookEndpoint
from crm.table_base import Base as Base
from crm.table_base import Owned, ref


class Account(Base):
    """One company's CRM."""

    __tablename__ = "account"
    name: Mapped[str]
    digest_key: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted; keys the journal's digests
    tells_refused: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime]


class AccountDomain(Owned, Base):
    """A domain of the company's own people (rule `internal`)."""

    __tablename__ = "account_domain"
    __table_args__ = (UniqueConstraint("account_id", "domain"),)
    domain: Mapped[str]


class Setting(Owned, Base):
    """One setting of an account that differs from its default, by the name in `crm.model.Switches`
    (or `bcc_address`, `log_label`)."""

    __tablename__ = "setting"
    __table_args__ = (UniqueConstraint("account_id", "name"),)
    name: Mapped[str]
    value: Mapped[Any] = mapped_column(JSON)


class Team(Owned, Base):
    """People who may see each other's e-mails that are restricted to the team."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("account_id", "name"),)
    name: Mapped[str]


class User(Owned, Base):
    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("address"),)
    address: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[str] = mapped_column(default="member")
    password_hash: Mapped[str] = mapped_column(
        default=""
    )  # Argon2; "" = cannot sign in by password
    active: Mapped[bool] = mapped_column(default=True)
    team_id: Mapped[int | None] = ref("team.id", "SET NULL")
    visibility: Mapped[str] = mapped_column(default="everyone")  # of what is logged from now on
    created_at: Mapped[datetime]


class ApiKey(Owned, Base):
    """A program's way in. Of the key only a digest is kept."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("digest"), UniqueConstraint("account_id", "name"))
    name: Mapped[str]
    digest: Mapped[str]  # SHA-256 hex
    scopes: Mapped[Any] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class Mailbox(Owned, Base):
    """A connected address. The row is kept when it is disconnected, for the way back."""

    __tablename__ = "mailbox"
    __table_args__ = (
        UniqueConstraint("account_id", "address"),
        Index("ix_mailbox_wake_at", "wake_at"),
        Index("ix_mailbox_renew_at", "renew_at"),
        Index("ix_mailbox_unwatched_since", "unwatched_since"),
        Index("ix_mailbox_blocked_until", "blocked_until"),
        Index("ix_mailbox_status_cause", "status", "cause"),
        Index("ix_mailbox_status_settled_at", "status", "settled_at"),
        Index("ix_mailbox_address", "address"),
        Index("ix_mailbox_mx_due_at", "mx_due_at"),
        Index("ix_mailbox_audit_due_at", "audit_due_at"),
        Index(
            "ix_mailbox_moved_to",
            "moved_to",
            postgresql_where=text("moved_to <> ''"),
            sqlite_where=text("moved_to <> ''"),
        ),
        Index("ix_mailbox_subject", "subject"),
        Index("ix_mailbox_spent_at", "spent_at"),
        Index("ix_mailbox_token_hash", "token_hash"),
        Index("ix_mailbox_token_prefix", "token_prefix"),
    )
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    address: Mapped[str]
    provider: Mapped[str]  # gmail, graph
    kind: Mapped[str] = mapped_column(default="personal")
    status: Mapped[str] = mapped_column(default="connected")
    cause: Mapped[str] = mapped_column(default="")  # why it must be reconnected
    claims: Mapped[str] = mapped_column(
        default="", server_default=text("''")
    )  # to be proven then (Entra)
    stopped_at: Mapped[datetime | None]  # since when it waits for that
    subject: Mapped[str] = mapped_column(default="")  # Google's sub, Entra's tid/oid
    own_addresses: Mapped[Any] = mapped_column(JSON, default=list)
    tokens: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted JSON of crm.model.Tokens
    token_hash: Mapped[str] = mapped_column(
        default="", server_default=text("''")
    )  # infra.marks, Google's
    token_prefix: Mapped[str] = mapped_column(default="", server_default=text("''"))
    tokens_version: Mapped[int] = mapped_column(default=0)  # compare-and-set of a refresh
    cursor: Mapped[str] = mapped_column(default="")
    settled_at: Mapped[datetime | None]  # everything received before is settled
    last_synced_at: Mapped[datetime | None]
    lease: Mapped[str] = mapped_column(default="")  # token of the run that holds it
    lease_until: Mapped[datetime | None]
    rung: Mapped[bool] = mapped_column(default=False)  # rung while a run held the lease
    wake_at: Mapped[datetime | None]  # the timetable rings then; None = never
    blocked_until: Mapped[datetime | None]  # no provider call before
    blocked_by: Mapped[str] = mapped_column(
        default="", server_default=text("''")
    )  # see crm.store.limits
    blocked_since: Mapped[datetime | None]  # since when it is that
    failed_runs: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # since the last good one
    spent: Mapped[str] = mapped_column(default="", server_default=text("''"))  # see crm.spending
    spent_units: Mapped[int] = mapped_column(default=0, server_default="0")
    spent_at: Mapped[datetime | None]
    deaths: Mapped[int] = mapped_column(default=0, server_default="0")  # see crm.store.deaths
    in_hand: Mapped[str] = mapped_column(default="", server_default=text("''"))
    suspect: Mapped[str] = mapped_column(default="", server_default=text("''"))
    suspect_deaths: Mapped[int] = mapped_column(default=0, server_default="0")
    owed_since: Mapped[datetime | None]  # see crm.store.owed
    owed_began: Mapped[datetime | None]
    owed_places: Mapped[Any] = mapped_column(JSON, default=list, server_default="[]")
    repairs: Mapped[int] = mapped_column(default=0, server_default="0")
    renew_at: Mapped[datetime | None]  # watches and followed folders are due then
    watch_problem: Mapped[str] = mapped_column(server_default=text("''"))  # why it is refused
    watch_due_at: Mapped[datetime | None]  # after a failure: no watch is asked for before
    hidden_rules: Mapped[Any] = mapped_column(JSON, default=list, server_default="[]")
    unwatched_since: Mapped[datetime | None]  # since when a watch is missing
    label: Mapped[str] = mapped_column(default="")  # the log label that was made there, or tried
    label_problem: Mapped[str] = mapped_column(default="")  # why it could not be made
    label_due_at: Mapped[datetime | None]  # when to look whether it is there; None = now
    mx_due_at: Mapped[datetime | None]  # when to ask DNS who hosts it; None = never
    moved_to: Mapped[str] = mapped_column(
        default="", server_default=text("''")
    )  # provider; "" = nowhere
    provider_since: Mapped[datetime | None]  # journal rows decided before are another provider's
    audit_due_at: Mapped[datetime | None]  # when to compare it with the journal; None = never
    created_at: Mapped[datetime]


class ConnectedPeriod(Owned, Base):
    """When a mailbox was connected (rule `disconnected`)."""

    __tablename__ = "connected_period"
    __table_args__ = (UniqueConstraint("mailbox_id", "since"),)
    mailbox_id: Mapped[int] = ref("mailbox.id")
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class FollowedFolder(Owned, Base):
    __tablename__ = "followed_folder"
    __table_args__ = (UniqueConstraint("mailbox_id", "folder"),)
    mailbox_id: Mapped[int] = ref("mailbox.id")
    folder: Mapped[str]  # the provider's id
    name: Mapped[str]
    reason: Mapped[str]
    rule_name: Mapped[str] = mapped_column(default="")


class MailboxEvent(Owned, Base):
    """Something that happened to a mailbox: its history for people, see `crm.history`."""

    __tablename__ = "mailbox_event"
    __table_args__ = (
        Index("ix_mailbox_event_mailbox_id_at", "mailbox_id", "at"),
        Index("ix_mailbox_event_at", "at"),
    )
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    what: Mapped[str]
    facts: Mapped[dict[str, Any]]


class Watch(Owned, Base):
    """One announcement asked of a provider. Of its clientState only a digest is kept, for the web
    side to compare."""

    __tablename__ = "watch"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "resource"),
        Index("ix_watch_provider_id", "provider_id"),
        Index("ix_watch_expires_at", "expires_at"),
    )
    mailbox_id: Mapped[int] = ref("mailbox.id")
    resource: Mapped[str]
    provider_id: Mapped[str] = mapped_column(default="")
    secret_digest: Mapped[str] = mapped_column(default="")  # SHA-256 hex of clientState
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    silent_since: Mapped[datetime | None]  # then news was found that nothing had announced
    silent: Mapped[bool] = mapped_column(
        server_default=text("false")
    )  # sure of it: to be made anew


class Company(Owned, Base):
    __tablename__ = "company"
    __table_args__ = (UniqueConstraint("account_id", "domain"),)
    name: Mapped[str]
    domain: Mapped[str | None]


class Contact(Owned, Base):
    __tablename__ = "contact"
    __table_args__ = ({"sqlite_autoincrement": True},)  # no id is given twice: links would mislead
    name: Mapped[str] = mapped_column(default="")
    company_id: Mapped[int | None] = ref("company.id", "SET NULL")
    created_at: Mapped[datetime]


class MergedContact(Owned, Base):
    """A contact that became part of another: old links lead there."""

    __tablename__ = "merged_contact"
    __table_args__ = (UniqueConstraint("account_id", "former_id"),)
    former_id: Mapped[int]
    contact_id: Mapped[int] = ref("contact.id")


class ContactAddress(Owned, Base):
    __tablename__ = "contact_address"
    __table_args__ = (UniqueConstraint("account_id", "address"),)
    contact_id: Mapped[int] = ref("contact.id")
    address: Mapped[str] = mapped_column(Key)


class Deal(Owned, Base):
    __tablename__ = "deal"
    name: Mapped[str]
    open: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class DealContact(Owned, Base):
    __tablename__ = "deal_contact"
    __table_args__ = (UniqueConstraint("deal_id", "contact_id"),)
    deal_id: Mapped[int] = ref("deal.id")
    contact_id: Mapped[int] = ref("contact.id")


class JournalRow(Owned, Base):
    """The newest verdict on one message of a mailbox. Of a refused message nothing else is kept."""

    __tablename__ = "journal"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "provider_id"),
        Index("ix_journal_mailbox_id_at", "mailbox_id", "at"),
        Index("ix_journal_account_id_sender", "account_id", "sender"),
        Index("ix_journal_account_id_message_digest", "account_id", "message_digest"),
        Index("ix_journal_decided_at", "decided_at"),
        Index("ix_journal_account_id_email_id", "account_id", "email_id"),
        Index(
            "ix_journal_never_log",
            "account_id",
            "decided_at",
            postgresql_where=text("rule = 'never-log'"),
            sqlite_where=text("rule = 'never-log'"),
        ),
        Index(  # what a switch would decide otherwise: few rows of many
            "ix_journal_turned",
            "account_id",
            "decided_at",
            postgresql_where=text("turned_by <> ''"),
            sqlite_where=text("turned_by <> ''"),
        ),
    )
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    provider_id: Mapped[str] = mapped_column(Key)
    message_digest: Mapped[str]  # keyed digest of the Message-ID
    sender: Mapped[str] = mapped_column(Key)
    received_at: Mapped[datetime | None]  # None where it was refused from the listing alone
    at: Mapped[datetime]  # received_at, else when it was first seen: the order of the journal
    verdict: Mapped[str]
    rule: Mapped[str]
    decided_at: Mapped[datetime]
    email_id: Mapped[int | None] = mapped_column(ForeignKey("email.id", ondelete="SET NULL"))
    turned_by: Mapped[tuple[str, ...]] = mapped_column(Names, default=())  # crm.rules.turns
    withdrawals: Mapped[int] = mapped_column(default=0)  # how often its e-mail was un-logged


class JournalReference(Owned, Base):
    """Keyed digest of a Message-ID that a refused message refers to (late roots)."""

    __tablename__ = "journal_reference"
    __table_args__ = (
        UniqueConstraint("journal_id", "digest"),
        Index("ix_journal_reference_account_id_digest", "account_id", "digest"),
    )
    journal_id: Mapped[int] = ref("journal.id")
    digest: Mapped[str]


class PendingMessage(Owned, Base):
    """A message that is to be judged (again): it could not be settled, or its verdict may change."""

    __tablename__ = "pending"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "provider_id"),
        Index("ix_pending_mailbox_id_next_at", "mailbox_id", "next_at"),
        Index("ix_pending_next_at", "next_at"),
    )
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    provider_id: Mapped[str] = mapped_column(Key)
    provider_thread: Mapped[str]
    reason: Mapped[str]  # gone, error, or one of crm.store.again
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]  # None: given up, a person must look
    last_error: Mapped[str] = mapped_column(default="")  # class of the error, never its text
    created_at: Mapped[datetime]


class NeverLogEntry(Owned, Base):
    """An entry of a user's Never Log list, or of the account's own where `user_id` is None."""

    __tablename__ = "never_log"
    __table_args__ = (
        UniqueConstraint("account_id", "user_id", "entry"),
        Index(  # two NULLs are not equal to the constraint above
            "uq_never_log_of_account",
            "account_id",
            "entry",
            unique=True,
            postgresql_where=text("user_id IS NULL"),
            sqlite_where=text("user_id IS NULL"),
        ),
    )
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    entry: Mapped[str] = mapped_column(Key)
    created_at: Mapped[datetime]


class Enrolment(Owned, Base):
    """A contact in a sequence of e-mails, until the contact answers (part E of the rules)."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("contact_id", "sequence"),)
    contact_id: Mapped[int] = ref("contact.id")
    sequence: Mapped[str]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None] = ref("email.id", "SET NULL")  # the reply that ended it


class Lease(Base):
    """A role that one process at a time may play (the timetable's leader). Belongs to no account."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(unique=True)
    holder: Mapped[str]
    until: Mapped[datetime]
