"""A small company to test the store with: an account, its people, mailboxes and mail."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from crm.database import Database
from crm.model import (
    Address,
    Attachment,
    Headers,
    Kind,
    MailboxKind,
    Message,
    Place,
    Ref,
    Root,
    Tokens,
    Verdict,
)
from crm.store import accounts, contacts, journal, mailboxes, settle, timeline
from crm.store.outcomes import Committed, Logged, Outcome, Refused, Run
from crm.store.timeline import ThreadRow
from crm.store.visibility import Viewer
from infra.secrets import Secrets

TTL = timedelta(seconds=60)
ZOE = "zoe@globex.test"


@dataclass
class World:
    database: Database
    secrets: Secrets
    now: datetime
    account: int = 0
    users: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.account:
            with self.database.begin() as conn:
                self.account = accounts.ensure_account(conn, "Acme", self.secrets, self.now)

    @property
    def everything(self) -> Viewer:
        """Whoever may see all e-mails."""
        return Viewer(self.account, sees_all=True)

    def viewer(self, address: str) -> Viewer:
        """The user with this address, as whom e-mails are shown."""
        with self.database.read() as conn:
            found = accounts.user(conn, self.account, self.user(address))
        assert found is not None
        return Viewer(self.account, found.id, found.team_id)

    def other_account(self) -> "World":
        """A second company in the same database."""
        from sqlalchemy import insert

        from crm.tables import Account

        with self.database.begin() as conn:
            values = {
                "name": "Other",
                "digest_key": self.secrets.encrypt(b"k" * 32),
                "created_at": self.now,
            }
            made = conn.execute(insert(Account).values(values).returning(Account.id)).scalar_one()
        return World(self.database, self.secrets, self.now, account=made)

    def user(self, address: str) -> int:
        if address not in self.users:
            with self.database.begin() as conn:
                self.users[address] = accounts.add_user(
                    conn, self.account, accounts.NewUser(address), self.now
                )
        return self.users[address]

    def mailbox(
        self, address: str = "ana@acme.test", kind: MailboxKind = MailboxKind.PERSONAL
    ) -> mailboxes.Mailbox:
        """Connect a mailbox of the user with this address and give it as stored."""
        user_id = self.user(address) if kind is MailboxKind.PERSONAL else None
        new = mailboxes.NewMailbox(
            user_id, address, "gmail", a_token(self.now), kind=kind, cursor="c0"
        )
        with self.database.begin() as conn:
            found = mailboxes.connect(conn, self.account, new, self.secrets, self.now)
            mailbox = mailboxes.mailbox(conn, self.account, found)
        assert mailbox is not None
        return mailbox

    def contact(self, *addresses: str, name: str = "", company: int | None = None) -> int:
        with self.database.begin() as conn:
            return contacts.add_contact(
                conn, self.account, name, addresses, self.now, company
            ).contact_id

    def run(self, mailbox: mailboxes.Mailbox, token: str = "run") -> Run:
        """Take the mailbox's lease, as often as one likes with the same token."""
        with self.database.begin() as conn:
            mailboxes.take_lease(conn, mailbox.id, token, self.now, TTL)
        return Run(mailbox, token, TTL, self.secrets)

    def settle(
        self, mailbox: mailboxes.Mailbox, *outcomes: Outcome, cursor: str | None = None
    ) -> Committed:
        run = self.run(mailbox)
        with self.database.begin() as conn:
            return settle.commit(conn, run, outcomes, self.now, cursor=cursor)

    def root(self, mailbox: mailboxes.Mailbox, headers: Headers) -> Root | None:
        """The root that the store finds for the first Message-ID that a message refers to."""
        with self.database.read() as conn:
            context = settle.load_context(conn, mailbox, [headers]).of(headers)
        return next(
            (context.roots[each] for each in headers.answers if each in context.roots), None
        )

    def sent(self, number: int, to: Sequence[str | Address] = (ZOE,), **more: object) -> Logged:
        """A message sent with Log ticked, to contacts or people who become one."""
        people = tuple(Address(each) if isinstance(each, str) else each for each in to)
        headers = self.headers(number, Place.SENT, to=people, **more)
        on = tuple(each.address for each in people)
        verdict = Verdict(True, "sent-bcc", None, on, people)
        return Logged(verdict, a_message(headers), Kind.REPLY)

    def reply(
        self, number: int, root: Root | None, sender: str = ZOE, answers: int = 1, **more: object
    ) -> Logged:
        headers = self.incoming(number, sender, answers, **more)
        verdict = Verdict(True, "reply", root, (sender,))
        return Logged(verdict, a_message(headers), Kind.REPLY)

    def refused(
        self, number: int, rule: str, sender: str = ZOE, answers: int = 1, **more: object
    ) -> Refused:
        headers = self.incoming(number, sender, answers, **more)
        return Refused(headers.ref, headers.place, headers, rule)

    def incoming(self, number: int, sender: str, answers: int, **more: object) -> Headers:
        values = {
            "sender": Address(sender),
            "to": (Address("ana@acme.test"),),
            "in_reply_to": (message_id(answers),),
        }
        return self.headers(number, Place.FOLLOWED, **values | more)

    def headers(self, number: int, place: Place, **more: object) -> Headers:
        at = self.now + timedelta(minutes=number)
        base = Headers(
            ref=Ref(f"p{number}", "t1"),
            place=place,
            received_at=at,
            sender=Address("ana@acme.test", "Ana"),
            message_id=message_id(number),
            subject="Re: Offer",
            sent_at=at,
        )
        return replace(base, **more)  # type: ignore[arg-type]

    def timeline(self, contact_id: int) -> tuple[ThreadRow, ...]:
        with self.database.read() as conn:
            return timeline.of_contact(conn, self.everything, contact_id).items

    def contact_id(self, address: str) -> int:
        """The contact who has this address."""
        with self.database.read() as conn:
            found = contacts.find(conn, self.account, address)
        assert found is not None
        return found.id

    def number_of(self, table: Any, *where: Any) -> int:
        """How many rows of a table this company has."""
        with self.database.read() as conn:
            query = select(func.count()).select_from(table)
            return conn.scalar(query.where(table.account_id == self.account, *where)) or 0

    def journal_of(self, mailbox: mailboxes.Mailbox) -> dict[str, tuple[str, str]]:
        """Verdict and rule by the provider's id."""
        with self.database.read() as conn:
            page = journal.rows(conn, self.account, mailbox.id, journal.Filter())
        return {row.provider_id: (row.verdict, row.rule) for row in page.items}

    def due_in(self, mailbox: mailboxes.Mailbox) -> list[tuple[str, str]]:
        """What is to be judged again by now: the provider's id and why."""
        with self.database.read() as conn:
            due = settle.pending_due(conn, mailbox, self.now, 50)
        return [(row.ref.id, row.reason) for row in due]


def message_id(number: int) -> str:
    return f"m{number}@mail.test"


def a_message(headers: Headers) -> Message:
    return Message(
        headers, "Hello,\n\nyes.", "<p>yes</p>", (Attachment("2", "a.pdf", "application/pdf", 7),)
    )


def a_token(now: datetime, access: str = "at") -> Tokens:
    return Tokens(access, "rt", now + timedelta(hours=1), frozenset({"mail.read"}))


def in_threads(calls: Sequence[Callable[[], object]]) -> list[Exception]:
    """Run all calls at once, each in a thread; the exceptions they raised."""
    failures: list[Exception] = []
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        start.wait()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
