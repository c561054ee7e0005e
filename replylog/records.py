"""Subcommands that look at the database or change it: `db`, `user`, `mailbox`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from infra.settings import Settings, load

if TYPE_CHECKING:
    from crm.database import Database
    from crm.store.mailbox_rows import Mailbox

PUBLIC_DOMAINS = frozenset(  # of mail for everybody: nobody's company
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com"}
    | {"icloud.com", "gmx.de", "gmx.net", "web.de", "proton.me", "aol.com"}
)


@contextmanager
def _database(settings: Settings) -> "Iterator[Database]":
    from crm.database import Database

    database = Database(settings.resolved_database_url)
    try:
        yield database
    finally:
        database.close()


@click.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Make the tables, or bring them up to date. Safe to repeat, and to run twice at once."""
    from replylog import roles

    roles.upgrade(load())
    click.echo("The database is up to date.")


@click.group()
def user() -> None:
    """People who may sign in."""


@user.command("add")
@click.argument("address")
@click.option(
    "--role", type=click.Choice(["member", "admin"]), help="Default: admin for the first."
)
@click.option("--name", default="", help="What to call them.")
@click.option("--password-stdin", is_flag=True, help="Read their password from standard input.")
def user_add(address: str, role: str | None, name: str, password_stdin: bool) -> None:
    """Add a person. Without a password, prints a link by which they sign in."""
    from crm.addresses import normalise
    from crm.store.accounts import AddressTaken

    settings = load()
    mail = normalise(address)
    if not mail:
        raise click.ClickException(f"{address!r} is no e-mail address")
    hashed = _hashed(sys.stdin.readline().rstrip("\n")) if password_stdin else ""
    try:
        _add(settings, mail, role, name, hashed)
    except AddressTaken:
        raise click.ClickException(f"{mail} is a user already") from None
    click.echo(f"Added {mail}.")
    if not hashed:
        from web import signin

        click.echo(
            f"To sign in, within ten minutes: {settings.public_url}{signin.link(settings, mail)}"
        )


def _hashed(password: str) -> str:
    from argon2 import PasswordHasher

    if len(password) < 8:
        raise click.ClickException("a password has 8 characters or more")
    return PasswordHasher().hash(password)


def _add(settings: Settings, address: str, role: str | None, name: str, hashed: str) -> None:
    from crm.store import accounts
    from infra.secrets import Secrets

    now, domain = datetime.now(UTC), address.rpartition("@")[2]
    with _database(settings) as database, database.begin() as conn:
        account = accounts.ensure_account(conn, domain, Secrets(settings.key_texts), now)
        first = not accounts.users(conn, account)
        role = role or ("admin" if first else "member")
        accounts.add_user(conn, account, accounts.NewUser(address, name, role, hashed), now)
        if first and domain not in PUBLIC_DOMAINS:
            accounts.add_domain(conn, account, domain)


@click.group()
def mailbox() -> None:
    """Connected mailboxes."""


@mailbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def mailbox_list(as_json: bool) -> None:
    """All mailboxes and how they are."""
    from crm.store import accounts, mailboxes
    from infra.secrets import Secrets

    settings = load()
    with _database(settings) as database, database.begin() as conn:
        secrets = Secrets(settings.key_texts)
        account = accounts.ensure_account(conn, "", secrets, datetime.now(UTC))
        rows = [_row(each) for each in mailboxes.list_mailboxes(conn, account)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        shown = (row["address"], row["provider"], row["status"], row["reason"] or "")
        click.echo("  ".join((*shown, row["last_synced_at"] or "never synced")))
    if not rows:
        click.echo("No mailbox is connected.")


def _row(each: "Mailbox") -> dict[str, Any]:
    synced = each.last_synced_at
    return {
        "id": each.id,
        "address": each.address,
        "provider": each.provider,
        "kind": each.kind,
        "status": each.status,
        "reason": each.cause or None,
        "last_synced_at": synced.isoformat() if synced else None,
    }


@mailbox.command("sync")
@click.argument("address")
def mailbox_sync(address: str) -> None:
    """Have a worker read a mailbox now."""
    from crm.addresses import normalise
    from crm.store import mailboxes
    from infra.redis_client import web_client
    from replylog import roles
    from workers.queue import Queue

    settings = load()
    with _database(settings) as database, database.read() as conn:
        found = [each for _, each in mailboxes.by_address(conn, normalise(address))]
    if not found:
        raise click.ClickException(f"{address} is no connected mailbox")
    with roles.with_redis(settings) as reached, web_client(reached) as redis:
        Queue(redis).wake(*found)
    click.echo(f"Woken: {address}")
