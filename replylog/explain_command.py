"""`replylog explain`: what would become of a message in a mailbox, from its headers."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from infra.settings import load
from replylog.stores import opened

if TYPE_CHECKING:
    from crm.database import Connection
    from crm.explainer import Explanation
    from crm.store.mailbox_rows import Mailbox


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--mailbox", "address", metavar="ADDRESS", required=True, help="As if it came there.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def explain(file: str, address: str, as_json: bool) -> None:
    """Say what would become of a message (raw headers, or a whole .eml; - is standard input), by
    every rule in order. Nothing is stored."""
    from crm.explainer import explain_text
    from infra.secrets import Secrets

    settings = load()
    given = _read(file)
    with opened(settings) as database, database.read() as conn:
        mailbox = _mailbox(conn, address)
        secrets = Secrets(settings.key_texts)
        found = explain_text(conn, mailbox, given, datetime.now(UTC), secrets)
    click.echo(json.dumps(_shown(found), indent=2, ensure_ascii=False) if as_json else told(found))


def _read(file: str) -> bytes:
    from crm.pasted import LONGEST

    try:
        with click.open_file(file, "rb") as stream:
            return bytes(stream.read(LONGEST))
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


def _mailbox(conn: "Connection", address: str) -> "Mailbox":
    from crm.addresses import normalise
    from crm.store import mailboxes

    ids = [each for _, each in mailboxes.by_address(conn, normalise(address))]
    found = mailboxes.by_id(conn, ids[0]) if ids else None
    if found is None:
        text = f"{address} is no mailbox here; `replylog mailbox list` shows those that are"
        raise click.ClickException(text)
    return found


def _shown(found: "Explanation") -> dict[str, Any]:
    return asdict(found) | {"stored": False}


def told(found: "Explanation") -> str:
    """An explanation in lines for people."""
    lines = [found.headline]
    lines += [f"What to do: {found.remedy}"] if found.remedy else []
    lines += [found.actual] if found.actual else []
    lines += (
        [
            "",
            *(
                f"{'✓' if each.passed else '✗'} {each.id:<15} {each.sentence}"
                for each in found.rules
            ),
        ]
        if found.rules
        else []
    )
    lines += ["", *(f"- {note}" for note in found.notes)] if found.notes else []
    return "\n".join([*lines, "", "Nothing of this was stored."])
