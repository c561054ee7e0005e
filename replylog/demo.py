"""`replylog demo`: everything on this machine with a pretend Google and Microsoft; with `--once` the
story plays itself and says whether it ended as it must."""

import shutil
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import requests

from crm.database import Database
from crm.explainer import explain_text
from crm.store import mailboxes
from infra.secrets import Secrets
from infra.settings import Settings
from replylog import story
from replylog.explain_command import told as told_in_lines
from replylog.installation import Failed, free_port, installation, wait
from replylog.office import RealOffice
from replylog.pretend import Pretend, pretend
from replylog.story import Expected, Story
from replylog.verdicts import Verdicts
from replylog.walker import Lost, Walker
from web.signin import link

PORT = 8080
SANDBOX_PORT = 8090
STEP_SECONDS = 60.0


def run(once: bool) -> int:
    """The demo; the exit code."""
    var = Path("var") / ("demo-once" if once else "demo")
    shutil.rmtree(
        var, ignore_errors=True
    )  # the pretend world is new at every start, so this is too
    public_url = f"http://127.0.0.1:{free_port(0 if once else PORT)}"
    try:
        with pretend(free_port(0 if once else SANDBOX_PORT)) as world:
            environment = world.environment(public_url) | {"REPLYLOG_VAR": str(var.resolve())}
            world.push_to(public_url)
            with installation(environment) as settings:
                return _play(settings, world) if once else _stay(settings, world)
    except (Failed, Lost, RuntimeError, requests.RequestException) as error:
        click.echo(f"The demo failed: {error}", err=True)
        click.echo(f"Its log is {var / 'log'}.", err=True)
        return 1


def _stay(settings: Settings, world: Pretend) -> int:
    """Tell a person where to go, play the story meanwhile, and stay until Ctrl-C."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: sys.exit(0))
    click.echo(
        f"""
replylog is ready. Everything is on this machine; nothing leaves it.

  1. Open   {settings.public_url}{link(settings, story.ANA)}
            You are Ana. Her mailbox and Ben's are being connected right now, and a story is played
            in them for half a minute: every rule decides a message. See "Why?".
  2. Connect {story.CLEO} (Gmail) or {story.DORA} (Microsoft 365) yourself:
            Mailboxes, "Connect a mailbox".
  3. Open   {world.url}/
            the pretend world: write to {story.MARIA} and set "{story.LABEL}" on the mail you sent,
            or put {story.BCC} into Bcc; then answer it as Maria.
  4. Watch the answer appear on Maria's page under Contacts.

Ctrl-C ends it. Logs: {settings.var / "log"}
"""
    )
    try:
        _play(settings, world)
    except (Failed, Lost, requests.RequestException) as error:
        click.echo(f"The story could not be played to its end: {error}", err=True)
    while True:
        signal.pause()


def _play(settings: Settings, world: Pretend) -> int:
    """Connect both mailboxes as people do, play the story, print what became of it."""
    database = Database(settings.resolved_database_url)
    verdicts = Verdicts(database)

    def settle(told: list[Expected]) -> None:
        wait("every message has its verdict", lambda: verdicts.settled(told), STEP_SECONDS)

    played = Story(world, RealOffice(database, settings), settle)
    try:
        played.prepare()
        connect(settings, story.ANA, "Google", "Allow")
        connect(settings, story.BEN, "Microsoft 365", "Accept")
        both = {story.ANA, story.BEN}
        wait("both mailboxes are watched", lambda: verdicts.watched() >= both, STEP_SECONDS)
        told = played.play()
        with suppress(Failed):  # the table then says which is wrong
            wait("each is right", lambda: verdicts.right(told), STEP_SECONDS)
        right = verdicts.report(told, _announced(world))
        return 0 if _explained(settings, world.raw(story.ANA, played.example)) and right else 1
    finally:
        database.close()


def _explained(settings: Settings, raw: bytes) -> bool:
    """Ask the explainer about a message, pasted as people paste; whether it says what it must."""
    head = raw.partition(b"\r\n\r\n")[0].decode()
    pasted = "".join(f"> {line}\n" for line in head.splitlines())
    visitor = Walker(settings.public_url).go(link(settings, story.ANA)).go("/why/explain")
    visitor.press("Explain", headers=pasted)
    click.echo("\nThe explainer, given the headers of Joe's answer with the new subject:\n")
    database = Database(settings.resolved_database_url)
    with database.read() as conn:
        ids = [each for _, each in mailboxes.by_address(conn, story.ANA)]
        box = mailboxes.by_id(conn, ids[0])
        assert box is not None, "Ana's mailbox was connected"
        now, secrets = datetime.now(UTC), Secrets(settings.key_texts)
        said = explain_text(conn, box, pasted, now, secrets)
    database.close()
    click.echo(told_in_lines(said))
    return said.rule == "subject-changed" and said.headline in visitor.text


def connect(settings: Settings, address: str, provider: str, consent: str) -> None:
    """Sign in by link, type the address, take the offered provider, consent. Raises Lost or Failed."""
    visitor = Walker(settings.public_url).go(link(settings, address)).go("/connect")
    visitor.press("Continue", address=address).follow(f"Connect {provider}").press(consent)
    if "/mailboxes/" not in visitor.url:
        raise Failed(f"{address} is connected: {visitor.text[:300]}")
    click.echo(f"connected {address} ({provider})")


def _announced(world: Pretend) -> dict[str, list[float]]:
    """When notifications left for each address, ascending, epoch seconds."""
    times: dict[str, list[float]] = {}
    for each in world.get("notifications")["log"]:
        if each["outcome"] != "dropped":
            times.setdefault(each["address"], []).append(each["at"])
    return {address: sorted(of) for address, of in times.items()}
