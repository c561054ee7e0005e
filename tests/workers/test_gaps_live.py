"""A mailbox that was away at the pretend Google and Microsoft: the gap is counted and read there."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from crm.database import Database
from crm.model import GapState
from crm.store import gaps, mailboxes
from tests.workers.conftest import mail
from tests.workers.live import PROVIDERS, LiveOffice, settings_for
from tests.workers.stories import LABEL
from web.connecting import new_mailbox
from workers.queue import Queue

DAY = timedelta(days=1)
MARIA = "maria@globex.test"
ADDRESSES = {"Gmail": "ana@acme.test", "Microsoft 365": "ben@acme365.test"}


class Away:
    def __init__(self, office, sandbox, provider):
        self.office, self.sandbox = office, sandbox
        self.provider, self.address = PROVIDERS[provider], ADDRESSES[provider]
        office.contact(MARIA)
        self.id = self.connect()
        office.sync(self.id)
        root = mail(self.address, MARIA, "Offer", "root@acme.test", when=office.clock)
        self.post("send", **{"from": self.address}, raw=root, label=LABEL, withheld=True)
        office.sync(self.id)

    def post(self, path, raw, **more):
        return self.sandbox.post(f"/control/{path}", raw=base64.b64encode(raw).decode(), **more)

    def connect(self):
        office, settings = self.office, settings_for(self.sandbox)
        grant = self.provider.grant(self.sandbox, self.address)
        new = new_mailbox(self.provider.name, grant, office.user(self.address), settings)
        with office.database.begin() as conn:
            return mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)

    def stop(self):
        with self.office.database.begin() as conn:
            account = self.office.account_id
            mailboxes.need_reconnect(conn, account, self.id, "revoked", self.office.clock)

    def wait(self, span):
        self.office.clock += span
        ahead = self.office.clock - datetime.now(UTC)
        self.sandbox.post("/control/skew", seconds=ahead.total_seconds())

    def arrives(self, sender, subject, name, answers=""):
        raw = mail(sender, self.address, subject, name, answers, when=self.office.clock)
        made = self.post("mail", raw, recipients=[self.address], place="inbox")
        return made["ids"][self.address]

    def gap(self):
        with self.office.database.read() as conn:
            return gaps.latest(conn, self.office.account_id, self.id)


@pytest.fixture(params=PROVIDERS)
def away(request, sqlite_url, redis, secrets, sandbox):
    database = Database(sqlite_url)
    began = datetime.now(UTC).replace(microsecond=0)
    yield Away(LiveOffice(database, Queue(redis), secrets, began, sandbox), sandbox, request.param)
    database.close()


@pytest.mark.parametrize("expired", [False, True], ids=["cursor lives", "cursor expired"])
def test_what_arrived_meanwhile_is_counted_and_read_at_the_provider(away, expired):
    office = away.office
    away.wait(timedelta(hours=1))
    away.stop()
    refs = []
    for n in range(2):
        away.wait(2 * DAY)
        refs.append(away.arrives(MARIA, "Re: Offer", f"r{n}@globex.test", "root@acme.test"))
    refs.append(away.arrives("eve@evil.test", "Hi", "hi@evil.test"))
    if expired:
        away.sandbox.post("/control/expire-history", address=away.address)
    away.wait(DAY)
    away.connect()
    office.sync(away.id)
    assert [office.rules(away.id)[ref] for ref in refs] == ["disconnected"] * 3
    assert (away.gap().state, away.gap().arrived) == (GapState.OPEN, 3)

    with office.database.begin() as conn:
        gaps.read(conn, office.account_id, away.gap().id, office.clock)
    for _ in range(3):
        away.wait(timedelta(seconds=5))
        office.sync(away.id)
    assert away.gap().state is GapState.READ
    assert {name for name, *_ in office.timeline()} == {
        "root@acme.test",
        "r0@globex.test",
        "r1@globex.test",
    }
    assert office.rules(away.id)[refs[2]] == "not-a-reply"
