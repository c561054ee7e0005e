"""What all tables share: names of keys, types of columns, the account."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from crm.columns import BigId, CleanText, UtcDateTime


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[Any] = {
        datetime: UtcDateTime,
        str: CleanText,
        dict[str, Any]: JSON,
    }

    id: Mapped[int] = mapped_column(BigId, primary_key=True)


class Owned:
    """A row of one account."""

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))


def ref(target: str, ondelete: str = "CASCADE") -> Any:
    """An indexed foreign key."""
    return mapped_column(ForeignKey(target, ondelete=ondelete), index=True)
