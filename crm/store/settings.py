"""An account's settings: what is stored over the defaults of `crm.model.AccountSettings`."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, select

from crm.model import AccountSettings, Switches
from crm.settings_input import OWN_DOMAINS, Value
from crm.store import accounts, sql
from crm.tables import Setting

SWITCHES = {each.name: each.default for each in fields(Switches)}
PLAIN = {each.name: each.default for each in fields(AccountSettings) if each.name != "switches"}
_SETTINGS = select(Setting.name, Setting.value).where(sql.held(Setting))


def settings_of(conn: Connection, account_id: int) -> AccountSettings:
    """The account's settings. Unknown names are passed over."""
    rows = conn.execute(_SETTINGS, {"account": account_id})
    stored: dict[str, Any] = {name: value for name, value in rows}  # noqa: C416 - rows are no pairs
    switches = {name: bool(stored[name]) for name in SWITCHES.keys() & stored.keys()}
    plain = {name: _loaded(stored[name]) for name in PLAIN.keys() & stored.keys()}
    return AccountSettings(switches=Switches(**switches), **plain)


def change(conn: Connection, account_id: int, values: Mapping[str, Value]) -> None:
    """Store several settings that `crm.settings_input` has read, the own domains among them."""
    for name, value in values.items():
        if name == OWN_DOMAINS:
            assert isinstance(value, tuple)
            accounts.set_domains(conn, account_id, value)
        else:
            set_setting(conn, account_id, name, value)


def set_setting(conn: Connection, account_id: int, name: str, value: Value) -> None:
    """Store one setting. Raises ValueError for a name or a type that no setting has."""
    default = {**SWITCHES, **PLAIN}.get(name)
    if default is None or type(value) is not type(default):
        raise ValueError(f"no such setting, or a wrong type: {name}")
    stored = list(value) if isinstance(value, tuple) else value
    statement = sql.insert(conn, Setting).values(account_id=account_id, name=name, value=stored)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[Setting.account_id, Setting.name],
            set_={"value": statement.excluded.value},
        )
    )


def _loaded(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
