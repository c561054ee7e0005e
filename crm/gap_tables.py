"""Times during which a mailbox was not connected, and what its owner decided about each."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.table_base import Base, Owned


class Gap(Owned, Base):
    """A time between two connected periods: how much arrived, and whether it is to be read."""

    __tablename__ = "gap"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "since"),
        Index(
            "ix_gap_work",
            "mailbox_id",
            postgresql_where=text("state IN ('counting', 'reading')"),
            sqlite_where=text("state IN ('counting', 'reading')"),
        ),
    )
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    state: Mapped[str]  # crm.model.GapState
    arrived: Mapped[int] = mapped_column(default=0)  # counted so far
    attempts: Mapped[int] = mapped_column(default=0)  # of counting
    read_to: Mapped[datetime | None]  # everything received before is judged again
    found: Mapped[int] = mapped_column(default=0)  # looked at again so far
    logged: Mapped[int] = mapped_column(default=0)
    chosen_at: Mapped[datetime | None]
