"""Logged messages a second that the store writes, without a provider: batches of 1 and of 25."""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from crm.database import Database
from crm.model import Address, Headers, Kind, Message, Place, Ref, Root, Tokens, Verdict
from crm.store import accounts, contacts, mailboxes, settle
from crm.store.accounts import NewUser
from crm.store.mailboxes import Mailbox, NewMailbox
from crm.store.settle import Logged, Run
from infra.secrets import Secrets, new_key
from tests import postgres
from tests.bench.rig import Report, median, timed
from tests.faults.office import utc_now

MESSAGES = {1: 150, 25: 750}
ROUNDS = 3
MARIA, ANA = Address("maria@globex.test", "Maria"), Address("ana@acme.test", "Ana")
TARGETS = {25: 2000}


def measure(report: Report) -> None:
    report.head("the store alone: replies of 3 KB to one thread, one writer")
    folder = Path(tempfile.mkdtemp(prefix="replylog-bench-"))
    try:
        _on(report, "SQLite", f"sqlite:///{folder / 'bench.sqlite3'}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        server, stop = postgres.start()
    except postgres.NoPostgres as error:
        report.add("PostgreSQL", f"not measured: {error}")
        return
    try:
        server.run("CREATE DATABASE bench")
        _on(report, "PostgreSQL (no fsync)", server.url("bench"))
    finally:
        stop()


def _on(report: Report, name: str, url: str) -> None:
    database = Database(url)
    database.upgrade()
    try:
        desk = Desk(database)
        for batch, number in MESSAGES.items():
            rates = [number / timed(lambda b=batch, n=number: desk.log(n, b)).seconds
                     for _ in range(ROUNDS)]  # fmt: skip
            target = TARGETS.get(batch, 0)
            rate = median(rates)
            wanted = f">= {target}" if target else ""
            met = rate >= target if target else None
            report.add(f"{name}: messages/s, batches of {batch}", f"{rate:,.0f}", wanted, met)
    finally:
        database.close()


class Desk:
    """One mailbox with a logged thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._secrets = Secrets([new_key()])
        self._number = 0
        now = utc_now()
        with database.begin() as conn:
            account_id = accounts.ensure_account(conn, "Acme", self._secrets, now)
            user = accounts.add_user(conn, account_id, NewUser(ANA.address), now)
            contacts.add_contact(conn, account_id, MARIA.name, [MARIA.address], now)
            new = NewMailbox(user, ANA.address, "gmail", Tokens("a", "r", now))
            box = mailboxes.connect(conn, account_id, new, self._secrets, now)
            mailboxes.take_lease(conn, box, "run", now, timedelta(hours=1))
        with database.read() as conn:
            mailbox = mailboxes.by_id(conn, box)
        assert mailbox is not None
        self._run = Run(mailbox, "run", timedelta(hours=1), self._secrets)
        self._commit([self._message(mailbox, None)])
        with database.read() as conn:
            headers = self._headers(mailbox, answers=("0@acme.test",))
            self._root = (
                settle.load_context(conn, mailbox, [headers]).of(headers).roots["0@acme.test"]
            )
        self._mailbox = mailbox

    def log(self, number: int, batch: int) -> None:
        for start in range(0, number, batch):
            size = min(batch, number - start)
            self._commit([self._message(self._mailbox, self._root) for _ in range(size)])

    def _commit(self, outcomes: Sequence[Logged]) -> None:
        with self._database.begin() as conn:
            settle.commit(conn, self._run, outcomes, utc_now(), "cursor")

    def _message(self, mailbox: Mailbox, root: Root | None) -> Logged:
        headers = self._headers(mailbox, ("0@acme.test",) if root else ())
        verdict = Verdict(True, "reply" if root else "sent-label", root, (MARIA.address,))
        return Logged(verdict, Message(headers, "An answer. " * 250, ""), Kind.REPLY)

    def _headers(self, mailbox: Mailbox, answers: tuple[str, ...]) -> Headers:
        number, self._number = self._number, self._number + 1
        sender, to = (MARIA, ANA) if answers else (ANA, MARIA)
        now = utc_now()
        return Headers(
            Ref(f"m{number}"),
            Place.FOLLOWED if answers else Place.SENT,
            now,
            sender,
            message_id=f"{number}@acme.test",
            in_reply_to=answers,
            subject="Re: Offer",
            sent_at=now,
            to=(to,),
        )
