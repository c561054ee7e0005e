"""The tables of logged e-mail: threads, entries and what hangs on them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.columns import Key
from crm.table_base import Base, Owned, ref


class Thread(Owned, Base):
    """A conversation, begun by its root. `root_identity` keeps a repeated root from making two."""

    __tablename__ = "thread"
    __table_args__ = (UniqueConstraint("account_id", "root_identity"),)
    root_identity: Mapped[str]  # Email.identity of the root
    subject: Mapped[str]
    base_subject: Mapped[str]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    team: Mapped[bool] = mapped_column(default=False)


class EmailAssociation(Owned, Base):
    """A company or a deal on whose timeline an e-mail brings its thread."""

    __tablename__ = "email_association"
    __table_args__ = (
        UniqueConstraint("email_id", "company_id"),
        UniqueConstraint("email_id", "deal_id"),
    )
    email_id: Mapped[int] = ref("email.id")
    company_id: Mapped[int | None] = ref("company.id")
    deal_id: Mapped[int | None] = ref("deal.id")


class Email(Owned, Base):
    """A logged e-mail: an entry on timelines, once in an account whatever mailboxes it came to."""

    __tablename__ = "email"
    __table_args__ = (
        UniqueConstraint("account_id", "identity"),
        Index("ix_email_account_id_message_id", "account_id", "message_id"),
        Index("ix_email_account_id_sent_at", "account_id", "sent_at"),
        {"sqlite_autoincrement": True},  # no id is given twice: links and events would mislead
    )
    thread_id: Mapped[int] = ref("thread.id")
    identity: Mapped[str]  # crm.identity: what makes two copies the same message
    message_id: Mapped[str] = mapped_column(Key)
    direction: Mapped[str]
    kind: Mapped[str]
    rule: Mapped[str]
    sender: Mapped[str]
    subject: Mapped[str]
    sent_at: Mapped[datetime]
    received_at: Mapped[datetime]
    logged_at: Mapped[datetime]
    snippet: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    visibility: Mapped[str] = mapped_column(default="everyone")  # crm.model.Visibility
    words: Mapped[str] = mapped_column(default="")  # what a search looks through (crm.words)


class EmailPerson(Owned, Base):
    """An address of a logged e-mail in one role: from, to, cc or bcc."""

    __tablename__ = "email_person"
    __table_args__ = (
        UniqueConstraint("email_id", "role", "address"),
        Index("ix_email_person_account_id_address", "account_id", "address"),
    )
    email_id: Mapped[int] = ref("email.id")
    role: Mapped[str]
    address: Mapped[str] = mapped_column(Key)
    name: Mapped[str]
    position: Mapped[int]


class EmailContact(Owned, Base):
    """A contact on whose timeline a logged e-mail stands."""

    __tablename__ = "email_contact"
    __table_args__ = (UniqueConstraint("email_id", "contact_id"),)
    email_id: Mapped[int] = ref("email.id")
    contact_id: Mapped[int] = ref("contact.id")


class EmailReference(Owned, Base):
    """A Message-ID that a logged e-mail refers to."""

    __tablename__ = "email_reference"
    __table_args__ = (
        UniqueConstraint("email_id", "message_id"),
        Index("ix_email_reference_account_id_message_id", "account_id", "message_id"),
    )
    email_id: Mapped[int] = ref("email.id")
    message_id: Mapped[str] = mapped_column(Key)


class Sighting(Owned, Base):
    """A copy of a logged e-mail in a mailbox, with what was read in this copy and what the rules say
    of it. An e-mail is logged while they let one of its copies in (`carries`)."""

    __tablename__ = "sighting"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "provider_id"),
        Index("ix_sighting_account_id_email_id", "account_id", "email_id"),
        Index("ix_sighting_account_id_sender", "account_id", "sender"),
    )
    email_id: Mapped[int] = ref("email.id")
    mailbox_id: Mapped[int] = ref("mailbox.id")
    provider_id: Mapped[str] = mapped_column(Key)
    provider_thread: Mapped[str]
    sender: Mapped[str] = mapped_column(Key)
    sent_at: Mapped[datetime | None]  # its Date header
    received_at: Mapped[datetime]
    direction: Mapped[str]
    kind: Mapped[str]
    rule: Mapped[str]  # what lets this copy in, or refuses it
    carries: Mapped[bool]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))


class EmailAttachment(Owned, Base):
    """A file in a logged e-mail. Its bytes are kept under their digest, once in an account."""

    __tablename__ = "email_attachment"
    __table_args__ = (
        UniqueConstraint("email_id", "copy", "part"),
        Index("ix_email_attachment_next_at", "next_at"),
        Index("ix_email_attachment_account_id_digest", "account_id", "digest"),
    )
    email_id: Mapped[int] = ref("email.id")
    copy: Mapped[str] = mapped_column(Key)  # mailbox and message in which `part` is its name
    part: Mapped[str] = mapped_column(Key)
    filename: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    inline: Mapped[bool]
    content_id: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")  # crm.model.FileState
    digest: Mapped[str] = mapped_column(default="")  # SHA-256 hex of the bytes; "" = none kept
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]  # when its bytes are to be read; None = never (any more)
    # The newest sighting whose mailbox has it no more, with those before: later ones are asked.
    gone_from: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
