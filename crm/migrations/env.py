"""Run by Alembic with the connection that `crm.database.Database` holds the schema with."""

from typing import Any, Literal

from alembic import context

from crm.columns import CleanText, Key, Names, UtcDateTime
from crm.tables import Base


def render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Revisions must not change with our code: they name no type of ours."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, CleanText | Key | Names):
        return "sa.Text()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
