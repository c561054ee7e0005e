"""The command `replylog`. What a subcommand needs is imported when it runs: most need little."""

import importlib
import sys
from typing import Any

import click

from infra.redis_server import RedisServerError
from infra.secrets import WrongKey, new_key
from infra.settings import SettingsError

VERSION = "0.1.0"
WRONG_SETTINGS = 2  # exit code; 1 for everything else that went wrong


NO_DATABASE = (
    "The database does not answer, or its tables are missing or older than this replylog "
    "(REPLYLOG_DATABASE_URL says where it is, `replylog db upgrade` sets it up)"
)


NO_SUBSCRIPTION = (
    "REPLYLOG_GOOGLE_PUBSUB_SUBSCRIPTION: needed to pull, like `projects/P/subscriptions/S`"
)


class Replylog(click.Group):
    """Says in one line what a person can mend; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            click.echo(str(error), err=True)
            ctx.exit(WRONG_SETTINGS)
        except (RedisServerError, WrongKey) as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:
            if text := _outage(error):
                raise click.ClickException(text) from None
            raise


def _outage(error: Exception) -> str:
    """What to say when the database or Redis cannot be reached, '' for any other error.

    By name in `sys.modules`: whoever raised them has imported them, and nobody else has to wait.
    """
    for module, name, text in (
        ("crm.database", "OperationalError", NO_DATABASE),
        ("workers.queue", "QueueDown", "Redis does not answer"),
    ):
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return text
    return ""


@click.group(cls=Replylog)
@click.version_option(VERSION, prog_name="replylog")
def main() -> None:
    """Logs e-mail replies on the right CRM contact's timeline, and says why when it does not."""


host_option = click.option("--host", help="Address to listen on.")
PORTS = 2**16
PORT = click.IntRange(0, PORTS - 1)
port_option = click.option("--port", type=click.IntRange(1, PORTS - 1), help="Port to listen on.")
workers_option = click.option("--workers", type=click.IntRange(1), default=1, show_default=True)


def _host_and_port(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> str | None:
    port = (given or ":1").rpartition(":")[2]
    if port.isascii() and port.isdigit() and 0 < int(port) < PORTS:
        return given
    raise click.BadParameter(f"{given!r} is no HOST:PORT")


probe_option = click.option(
    "--probe",
    metavar="HOST:PORT",
    callback=_host_and_port,
    help="Answer /healthz, /readyz and /metrics there.",
)


@main.command("all")
@host_option
@port_option
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True)
def run_all(host: str | None, port: int | None, processes: int) -> None:
    """Everything in one process group, for one machine."""
    from replylog import roles

    roles.run_all(host, port, processes)


def _serve(what: str, host: str | None, port: int | None, workers: int) -> None:
    from replylog import roles

    with roles.prepared(what) as settings:
        from replylog import serving

        address = roles.address_of(settings, host, port)
        roles.check_free(*address)
        serving.serve(what, *address, workers)


@main.command()
@host_option
@port_option
@workers_option
def web(host: str | None, port: int | None, workers: int) -> None:
    """The pages and the REST API."""
    _serve("web", host, port, workers)


@main.command()
@host_option
@port_option
@workers_option
def webhooks(host: str | None, port: int | None, workers: int) -> None:
    """What Google and Microsoft call."""
    _serve("webhooks", host, port, workers)


@main.command("serve-both", hidden=True)
@host_option
@port_option
@workers_option
def serve_both(host: str | None, port: int | None, workers: int) -> None:
    """Web and webhooks on one port; `all` starts it."""
    _serve("both", host, port, workers)


@main.command()
@click.option("--burst", is_flag=True, help="End when the queues are empty.")
@click.option("--processes", type=click.IntRange(1), help="How many; default: one a processor.")
@probe_option
def worker(burst: bool, processes: int | None, probe: str | None) -> None:
    """Reads mailboxes and logs what belongs on a timeline."""
    from replylog import roles

    with roles.prepared("worker", probe) as settings:
        from workers import worker as role

        role.run(settings, burst=burst, processes=processes)


@main.command()
@probe_option
def timetable(probe: str | None) -> None:
    """Renews watches, wakes quiet mailboxes and tries again what failed."""
    from replylog import roles

    with roles.prepared("timetable", probe) as settings:
        from workers import timetable as role

        role.run(settings)


@main.command()
@probe_option
def pull(probe: str | None) -> None:
    """Fetches what Gmail announces, where Pub/Sub cannot push to a public URL."""
    from replylog import roles

    with roles.prepared("pull", probe) as settings:
        if not settings.google_pubsub_subscription:
            raise SettingsError(NO_SUBSCRIPTION)
        from workers import pull as role

        role.run(settings)


@main.command(hidden=True)
@click.argument("address")
def probe(address: str) -> None:
    """Answers probes beside a worker or timetable."""
    from replylog import roles

    roles.answer_probes(address)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Check the set-up and say what to fix. Exit code 1 where something is broken, 2 for settings."""
    from replylog import doctor as checks

    sys.exit(checks.run(as_json))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=0, help="0: any free one.")
@click.option("--dns-port", type=PORT, default=0, help="0: any free one.")
def sandbox(host: str, port: int, dns_port: int) -> None:
    """The pretend Google and Microsoft alone; prints where they are, as JSON."""
    from sandbox.app import serve

    try:
        serve(host, port, dns_port)
    except OSError as error:
        raise click.ClickException(f"cannot listen at {host}: {error.strerror}") from None


@main.command()
@click.option("--once", is_flag=True, help="Play the story without a person; exit 0 or 1.")
def demo(once: bool) -> None:
    """Everything on this machine, with a pretend Google and Microsoft."""
    story = importlib.import_module("replylog.demo")
    sys.exit(story.run(once=once))


@main.command()
def key() -> None:
    """Print a new key for REPLYLOG_SECRET_KEYS."""
    click.echo(new_key())


def _add_groups() -> None:
    from replylog import (
        apikey_command,
        contacts_command,
        explain_command,
        mailbox_command,
        records,
    )

    groups = (records.db, records.user, mailbox_command.mailbox, contacts_command.contacts)
    for group in (*groups, apikey_command.apikey):
        main.add_command(group)
    main.add_command(explain_command.explain)


_add_groups()
