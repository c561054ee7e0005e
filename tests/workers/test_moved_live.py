"""A domain that moves from Google to Microsoft: its DNS, its mailbox and its mail, over the wire."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from crm.database import Database
from crm.model import GapState, Ref
from crm.store import gaps, mailboxes
from infra.secrets import Secrets
from providers.client import Gone, MailClient
from providers.hosts import host_of
from tests.sandbox_process import Sandbox
from tests.workers.live import LABEL, PROVIDERS, LiveOffice, LivePost, settings_for
from web.connecting import new_mailbox
from workers.moved import Moved
from workers.queue import Queue

ANA, MARIA, ZOE = "ana@acme.test", "maria@globex.test", "zoe@stranger.test"
ROOT = "root-1@acme.test"


class Move:
    """Ana's mailbox at Google with a thread; from `move` on her mail goes to Microsoft."""

    def __init__(self, office: LiveOffice, sandbox: Sandbox) -> None:
        self.office, self.sandbox, self.ahead = office, sandbox, 0.0
        office.clock = datetime.now(UTC)
        office.contact(MARIA)
        self.id = LivePost(sandbox, office, {}).connect(ANA, ANA)
        asks = partial(host_of, settings=settings_for(sandbox))
        self.moved = Moved(replace(office.runtime, clock=lambda: office.clock, host_of=asks))
        sandbox.post("/control/send", **{
            "from": ANA, "to": [MARIA], "subject": "Offer", "text": "x", "label": LABEL,
            "message_id": f"<{ROOT}>",
        })  # fmt: skip
        self.answered = self.mail("1@globex.test")
        self.stranger = self.mail("2@stranger.test", ZOE)
        office.sync(self.id)

    def mail(self, name: str, sender: str = MARIA) -> str:
        ids = self.sandbox.post("/control/mail", **{
            "from": sender, "to": [ANA], "subject": "Re: Offer", "text": "x",
            "message_id": f"<{name}>", "in_reply_to": f"<{ROOT}>",
        })["ids"]  # fmt: skip
        return str(ids[ANA])

    def pass_(self, hours: int) -> None:
        """Hours go by, for the providers too, and DNS is asked."""
        for _ in range(hours):
            self.moved.check_due()
            self.office.clock += timedelta(hours=1)
            self.ahead += 3600
        self.sandbox.post("/control/skew", seconds=self.ahead)

    def move(self) -> None:
        """The domain's MX records change, and so does where its mail arrives."""
        self.pass_(2)
        self.sandbox.post("/control/mx", domain="acme.test", provider="microsoft")
        self.sandbox.post("/control/people", address=ANA, name="Ana", provider="microsoft")
        self.pass_(1)
        self.mail("3@globex.test")
        self.pass_(36)

    def reconnect(self) -> None:
        office = self.office
        grant = PROVIDERS["Microsoft 365"].grant(self.sandbox, ANA)
        settings = settings_for(self.sandbox)
        new = new_mailbox("graph", grant, office.user(ANA), settings)
        with office.database.begin() as conn:
            found = mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)
        assert found == self.id
        office.clock += timedelta(seconds=2)

    def names(self) -> set[str]:
        return {name for name, _, _ in self.office.timeline()}


@pytest.fixture
def ana(sqlite_url: str, redis: Any, secrets: Secrets, sandbox: Sandbox) -> Iterator[Move]:
    database = Database(sqlite_url)
    office = LiveOffice(database, Queue(redis), secrets, datetime.now(UTC), sandbox)
    yield Move(office, sandbox)
    database.close()


def test_a_mailbox_moves_without_losing_a_reply(ana: Move) -> None:
    office = ana.office
    ana.move()
    assert office.row(ana.id).moved_to == "graph"
    office.sync(ana.id)
    assert office.row(ana.id).reason == "provider-moved", "Google still answers"
    ana.reconnect()
    ana.mail("4@globex.test")
    office.sync(ana.id)
    assert ana.names() == {ROOT, "1@globex.test", "4@globex.test"}
    with office.database.read() as conn:
        (gap,) = gaps.undecided(conn, office.account_id, [ana.id])
    assert (gap.state, gap.arrived) == (GapState.OPEN, 1)
    with office.database.begin() as conn:
        gaps.read(conn, office.account_id, gap.id, office.clock)
    office.sync(ana.id)
    assert ana.names() == {ROOT, "1@globex.test", "3@globex.test", "4@globex.test"}


def test_mail_that_was_copied_over_is_a_duplicate_and_judged_once(ana: Move) -> None:
    office = ana.office
    raws = [
        ana.sandbox.http.get("/control/raw", params={"address": ANA, "id": each}).content
        for each in (ana.answered, ana.stranger)
    ]
    ana.move()
    ana.reconnect()
    before = office.journal(ana.id)
    copies = [
        ana.sandbox.post(
            "/control/mail", raw=base64.b64encode(raw).decode(), recipients=[ANA], place="inbox"
        )["ids"][ANA]
        for raw in raws
    ]
    office.sync(ana.id)
    after = office.journal(ana.id)
    assert [after[each] for each in copies] == [
        ("logged", "duplicate"),
        ("refused", "unknown-sender"),
    ]
    assert {each: after[each] for each in before} == before
    assert ("1@globex.test", 1, 2) in office.timeline()


def test_each_provider_takes_the_others_ids_for_messages_that_are_gone(ana: Move) -> None:
    office, ben = ana.office, "ben@acme365.test"
    theirs = ana.sandbox.post("/control/mail", **{
        "from": ZOE, "to": [ben], "subject": "x", "text": "x",
    })["ids"][ben]  # fmt: skip
    google = office.opener(office.row(ana.id))
    assert_gone(google, theirs)
    ana.move()
    ana.reconnect()
    assert_gone(office.opener(office.row(ana.id)), ana.answered)


def assert_gone(client: MailClient, foreign: str) -> None:
    assert list(client.headers([Ref(foreign)])) == [None]
    with pytest.raises(Gone):
        client.message(Ref(foreign))
    client.close()
