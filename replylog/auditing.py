"""The work of `replylog mailbox audit`: runs over the mailbox, here, until its audit has ended.

They are ordinary runs: each takes the mailbox's lease, keeps the provider's limits, and lets a
worker's run have its turn.
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

import click

from crm.audit_words import sentence
from crm.model import MailboxStatus
from crm.store import audits, mailboxes
from crm.store.audits import AuditRow
from crm.store.mailboxes import Mailbox
from infra import logs
from infra.redis_client import worker_client
from infra.settings import Settings
from replylog import roles
from workers.queue import QueueDown
from workers.runtime import Runtime, runtime
from workers.sync import sync

CLEAN, MISSED, NOT_ENDED = 0, 1, 2
PAUSE = 0.3  # seconds between two looks while somebody else has the mailbox
PATIENCE = 30.0  # for what is put off for longer, the timetable sees to it


def run(settings: Settings, mailbox: Mailbox, days: int, as_json: bool) -> int:
    """Audit one mailbox and print what came out; the exit code."""
    logs.configure("audit", level=logging.ERROR)  # what is usual stands in the table
    with roles.with_redis(settings) as reached, runtime(reached, worker_client(reached)) as running:
        found, problem = _audited(running, mailbox, days)
    if as_json:
        click.echo(json.dumps(_shape(mailbox, found, problem), indent=2, default=str))
    else:
        _print(mailbox, found, problem)
    if problem:
        return NOT_ENDED
    return MISSED if found.missed else CLEAN


def _audited(running: Runtime, mailbox: Mailbox, days: int) -> tuple[AuditRow, str]:
    """The audit as it stands in the end, and why it has not ended, if so."""
    now = running.clock()
    with running.database.begin() as conn:
        begun = audits.begin(conn, mailbox.account_id, mailbox.id, days, now)
    if begun is None:
        raise click.ClickException(f"{mailbox.address} is no connected mailbox")
    label = f"Comparing {mailbox.address}"
    with (
        _interruptible() as stopping,
        click.progressbar(length=100, label=label, file=sys.stderr) as bar,
    ):
        while True:
            with suppress(QueueDown):
                sync(running, mailbox.id, stopping)
            found, problem = _state(running, mailbox, begun)
            if not problem and found.ended_at is None and stopping.is_set():
                problem = "it was interrupted; a worker goes on with it"
            bar.update(int(found.share * 100) - bar.pos)
            if found.ended_at is not None or problem:
                return found, problem
            stopping.wait(PAUSE)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C ends the run in good order: it gives the mailbox back."""
    stopping = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stopping.set())
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)


def _state(running: Runtime, mailbox: Mailbox, audit_id: int) -> tuple[AuditRow, str]:
    with running.database.read() as conn:
        found = audits.one(conn, mailbox.account_id, audit_id)
        current = mailboxes.by_id(conn, mailbox.id)
    assert found is not None
    if found.given_up:
        return found, "the provider failed again and again"
    if found.ended_at is not None:
        return found, ""
    if current is None or current.status is not MailboxStatus.CONNECTED:
        return found, "the mailbox must be connected again first"
    now = running.clock()
    if current.blocked_until is not None and current.blocked_until > now:
        until = f"{current.blocked_until:%Y-%m-%d %H:%M:%S} UTC"
        return found, f"the provider wants to be left alone until {until}; it goes on then"
    due = current.audit_due_at
    if due is not None and (due - now).total_seconds() > PATIENCE:
        return found, f"the provider did not answer; it goes on at {due:%H:%M:%S} UTC"
    return found, ""


def _print(mailbox: Mailbox, found: AuditRow, problem: str) -> None:
    click.echo(f"{mailbox.address}, what came since {found.since:%Y-%m-%d %H:%M} UTC")
    lines = [
        ("looked at", found.looked),
        ("known", found.known),
        ("not followed, junk or from before", found.left_out),
        ("missed", found.missed),
        ("of these logged now", found.logged),
    ]
    for name, number in lines:
        click.echo(f"  {name:<36}{number:>6}")
    for why, number in sorted(found.reasons.items()):
        click.echo(f"  {why:<36}{number:>6}  {sentence(why)}")
    if problem:
        click.echo(f"It has not ended: {problem}.", err=True)


def _shape(mailbox: Mailbox, found: AuditRow, problem: str) -> dict[str, object]:
    kept = ("since", "until", "looked", "missed", "logged", "left_out", "reasons", "ended_at")
    numbers = {name: value for name, value in asdict(found).items() if name in kept}
    return {"mailbox": mailbox.address, "known": found.known, **numbers, "problem": problem or None}
