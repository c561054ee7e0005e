"""A listener that refuses statements which could read or change the rows of another account.

Every account-owned table that a statement selects from, updates or deletes from must be held to one
account by `table.account_id = value`. A statement that serves all accounts on purpose says why, in
its execution option `all_accounts`. Tests install this on every engine. Inserts need no guard: the
column cannot be NULL. Statements in plain text may not name a table of ours.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Alias, BindParameter, Column, Engine, Table, event
from sqlalchemy.sql import ClauseElement, Delete, Select, TextClause, Update, operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.selectable import FromClause, Join

from crm.tables import Base

_good: set[object] = set()  # statements that were looked at: it takes as long as running them
_NAMES = {table.name for table in Base.metadata.tables.values() if "account_id" in table.c}


class NotHeldToOneAccount(AssertionError):
    """A statement touches an account-owned table without saying which account."""


def install(engine: Engine) -> None:
    """Refuse, from now on, statements of `engine` that are not held to one account."""
    event.listen(engine, "before_execute", _check)


def _check(_conn: Any, statement: Any, _multi: Any, _params: Any, options: dict[str, Any]) -> None:
    if not isinstance(statement, ClauseElement) or options.get("all_accounts"):
        return
    known = statement._generate_cache_key()  # the same for statements that differ in values only
    if known is not None and known.key in _good:
        return
    for table in unheld(statement):
        message = f"not held to one account: {table}"
        raise NotHeldToOneAccount(message)
    if known is not None:
        _good.add(known.key)


def unheld(statement: ClauseElement) -> list[str]:
    """Names of the account-owned tables that `statement` does not hold to one account."""
    if isinstance(statement, TextClause):
        return sorted(_NAMES & set(statement.text.replace('"', " ").split()))
    used: dict[Any, str] = {}
    held: set[Any] = set()
    for part, surely in _parts(statement):
        used.update((_plain(table), _name(table)) for table in _tables(part))
        if surely and (column := _held_column(part)) is not None:
            held.add(_plain(column.table))
    return sorted(name for table, name in used.items() if name in _NAMES and table not in held)


def _parts(part: Any, surely: bool = True) -> Iterator[tuple[Any, bool]]:
    """All elements of a statement, and whether each must be true for a row to be reached: what
    stands in an OR need not be."""
    yield part, surely
    for child in part.get_children():
        is_or = isinstance(child, BooleanClauseList) and child.operator is operators.or_
        yield from _parts(child, isinstance(child, Select) or (surely and not is_or))


def _tables(part: Any) -> Iterator[FromClause]:
    """The tables and aliases of tables that one SELECT, UPDATE or DELETE reaches."""
    if isinstance(part, Update | Delete):
        yield part.table
    elif isinstance(part, Select):
        for source in part.get_final_froms():
            yield from _unjoined(source)


def _unjoined(source: FromClause) -> Iterator[FromClause]:
    if isinstance(source, Join):
        yield from _unjoined(source.left)
        yield from _unjoined(source.right)
    elif _name(source):
        yield source


def _name(table: Any) -> str:
    """The name of a table, also behind an alias; '' for a subquery, which is looked at by itself."""
    plain = table.element if isinstance(table, Alias) else table
    return plain.name if isinstance(plain, Table) else ""


def _held_column(part: Any) -> Column[Any] | None:
    if not isinstance(part, BinaryExpression) or part.operator is not operators.eq:
        return None
    if isinstance(part.left, Column) and isinstance(part.right, BindParameter):
        return part.left if part.left.name == "account_id" else None
    return None


def _plain(table: Any) -> Any:
    """The table without the ORM's annotations, so that equal ones are one."""
    return table._deannotate() if hasattr(table, "_deannotate") else table
