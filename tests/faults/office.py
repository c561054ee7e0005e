"""An installation and its pretend world, for runs of faults and of speed.

The sandbox is a process of its own; mailboxes are connected without a browser, with tokens that its
control API hands out; roles run as the command starts them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Executable, select, update

from crm.database import Database, OperationalError
from crm.model import MailboxStatus, Tokens
from crm.store import accounts, contacts, mailboxes
from crm.store import settings as account_settings
from crm.store.accounts import NewUser
from crm.store.mailboxes import NewMailbox
from crm.tables import ConnectedPeriod, Mailbox, PendingMessage, Watch
from infra.children import end_with_parent
from infra.secrets import Secrets, new_key
from infra.settings import PREFIX, Settings
from providers import registry
from providers.client import ProviderError
from replylog import roles
from replylog.pretend import Pretend, pretend
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
BCC = "log@bcc.acme.test"
LABEL = "Log to CRM"
BUSY = 4  # times longer than on a quiet machine things may take
DOMAINS = {"gmail": "acme.test", "graph": "acme365.test"}
BROKEN = ROOT / "tests" / "faults" / "broken"  # a sitecustomize that takes names away
WORLDS = {"gmail": "google", "graph": "microsoft"}
GOOGLE_SCOPES = ("openid", "email", "https://www.googleapis.com/auth/gmail.readonly")


class Held:
    """The token source of a mailbox that is not stored yet."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self, fresh: bool = False) -> str:
        assert not fresh, "a token that was given a moment ago was refused"
        return self._token


@dataclass
class Office:
    """One account. `mailboxes`: id by address, of those that were connected here; `calm`: what the
    sandbox's switches were before any was turned; `events`: mailboxes of whose watches the provider
    told something by an event, which may have got lost."""

    world: Pretend
    settings: Settings
    environment: dict[str, str]
    database: Database
    secrets: Secrets
    account_id: int = 0
    mailboxes: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    calm: dict[str, object] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)

    @property
    def names_down(self) -> Path:
        """While this file is there, the roles cannot resolve the provider's host name."""
        return Path(self.environment["DNS_DOWN"])

    def provider_of(self, address: str) -> str:
        domain = address.partition("@")[2]
        return next(provider for provider, each in DOMAINS.items() if each == domain)

    def contact(self, *addresses: str) -> None:
        with self.database.begin() as conn:
            for address in addresses:
                contacts.add_contact(
                    conn, self.account_id, address.partition("@")[0].title(), [address], utc_now()
                )

    def person(self, address: str, provider: str) -> None:
        self.world.post("people", address=address, name="Owner", provider=WORLDS[provider])

    def connect(self, address: str, provider: str) -> int:
        """Connect a person's mailbox from now on; its id."""
        if address not in {one["address"] for one in self.world.get("people")}:
            self.person(address, provider)
        tokens = self.tokens(address, provider)
        client = registry.open_client(provider, Held(tokens.access_token), self.settings)
        try:
            cursor, folders = client.baseline(), tuple(client.folders())
        finally:
            client.close()
        with self.database.begin() as conn:
            if address not in self.users:
                new_user = NewUser(address)
                user_id = accounts.add_user(conn, self.account_id, new_user, utc_now())
                self.users[address] = user_id
            new = NewMailbox(
                user_id=self.users[address],
                address=address,
                provider=provider,
                tokens=tokens,
                own_addresses=(address,),
                cursor=cursor,
                folders=folders,
            )
            mailbox_id = mailboxes.connect(conn, self.account_id, new, self.secrets, utc_now())
        self.mailboxes[address] = mailbox_id
        return mailbox_id

    def reconnect(self, address: str) -> bool:
        """Whether a person who presses the button now gets the mailbox connected again."""
        try:
            self.connect(address, self.provider_of(address))
        except (ProviderError, OperationalError):
            return False
        return True

    def connected_long(self) -> None:
        """As if all mailboxes had been connected an hour ago: clocks will be put back."""
        mine = ConnectedPeriod.account_id == self.account_id
        since = utc_now().replace(microsecond=0) - timedelta(hours=1)
        self._change(update(ConnectedPeriod).where(mine).values(since=since))

    def stopped(self, address: str) -> bool:
        """Whether a mailbox waits to be connected again."""
        query = select(Mailbox.status).where(*self._row(address))
        with suppress(OperationalError), self.database.read() as conn:
            return conn.scalar(query) == MailboxStatus.RECONNECT
        return False

    def ring(self, address: str) -> None:
        """Have the timetable ring a mailbox now."""
        self._change(update(Mailbox).where(*self._row(address)).values(wake_at=utc_now()))

    def look_after_watches(self, address: str) -> None:
        """As if half the life of the mailbox's watches, or a pause after a refusal, were over: they
        are due now."""
        now = utc_now()
        mine = (Watch.account_id == self.account_id, Watch.mailbox_id == self.mailboxes[address])
        due = update(Mailbox).where(*self._row(address), Mailbox.renew_at.is_not(None))
        self._change(
            update(Watch).where(*mine).values(expires_at=now),
            due.values(renew_at=now, watch_due_at=None, wake_at=now),
        )

    def ring_all(self) -> None:
        """As if ten minutes had passed, after which a mailbox that nobody rang is asked anyway."""
        connected = (Mailbox.account_id == self.account_id, Mailbox.wake_at.is_not(None))
        self._change(update(Mailbox).where(*connected).values(wake_at=utc_now()))

    def outlive_waits(self) -> None:
        """As if time had passed: whatever run holds a mailbox has lost it, no provider asks to wait
        any more, and all is due."""
        connected = (Mailbox.account_id == self.account_id, Mailbox.wake_at.is_not(None))
        now = utc_now()
        over = {"lease": "", "lease_until": None, "blocked_until": None, "wake_at": now}
        pending = PendingMessage.account_id == self.account_id
        self._change(
            update(Mailbox).where(*connected).values(over),
            update(PendingMessage).where(pending).values(next_at=now),
        )

    def _row(self, address: str) -> tuple[Any, ...]:
        return Mailbox.account_id == self.account_id, Mailbox.id == self.mailboxes[address]

    def _change(self, *statements: Executable) -> None:
        """In one transaction; tried again while the database is away."""

        def done() -> bool:
            with suppress(OperationalError), self.database.begin() as conn:
                for statement in statements:
                    conn.execute(statement)
                return True
            return False

        if not within(60, done):
            raise RuntimeError("the database stayed away")

    def rule(self, address: str, folder: str, sender: str) -> None:
        """An inbox rule: mail of `sender` goes to `folder`, which is made."""
        body = {"name": folder, "from_contains": sender, "target_folder": folder}
        self.world.post("rule", address=address, **body)

    def tokens(self, address: str, provider: str) -> Tokens:
        if provider == "gmail":
            given = self.world.post("google/token", address=address, scopes=GOOGLE_SCOPES)
        else:
            given = self.world.post("microsoft/token", address=address)
        expires = utc_now() + timedelta(seconds=int(given["expires_in"]))
        scopes = frozenset(str(given.get("scope", "")).split())
        return Tokens(given["access_token"], given["refresh_token"], expires, scopes)

    def send(self, owner: str, to: str, subject: str, ticked: bool = True, text: str = "") -> Any:
        """A person sends a mail, ticked for the log by the BCC address: id and message_id."""
        more = {"bcc": BCC} if ticked else {}
        body = {"from": owner, "to": to, "subject": subject, "text": text or "Here it is."}
        return self.world.post("send", **body, **more)

    def mail(self, sender: str, to: Sequence[str], subject: str, **more: Any) -> Any:
        """Mail arrives: message_id and ids by address."""
        body = {"from": sender, "to": list(to), "subject": subject, "text": "An answer.\n"}
        return self.world.post("mail", **{**body, **more})

    @contextmanager
    def role(
        self, *arguments: str, module: str = "replylog", name: str = "", **more: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """`replylog …` as a process of its own, or another `module` that is like it; its log is
        `<name or first argument>.log` below `var`."""
        log = (self.settings.var / f"{name or arguments[0]}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.settings.var,
            env={**plain_environment(), **self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        try:
            yield process
        finally:
            log.close()
            end(process)


def end(process: "subprocess.Popen[bytes]", patience: float = 20.0) -> int:
    """SIGTERM, and SIGKILL for one that does not end in time; its exit code."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=patience)
    process.kill()
    return process.wait()


def utc_now() -> datetime:
    return datetime.now(UTC)


def plain_environment() -> dict[str, str]:
    """This process's environment without settings of replylog's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, "PYTHONPATH": str(ROOT)}


@contextmanager
def office(var: Path, database_url: str = "", world: Pretend | None = None) -> Iterator[Office]:
    """A sandbox of its own (or `world`) and an empty, migrated database; no role runs yet."""
    if world is not None:
        yield from _office(var, database_url, world)
        return
    with pretend(host="localhost") as made:  # a name, so that it can be taken away
        yield from _office(var, database_url, made)


def _office(var: Path, database_url: str, world: Pretend) -> Iterator[Office]:
    public_url = f"http://127.0.0.1:{free_port()}"
    environment = world.environment(public_url) | {
        f"{PREFIX}VAR": str(var.resolve()),
        f"{PREFIX}SECRET_KEYS": new_key(),
        "DNS_DOWN": str(var.resolve() / "names-are-down"),
        "PYTHONPATH": f"{BROKEN}:{ROOT}",
    }
    if database_url:
        environment[f"{PREFIX}DATABASE_URL"] = database_url
    settings = settings_of(environment)
    settings.var.mkdir(parents=True, exist_ok=True)
    roles.upgrade(settings)
    secrets, database = Secrets(settings.key_texts), Database(settings.resolved_database_url)
    made = Office(world, settings, environment, database, secrets)
    try:
        with database.begin() as conn:
            made.account_id = accounts.ensure_account(conn, "Acme", secrets, utc_now())
            for domain in DOMAINS.values():
                accounts.add_domain(conn, made.account_id, domain)
            account_settings.set_setting(conn, made.account_id, "bcc_address", BCC)
        world.push_to(public_url)
        yield made
    finally:
        database.close()


def settings_of(environment: dict[str, str]) -> Settings:
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    return Settings(_env_file=None, **given)


def answers(url: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(url, timeout=2).ok
    return False


def within(seconds: float, true: Callable[[], Any], step: float = 0.05) -> bool:
    """Whether it became true in that time, on a busy machine in more."""
    until = time.monotonic() + seconds * BUSY
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(step)
    return True


def children_of(pid: int) -> dict[int, str]:
    """Living children of a process: pid and command line, by /proc."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                state, parent = (entry / "stat").read_text().rpartition(") ")[2].split()[:2]
                if int(parent) == pid and state != "Z":
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = command.decode(errors="replace")
    return found
