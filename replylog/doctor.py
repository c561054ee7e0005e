"""`replylog doctor`: looks at the set-up piece by piece and says what to mend. Changes nothing, and sends
no mail; a provider is asked only whether it knows this installation's client."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import click
import requests

from crm.database import Database, OperationalError
from crm.model import Tokens
from crm.store import accounts, operations
from infra import redis_server
from infra.blobs import Blobs, Unavailable
from infra.mailer import Mailer, NotSent
from infra.redis_client import alive, web_client
from infra.redis_server import RedisServerError
from infra.secrets import Secrets, WrongKey
from infra.settings import Settings, SettingsError, load
from infra.values import is_loopback
from providers import causes, hosts, oauth
from providers.client import Operator, Reconnect, Retry
from replylog.stores import opened

PATIENCE = 5  # seconds for an answer
TOKEN = "replylog-doctor"  # noqa: S105 - no token: asked whether it is one, a provider looks at the client first
SQLITE = "sqlite:///"
OK, MISSING = 200, 404
KEPT_BACK = frozenset({401, 403, MISSING})  # by a proxy that keeps /readyz to itself
MARKS = {"fine": "✓", "broken": "✗", "off": "–"}


class State(StrEnum):
    FINE = "fine"
    BROKEN = "broken"
    OFF = "off"  # not set up, and need not be


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one check; `fix` says what to do where it is broken."""

    name: str
    state: State
    found: str
    fix: str = ""


Check = Callable[[Settings], tuple[State, str, str]]


def run(as_json: bool) -> int:
    """Print what was found; 0 where nothing is broken, 2 for wrong settings, else 1."""
    try:
        settings = load()
    except SettingsError as error:
        _told(
            [Finding("settings", State.BROKEN, str(error), "Correct it and start again.")], as_json
        )
        return 2
    found = [Finding("settings", State.FINE, f"the public address is {settings.public_url}")]
    found += [Finding(name, *check(settings)) for name, check in CHECKS.items()]
    _told(found, as_json)
    return int(any(each.state is State.BROKEN for each in found))


def _told(found: list[Finding], as_json: bool) -> None:
    broken = sum(each.state is State.BROKEN for each in found)
    if as_json:
        shown = {"ok": not broken, "checks": [asdict(each) for each in found]}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    width = max(len(each.name) for each in found)
    for each in found:
        lines = each.found.splitlines()
        click.echo(f"{MARKS[each.state]} {each.name:<{width}}  {lines[0]}")
        more = [*lines[1:], *([f"→ {each.fix}"] if each.fix else [])]
        for line in more:
            click.echo(f"  {'':<{width}}  {line}")
    click.echo("" if broken else "\nNothing is broken.", nl=not broken)


def _database(settings: Settings) -> tuple[State, str, str]:
    url, make = settings.resolved_database_url, "Run `replylog db upgrade`."
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        return State.BROKEN, f"there is no file {url.removeprefix(SQLITE)} yet", make
    try:
        with opened(settings) as database:
            current, kind = database.is_current(), database.dialect
    except OperationalError:
        fix = "Start it, or correct REPLYLOG_DATABASE_URL: host, name, user and password."
        return State.BROKEN, "it does not answer", fix
    if not current:
        return State.BROKEN, "its tables are missing or older than this replylog", make
    return State.FINE, f"{kind} answers, its tables are up to date", ""


def _keys(settings: Settings) -> tuple[State, str, str]:
    def look(database: Database) -> tuple[State, str, str]:
        with database.read() as conn:
            account = accounts.account(conn)
            if account is None:
                return State.OFF, "nothing is encrypted yet: there is no user", ""
            accounts.digests(conn, account, Secrets(settings.key_texts))
        return State.FINE, "they open what is stored", ""

    try:
        return _stored(settings, look)
    except WrongKey:
        fix = "Put the former key back into REPLYLOG_SECRET_KEYS, behind the new one."
        return State.BROKEN, "they do not open what is stored", fix


def _timetable(settings: Settings) -> tuple[State, str, str]:
    def look(database: Database) -> tuple[State, str, str]:
        with database.read() as conn:
            until = operations.state(conn, datetime.now(UTC)).leads_until
        if until is not None and until > datetime.now(UTC) - timedelta(minutes=1):
            return State.FINE, "it is running", ""
        return State.BROKEN, "it is not running", "Start `replylog timetable`, or `replylog all`."

    return _stored(settings, look)


def _stored(
    settings: Settings, look: Callable[[Database], tuple[State, str, str]]
) -> tuple[State, str, str]:
    """What `look` finds in the database, unless that itself is broken."""
    if _database(settings)[0] is State.BROKEN:
        return State.OFF, "not looked at without the database", ""
    with opened(settings) as database:
        return look(database)


def _redis(settings: Settings) -> tuple[State, str, str]:
    if not settings.redis_url:
        try:
            return State.FINE, f"the embedded one, {redis_server.locate()}", ""
        except RedisServerError as error:
            return State.BROKEN, str(error), "Install redis-server, or set REPLYLOG_REDIS_URL."
    with web_client(settings) as client:
        if alive(client):
            return State.FINE, "it answers", ""
    fix = "Start it, or correct REPLYLOG_REDIS_URL: host, port and password."
    return State.BROKEN, "it does not answer", fix


def _files(settings: Settings) -> tuple[State, str, str]:
    blobs = Blobs(settings)
    try:
        written = blobs.put(0, [TOKEN.encode()])
        blobs.delete(0, written.digest)
    except (Unavailable, OSError) as error:
        fix = "See to it that REPLYLOG_FILES_URL (or REPLYLOG_VAR) is there, has room and may be written."
        return State.BROKEN, f"attachments cannot be kept: {error}".rstrip(": "), fix
    return State.FINE, "attachments can be kept", ""


def _dns(settings: Settings) -> tuple[State, str, str]:
    if hosts.host_of("postmaster@example.com", settings) is hosts.Host.UNKNOWN:
        fix = "Correct REPLYLOG_DNS_SERVER, or this machine's resolver."
        return State.BROKEN, "nobody answers where a domain's mail lies", fix
    return State.FINE, "it answers", ""


def _public(settings: Settings) -> tuple[State, str, str]:
    url, proof = settings.public_url, "replylog doctor"
    try:
        with requests.Session() as session:
            session.trust_env = not settings.is_local
            here = session.get(f"{url}/readyz", timeout=PATIENCE, allow_redirects=False)
            graph = session.post(
                f"{url}/webhooks/graph", params={"validationToken": proof}, timeout=PATIENCE
            )
            gmail = session.post(f"{url}/webhooks/gmail", timeout=PATIENCE)
    except requests.RequestException as error:
        fix = "Start `replylog all` (or web and webhooks), and look at the proxy, DNS and certificate."
        return State.BROKEN, f"nobody answers at {url} ({type(error).__name__})", fix
    if here.status_code not in {OK, *KEPT_BACK}:
        return State.BROKEN, f"{url}/readyz answers {here.status_code}", "See the log of replylog."
    if graph.text != proof or gmail.status_code == MISSING:
        fix = "Have the proxy pass /webhooks/ on to `replylog webhooks`."
        return State.BROKEN, f"{url}/webhooks/ is not replylog's", fix
    return _reachable(settings)


def _reachable(settings: Settings) -> tuple[State, str, str]:
    """Whether the providers can call us, as far as the address says."""
    ours = settings.public_url
    real = {
        settings.graph_api_url: settings.microsoft_enabled,
        settings.gmail_api_url: settings.gmail_push_enabled,
    }
    if settings.is_local and any(on and not is_loopback(url) for url, on in real.items()):
        fix = "Set REPLYLOG_PUBLIC_URL to an https address that the internet reaches."
        return State.BROKEN, f"pages and webhooks answer, but no provider can call {ours}", fix
    return State.FINE, f"pages and webhooks answer at {ours}", ""


def _google(settings: Settings) -> tuple[State, str, str]:
    if not settings.gmail_enabled:
        return State.OFF, "Gmail is off: REPLYLOG_GOOGLE_CLIENT_ID is not set", ""
    return _client("gmail", settings)


def _microsoft(settings: Settings) -> tuple[State, str, str]:
    if not settings.microsoft_enabled:
        return State.OFF, "Microsoft 365 is off: REPLYLOG_MICROSOFT_CLIENT_ID is not set", ""
    return _client("graph", settings)


def _client(provider: str, settings: Settings) -> tuple[State, str, str]:
    """Whether the provider knows our client and its secret: it then refuses only the token."""
    try:
        oauth.refresh(provider, settings, Tokens("", TOKEN, datetime.now(UTC)))
    except Reconnect:
        return State.FINE, "it knows this installation's client", ""
    except Operator as error:
        cause = causes.explain(error.cause)
        return State.BROKEN, cause.sentence, cause.action
    except Retry:
        fix = "Look at this machine's way to the internet, and at the REPLYLOG_..._URL settings."
        return State.BROKEN, "its token endpoint does not answer", fix
    return State.FINE, "it answers", ""


def _pushes(settings: Settings) -> tuple[State, str, str]:
    if not settings.google_pubsub_topic:
        found = "Gmail announces nothing: mail is found within ten minutes"
        return State.OFF, f"{found}; REPLYLOG_GOOGLE_PUBSUB_TOPIC is not set", ""
    if settings.gmail_pull_enabled:
        return State.OFF, "fetched by `replylog pull`; not looked at", ""
    try:
        answer = requests.get(settings.google_certs_url, timeout=PATIENCE)
        known = bool(answer.ok and answer.json())
    except (requests.RequestException, ValueError):
        known = False
    if known:
        return State.FINE, "the certificates that prove them can be had", ""
    fix = "Correct REPLYLOG_GOOGLE_CERTS_URL, or let this machine reach it."
    return State.BROKEN, "the certificates that prove them cannot be had", fix


def _mail(settings: Settings) -> tuple[State, str, str]:
    if not settings.smtp_url:
        return State.OFF, "nobody is told by mail: REPLYLOG_SMTP_URL is not set", ""
    try:
        Mailer(settings.smtp_url, settings.mail_from, settings.public_url).try_out()
    except NotSent as error:
        fix = "Correct REPLYLOG_SMTP_URL: host, port, user and password."
        return State.BROKEN, f"the mail server does not let us in ({error.error})", fix
    return State.FINE, "the mail server lets us in", ""


CHECKS: dict[str, Check] = {
    "database": _database,
    "secret keys": _keys,
    "Redis": _redis,
    "files": _files,
    "DNS": _dns,
    "public address": _public,
    "timetable": _timetable,
    "Google": _google,
    "Gmail's pushes": _pushes,
    "Microsoft": _microsoft,
    "mail to people": _mail,
}
