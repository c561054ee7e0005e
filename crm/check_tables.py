"""The tables of what is looked at beside ordinary runs: who hosts the mail, and audits."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.table_base import Base, Owned


class HostCheck(Owned, Base):
    """What DNS said last of who hosts a mailbox's mail: `other` where it speaks against what is
    believed, with how many equal answers in a row and since when (see `crm.moves`)."""

    __tablename__ = "host_check"
    __table_args__ = (UniqueConstraint("mailbox_id"),)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    own_at: Mapped[datetime | None]  # when it named the mailbox's own provider last
    other: Mapped[str] = mapped_column(default="")
    answers: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime | None]
    stays: Mapped[bool] = mapped_column(
        server_default=text("false")
    )  # says its owner, who knows better


class Audit(Owned, Base):
    """One comparison of a mailbox's last days with its journal, done in slices from `since` to
    `until`. Of the messages numbers alone are kept."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_mailbox_id_began_at", "mailbox_id", "began_at"),
        Index("ix_audit_ended_at", "ended_at"),
    )
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    asked: Mapped[str]  # "night" or "person"
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # None: under way
    since: Mapped[datetime]
    until: Mapped[datetime | None]  # None: not begun
    reached: Mapped[datetime]  # everything received before is compared
    tries: Mapped[int] = mapped_column(default=0)  # to get on from there
    failures: Mapped[int] = mapped_column(default=0)  # of the provider, in a row
    looked: Mapped[int] = mapped_column(default=0)
    missed: Mapped[int] = mapped_column(default=0)
    logged: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)  # not in the journal, and rightly so
    reasons: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # of the missed: numbers
    given_up: Mapped[bool] = mapped_column(default=False)
