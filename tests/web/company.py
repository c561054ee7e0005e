"""A small company with mail on its timelines, as the worker would have stored it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from argon2 import PasswordHasher
from sqlalchemy import delete, insert

from crm import kinds, messages
from crm.database import Database
from crm.model import Folder, MailboxStatus, Place, Ref, WatchState
from crm.rules.decide import decide
from crm.rules.turns import turned_by
from crm.store import accounts, companies, contacts, mailboxes, settle
from crm.store import settings as account_settings
from crm.store.accounts import NewUser
from crm.store.mailboxes import Mailbox
from crm.store.outcomes import Logged, Refused
from crm.tables import Audit, PendingMessage
from infra.secrets import Secrets
from tests.crm.store_world import World, a_token

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASH = CHEAP.hash(PASSWORD)
BCC = "log@acme.test"


@dataclass
class Company:
    """Ana (an admin) and Ben of acme.test, their mailboxes, and mail as it is brought."""

    database: Database
    secrets: Secrets
    now: datetime
    numbers: int = 0
    boxes: dict[str, Mailbox] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World(self.database, self.secrets, self.now)
        self.account = self.world.account
        with self.database.begin() as conn:
            for address, name, role in (
                ("ana@acme.test", "Ana Lima", "admin"),
                ("ben@acme.test", "Ben Okoro", "member"),
            ):
                user = NewUser(address, name, role, HASH)
                made = accounts.add_user(conn, self.account, user, self.now)
                self.world.users[address] = made
            account_settings.set_setting(conn, self.account, "bcc_address", BCC)
            accounts.add_domain(conn, self.account, "acme.test")

    def connect(
        self, address: str, provider: str = "gmail", since: timedelta | None = None
    ) -> Mailbox:
        when = self.now - (since or timedelta(days=30))
        folders = (
            Folder("inbox", "Inbox", "inbox"),
            Folder("f1", "Customers", "rule", "From customers"),
        )
        new = mailboxes.NewMailbox(
            self.world.user(address), address, provider, a_token(self.now), cursor="c0",
            folders=folders if provider == "graph" else (),
        )  # fmt: skip
        with self.database.begin() as conn:
            made = mailboxes.connect(conn, self.account, new, self.secrets, when)
            self.boxes[address] = self._box(conn, made)
            renews = self.now + timedelta(days=3)
            states = [WatchState("inbox", f"w{made}", renews, "s")]
            mailboxes.set_watches(conn, self.boxes[address], states, renews, when)
        return self.boxes[address]

    def stop(self, address: str, cause: str) -> None:
        """The mailbox waits for its owner."""
        with self.database.begin() as conn:
            mailboxes.need_reconnect(conn, self.account, self.boxes[address].id, cause, self.now)

    def audited(self, address: str) -> None:
        """Three audits of the mailbox: a clean one, one that found something, one under way."""
        now, day = self.now, timedelta(days=1)
        row = {"account_id": self.account, "mailbox_id": self.boxes[address].id, "looked": 41}
        clean = row | {"asked": "night", "began_at": now - 2 * day, "since": now - 5 * day}
        clean |= {"until": now - 2 * day, "reached": now - 2 * day, "ended_at": now - 2 * day}
        missed = clean | {"began_at": now - day, "since": now - 4 * day, "ended_at": now - day}
        missed |= {"until": now - day, "reached": now - day, "missed": 2, "logged": 1}
        missed |= {"left_out": 3, "reasons": {"listing-gap": 1, "push-missed": 1}}
        doing = row | {"asked": "person", "began_at": now, "since": now - 3 * day}
        doing |= {"until": now, "reached": now - day}
        with self.database.begin() as conn:
            for each in (clean, missed, doing):
                conn.execute(insert(Audit).values(each))

    def contact(self, name: str, *addresses: str, company: str = "") -> int:
        with self.database.begin() as conn:
            firm = companies.ensure(conn, self.account, company) if company else None
            added = contacts.add_contact(conn, self.account, name, addresses, self.now, firm)
        return added.contact_id

    def mail(self, sender: str, to: str, subject: str, text: str, **more: str) -> EmailMessage:
        """An e-mail; `more` are `html`, `answers` (a Message-ID), `bcc`, or header fields."""
        self.numbers += 1
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message["Message-ID"] = f"<m{self.numbers}@{sender.rpartition('@')[2].strip('>')}>"
        html, answers = more.pop("html", ""), more.pop("answers", "")
        if answers:
            message["In-Reply-To"] = message["References"] = answers
        for name, value in more.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        return message

    def bring(
        self,
        address: str,
        message: EmailMessage,
        ago: timedelta = timedelta(0),
        place: Place | None = None,
    ) -> int | None:
        """Have the mailbox look at a message, as a worker does; the id of the logged e-mail."""
        box, at = self.boxes[address], self.now - ago
        message["Date"] = format_datetime(at)
        sent = address in message["From"]
        where = place or (Place.SENT if sent else Place.FOLLOWED)
        self.numbers += 1
        ref = Ref(f"p{self.numbers}")
        whole = messages.parse(message.as_bytes(), ref, where, at, frozenset(), "")
        run = self.world.run(box)
        with self.database.begin() as conn:
            context = settle.load_context(conn, box, [whole.headers]).of(whole.headers)
            verdict = decide(whole.headers, context)
            turned = turned_by(whole.headers, context, verdict)
            outcome = (
                Logged(verdict, whole, kinds.kind(whole.headers), turned)
                if verdict.logged
                else Refused(ref, where, whole.headers, verdict.rule, turned)
            )
            done = settle.commit(conn, run, [outcome], at)
            # What is to be looked at again because of it would be decided as before.
            conn.execute(delete(PendingMessage).where(PendingMessage.account_id == self.account))
            mailboxes.release(conn, box, run.lease, self.now, self.now + timedelta(hours=1))
        return done.email_ids[0] if done.email_ids else None

    def status(self, address: str) -> MailboxStatus:
        with self.database.read() as conn:
            return self._box(conn, self.boxes[address].id).status

    def _box(self, conn: object, mailbox_id: int) -> Mailbox:
        found = mailboxes.mailbox(conn, self.account, mailbox_id)  # type: ignore[arg-type]
        assert found is not None
        return found
