"""Subcommands `db` and `user`."""

import sys
from datetime import UTC, datetime

import click

from infra.settings import Settings, load
from replylog.stores import opened

PUBLIC_DOMAINS = frozenset(  # of mail for everybody: nobody's company
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com"}
    | {"icloud.com", "gmx.de", "gmx.net", "web.de", "proton.me", "aol.com"}
)


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
    with opened(settings) as database, database.begin() as conn:
        account = accounts.ensure_account(conn, domain, Secrets(settings.key_texts), now)
        first = not accounts.users(conn, account)
        role = role or ("admin" if first else "member")
        accounts.add_user(conn, account, accounts.NewUser(address, name, role, hashed), now)
        if first and domain not in PUBLIC_DOMAINS:
            accounts.add_domain(conn, account, domain)
