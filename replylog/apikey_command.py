"""Subcommand `apikey`: keys for programs that use the REST API."""

from datetime import UTC, datetime

import click

from crm.model import USUAL_SCOPES, Scope
from infra.settings import load
from replylog.stores import opened


@click.group()
def apikey() -> None:
    """Keys of the REST API."""


@apikey.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([each.value for each in Scope]),
    help="What it is good for; repeat it. Default: everything but `restricted`.",
)
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print it, this once."""
    from crm.store import accounts, api_keys
    from infra.secrets import Secrets

    settings, now = load(), datetime.now(UTC)
    wanted = {Scope(each) for each in scopes} or USUAL_SCOPES
    if not name.strip():
        raise click.ClickException("a key needs a name: of the program that uses it, say")
    try:
        with opened(settings) as database, database.begin() as conn:
            account = accounts.ensure_account(conn, "", Secrets(settings.key_texts), now)
            key = api_keys.add_key(conn, account, name, wanted, now)
    except api_keys.NameTaken:
        raise click.ClickException(f"there is a key named {name!r} already") from None
    click.echo(key)


@apikey.command("list")
def listing() -> None:
    """The keys by name, with their scopes and when each was used last."""
    from crm.store import accounts, api_keys

    with opened(load()) as database, database.read() as conn:
        account = accounts.account(conn)
        found = api_keys.keys(conn, account) if account is not None else []
    for each in found:
        used = each.last_used_at.isoformat(timespec="minutes") if each.last_used_at else "never"
        click.echo(f"{each.name}  {' '.join(sorted(each.scopes))}  used {used}")
    if not found:
        click.echo("No keys yet: replylog apikey add NAME")


@apikey.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Make a key useless."""
    from crm.store import accounts, api_keys

    with opened(load()) as database, database.begin() as conn:
        account = accounts.account(conn)
        gone = account is not None and api_keys.remove_key(conn, account, name)
    if not gone:
        raise click.ClickException(f"there is no key named {name!r}")
    click.echo(f"Removed {name}.")
