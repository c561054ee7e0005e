"""The tables of what is told to the outside: events, who wants them, and each telling."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.columns import Names
from crm.table_base import Base, Owned, ref


class OutboxEvent(Owned, Base):
    """Something to tell the outside, written in the transaction that made it true."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("account_id", "key"),
        Index("ix_outbox_next_at", "next_at"),
        Index("ix_outbox_created_at", "created_at"),
        Index("ix_outbox_account_id_created_at", "account_id", "created_at"),
        {"sqlite_autoincrement": True},  # no id is given twice: receivers know events by it
    )
    key: Mapped[str]  # the same event has the same key
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    next_at: Mapped[datetime | None]  # its deliveries are to be made; None: they are
    created_at: Mapped[datetime]


_DEAD = text("next_at IS NULL AND delivered_at IS NULL")


class Delivery(Owned, Base):
    """One event for one receiver, until it has it or every try was used."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("event_id", "destination", "target"),
        Index("ix_delivery_destination_target_next_at", "destination", "target", "next_at"),
        Index("ix_delivery_destination_target_created_at", "destination", "target", "created_at"),
        Index("ix_delivery_destination_next_at", "destination", "next_at"),
        Index(  # the oldest that is on its way
            "ix_delivery_open",
            "created_at",
            postgresql_where=text("next_at IS NOT NULL"),
            sqlite_where=text("next_at IS NOT NULL"),
        ),
        Index(
            "ix_delivery_dead",
            "account_id",
            "target",
            postgresql_where=_DEAD,
            sqlite_where=_DEAD,
        ),
    )
    event_id: Mapped[int] = ref("outbox.id")
    destination: Mapped[str]  # `webhook`, or another of `workers.outbox.DESTINATIONS`
    target: Mapped[int]  # the receiver, by an id that the destination knows
    attempts: Mapped[int] = mapped_column(default=0)  # begun; names the holder of a try as well
    next_at: Mapped[datetime | None]  # due; while one tries, when others may; None: over
    delivered_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    status: Mapped[int | None]  # of the last answer, where there was one
    error: Mapped[str] = mapped_column(default="")  # class of the last failure, never its text
    created_at: Mapped[datetime]


class WebhookEndpoint(Owned, Base):
    """A URL that is told of some topics. One worker at a time posts to it, by a lease."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        Index("ix_webhook_endpoint_due_at", "due_at"),
        Index("ix_webhook_endpoint_account_id", "account_id"),
        {"sqlite_autoincrement": True},  # deliveries of a removed one must not come to a new one
    )
    url: Mapped[str]
    topics: Mapped[tuple[str, ...]] = mapped_column(Names)
    secret: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted
    former_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # signs too, until then:
    former_until: Mapped[datetime | None]
    state: Mapped[str]  # crm.topics.State
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    failing_since: Mapped[datetime | None]
    not_before: Mapped[datetime | None]  # it failed: no try at all before
    due_at: Mapped[datetime | None]  # when its next delivery is due
    lease: Mapped[str] = mapped_column(default="")
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
