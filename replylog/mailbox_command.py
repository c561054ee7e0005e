"""`replylog mailbox`: connect one without a browser, see how they are, have one read now."""

import json
import stat
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from infra.settings import Settings, load
from replylog.stores import opened

if TYPE_CHECKING:
    from crm.database import Database
    from crm.model import Folder
    from crm.store.accounts import User
    from crm.store.mailbox_rows import Mailbox
    from providers.client import ProviderError
    from providers.oauth import Grant

LONGEST_TOKEN = 16 * 1024
NOT_YET = "IMAP mailboxes cannot be connected yet; only gmail and graph can"


@click.group()
def mailbox() -> None:
    """Connected mailboxes."""


@mailbox.command("add")
@click.argument("address")
@click.option("--provider", type=click.Choice(["gmail", "graph", "imap"]), required=True)
@click.option("--user", "owner", metavar="ADDRESS", required=True, help="Whose mailbox it is.")
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    required=True,
    help="Holds a refresh token in its first line; - is standard input.",
)
@click.option(
    "--kind",
    type=click.Choice(["personal", "team", "logging"]),
    help="A user's own mailbox (default), a team's, or the account's logging address.",
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Also where the domain's mail servers are another provider's: mail is handed on.",
)
def mailbox_add(
    address: str, provider: str, owner: str, token_file: str, kind: str | None, anyway: bool
) -> None:
    """Connect a mailbox by a refresh token that was made for this installation's client."""
    if provider == "imap":
        raise click.ClickException(NOT_YET)
    from crm.addresses import normalise

    wanted = normalise(address)
    if not wanted:
        raise click.ClickException(f"{address!r} is no e-mail address")
    settings = load()
    with opened(settings) as database:
        person = _person(database, owner)
        token = _token(token_file)
        try:
            what = (provider, wanted, kind, anyway)
            mailbox_id = _connected(database, settings, what, person, token)
        except _provider_error() as error:
            _refuse(error)
    wake(settings, mailbox_id)
    click.echo(f"Connected {wanted} for {person.address}.")


def _wrong_provider(address: str, host: str) -> click.ClickException:
    """An operator may know better than DNS, and say so."""
    from crm.history import PROVIDER_NAMES

    text = f"the mail servers of {address.rpartition('@')[2]} are those of {PROVIDER_NAMES[host]}"
    return click.ClickException(
        f"{text}, so replies would never arrive in this mailbox. Connect it with --provider {host}; "
        "where mail is handed on from there, add --anyway"
    )


def _person(database: "Database", address: str) -> "User":
    from crm.store import accounts

    with database.read() as conn:
        found = accounts.user_by_address(conn, address)
    if found is None or not found.active:
        text = f"there is no user {address}; `replylog user add {address}` adds one"
        raise click.ClickException(text)
    return found


def _token(file: str) -> str:
    if file != "-":
        with suppress(OSError):
            if Path(file).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                click.echo(f"Warning: other users of this machine can read {file}", err=True)
    try:
        with click.open_file(file, "rb") as stream:
            token = str(stream.readline(LONGEST_TOKEN), "ascii").strip()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        name = "standard input" if file == "-" else file
        raise click.ClickException(f"{name} has no refresh token in its first line")
    return token


def _connected(
    database: "Database",
    settings: Settings,
    what: tuple[str, str, str | None, bool],
    person: "User",
    token: str,
) -> int:
    """Checks the token at the provider and stores the mailbox. Nothing is locked while the provider
    is asked."""
    from dataclasses import replace

    from crm.model import MailboxKind
    from crm.store import mailboxes, moving
    from infra.secrets import Secrets
    from providers import oauth
    from web.connecting import hosted_elsewhere, new_mailbox

    provider, address, kind, anyway = what
    known = _free(database, address, person)
    elsewhere = hosted_elsewhere(provider, address, known, settings)
    if elsewhere and not anyway:
        raise _wrong_provider(address, elsewhere)
    grant = _named(oauth.adopt(provider, settings, token), address, known, provider)
    kept = known.kind if known else MailboxKind.PERSONAL
    new = new_mailbox(provider, grant, person.id, settings)
    new = replace(new, kind=MailboxKind(kind) if kind else kept)
    with database.begin() as conn:
        secrets, now = Secrets(settings.key_texts), datetime.now(UTC)
        made = mailboxes.connect(conn, person.account_id, new, secrets, now)
        if elsewhere:
            moving.stays(conn, person.account_id, made, now)
    return made


def _free(database: "Database", address: str, person: "User") -> "Mailbox | None":
    """The mailbox as it is stored, unless it is connected for somebody else."""
    from crm.model import MailboxStatus
    from crm.store import limits, mailboxes

    with database.read() as conn:
        found = mailboxes.list_mailboxes(conn, person.account_id)
    known = next((each for each in found if each.address == address), None)
    if known and limits.holds(known, datetime.now(UTC)):
        until = known.blocked_until
        raise click.ClickException(f"the provider asked us to leave {address} alone until {until}")
    if known and known.status is MailboxStatus.CONNECTED and known.user_id != person.id:
        raise click.ClickException(f"{address} is connected for another user already")
    return known


def _named(grant: "Grant", address: str, known: "Mailbox | None", provider: str) -> "Grant":
    """`grant`, when it is for `address`. A token without an identity keeps the one that is stored."""
    from dataclasses import replace

    from crm.addresses import normalise

    theirs = normalise(grant.address)
    if theirs != address:
        raise click.ClickException(f"the token belongs to {theirs}, not to {address}")
    kept = known.subject if known and known.provider == provider else ""
    return replace(grant, address=theirs, subject=grant.subject or kept)


def _provider_error() -> "type[ProviderError]":
    from providers.client import ProviderError

    return ProviderError


def _refuse(error: "ProviderError") -> NoReturn:
    from providers import causes
    from providers.client import Operator, Reconnect

    if isinstance(error, Operator):
        cause = causes.explain(error.cause)
        raise click.ClickException(f"{cause.sentence} {cause.action}")
    if isinstance(error, Reconnect):
        sentence = causes.explain(error.cause).sentence
        raise click.ClickException(f"The provider does not take this refresh token: {sentence}")
    raise click.ClickException("The provider does not answer now; try again later")


def wake(settings: Settings, *mailbox_ids: int) -> None:
    """Ring mailboxes whose rows say that they are due: without Redis the timetable does it."""
    from infra.redis_client import web_client
    from infra.redis_server import RedisServerError
    from replylog import roles
    from workers.queue import Queue, QueueDown

    with (
        suppress(QueueDown, RedisServerError),
        roles.with_redis(settings) as reached,
        web_client(reached) as redis,
    ):
        Queue(redis).wake(*mailbox_ids)


@mailbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def mailbox_list(as_json: bool) -> None:
    """All mailboxes and how they are."""
    from crm.store import accounts, mailboxes

    now = datetime.now(UTC)
    with opened(load()) as database, database.read() as conn:
        account = accounts.account(conn)
        found = mailboxes.list_mailboxes(conn, account) if account is not None else []
        rows = [
            _row(each, mailboxes.folders(conn, each.account_id, each.id), now) for each in found
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        _table(rows)
    else:
        click.echo("No mailbox is connected.")


def _row(each: "Mailbox", folders: "list[Folder]", now: datetime) -> dict[str, Any]:
    synced = each.last_synced_at
    return {
        "id": each.id,
        "address": each.address,
        "provider": each.provider,
        "kind": each.kind.value,
        "status": each.status.value,
        "reason": each.reason or None,
        "followed_folders": [folder.name for folder in folders],
        "last_synced_at": synced.isoformat() if synced else None,
        "lag_seconds": each.lag_seconds(now),
        "blocked_by": each.blocked_by or None,
        "blocked_since": each.blocked_since.isoformat() if each.blocked_since else None,
        "blocked_until": each.blocked_until.isoformat() if each.rests(now) else None,  # type: ignore[union-attr]
    }


def _table(rows: list[dict[str, Any]]) -> None:
    lines = [("ADDRESS", "PROVIDER", "STATUS", "LAST READ", "LAG")]
    for row in rows:
        since = (row["blocked_since"] or "")[:16].replace("T", " ")
        blocked = f"{row['blocked_by']} since {since}" if row["blocked_by"] else ""
        why = row["reason"] or blocked
        status = f"{row['status']} ({why})" if why else row["status"]
        read = (row["last_synced_at"] or "never")[:19].replace("T", " ")
        lag = "" if row["lag_seconds"] is None else f"{row['lag_seconds']} s"
        lines.append((row["address"], row["provider"], status, read, lag))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def connected(database: "Database", address: str) -> "list[Mailbox]":
    """The connected mailboxes with this address, of any account; there is one at least."""
    from crm.addresses import normalise
    from crm.model import MailboxStatus
    from crm.store import mailboxes

    with database.read() as conn:
        ids = [each for _, each in mailboxes.by_address(conn, normalise(address))]
        rows = [mailboxes.by_id(conn, each) for each in ids]
    live = [each for each in rows if each and each.status is MailboxStatus.CONNECTED]
    if not live:
        raise click.ClickException(f"{address} is no connected mailbox")
    return live


@mailbox.command("sync")
@click.argument("address")
def mailbox_sync(address: str) -> None:
    """Have a worker read a mailbox now."""
    from infra.redis_client import web_client
    from replylog import roles
    from workers.queue import Queue

    settings = load()
    with opened(settings) as database:
        live = [each.id for each in connected(database, address)]
    with roles.with_redis(settings) as reached, web_client(reached) as redis:
        Queue(redis).wake(*live)
    click.echo(f"Woken: {address}")


@mailbox.command("audit")
@click.argument("address")
@click.option("--days", type=click.IntRange(1, 28), default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def mailbox_audit(address: str, days: int, as_json: bool) -> None:
    """Compare a mailbox's last days with the journal, now, and have judged what is missing. Exit code
    1 where something was, 2 where it could not be ended now."""
    from replylog import auditing

    settings = load()
    with opened(settings) as database:
        live = connected(database, address)
    sys.exit(max(auditing.run(settings, each, days, as_json) for each in live))
