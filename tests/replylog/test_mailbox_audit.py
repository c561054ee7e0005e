"""`replylog mailbox audit`: at once, in this process, with the numbers and an exit code."""

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from crm.store import audits, mailboxes
from crm.tables import ConnectedPeriod, JournalRow, Mailbox
from replylog import auditing
from tests.replylog.test_mailbox_add import ANA, BEN, Desk, desk, google, microsoft

__all__ = ["desk"]


@pytest.fixture
def connected(desk: Desk, sandbox: Any) -> Desk:
    """Ana's and Ben's mailboxes, connected for a day, with mail of an hour ago that is settled."""
    assert desk.add(google(sandbox)).exit_code == 0
    assert desk.add(microsoft(sandbox), BEN, "graph", BEN).exit_code == 0
    with desk.database.begin() as conn:
        yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        mine = ConnectedPeriod.account_id == desk.account
        conn.execute(update(ConnectedPeriod).where(mine).values(since=yesterday))
    sandbox.post("/control/skew", seconds=-3600)
    for box in (ANA, BEN):
        for number in range(3):
            sandbox.post("/control/mail", **{
                "from": "zoe@stranger.test", "to": [box], "subject": f"Hello {number}", "text": "x",
            })  # fmt: skip
    sandbox.post("/control/skew", seconds=0)
    for box in (ANA, BEN):
        desk.run("mailbox", "audit", box)
    return desk


def lose_one(desk: Desk, address: str) -> None:
    """One message's journal row is gone: as if nobody had ever looked at it."""
    with desk.database.begin() as conn:
        (box,) = [each for each in desk.stored if each.address == address]
        mine = JournalRow.account_id == desk.account, JournalRow.mailbox_id == box.id
        row = conn.execute(JournalRow.__table__.select().where(*mine)).first()
        assert row is not None
        conn.execute(delete(JournalRow).where(*mine, JournalRow.id == row.id))


@pytest.mark.parametrize("address", [ANA, BEN])
def test_a_clean_mailbox_exits_with_0_and_prints_its_numbers(connected: Desk, address: str):
    told = connected.run("mailbox", "audit", address, "--days", "2")
    assert told.exit_code == 0, told.output
    lines = [" ".join(line.split()) for line in told.stdout.splitlines()]
    assert lines[0].startswith(f"{address}, what came since")
    assert lines[1:3] == ["looked at 3", "known 3"]
    assert lines[-2:] == ["missed 0", "of these logged now 0"]


@pytest.mark.parametrize("address", [ANA, BEN])
def test_a_message_that_was_missed_exits_with_1_and_the_next_audit_with_0(
    connected: Desk, address: str
):
    lose_one(connected, address)
    told = connected.run("mailbox", "audit", address)
    assert told.exit_code == 1, told.output
    assert "missed 1" in " ".join(told.stdout.split())
    assert (
        "The provider's list of changes did not show it" in told.stdout
        or "came while" in told.stdout
    )
    assert connected.run("mailbox", "audit", address).exit_code == 0


def test_programs_get_json(connected: Desk):
    told = connected.run("mailbox", "audit", ANA, "--json")
    shape = json.loads(told.stdout)
    assert (shape["mailbox"], shape["looked"], shape["missed"]) == (ANA, 3, 0)
    assert (shape["reasons"], shape["problem"]) == ({}, None)


def test_a_limit_of_the_provider_is_kept_and_told(connected: Desk, sandbox: Any):
    with connected.database.begin() as conn:
        later = datetime.now(UTC) + timedelta(minutes=20)
        mine = Mailbox.account_id == connected.account
        conn.execute(update(Mailbox).where(mine).values(blocked_until=later))
    sandbox.post("/control/counts/reset")
    told = connected.run("mailbox", "audit", ANA)
    assert told.exit_code == 2
    assert "the provider wants to be left alone until" in told.output
    assert sandbox.get("/control/counts") == {}


def test_ctrl_c_gives_the_mailbox_back_and_a_worker_goes_on(
    connected: Desk, monkeypatch: pytest.MonkeyPatch
):
    ordinary = auditing.sync

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        ordinary(*arguments)

    monkeypatch.setattr(auditing, "sync", interrupted)
    told = connected.run("mailbox", "audit", ANA)
    assert told.exit_code == 2
    assert "a worker goes on with it" in told.output
    (ana, _) = connected.stored
    with connected.database.read() as conn:
        assert audits.open_one(conn, connected.account, ana.id) is not None
        assert conn.scalar(select(Mailbox.lease).where(Mailbox.account_id == ana.account_id)) == ""


def test_only_a_connected_mailbox_can_be_audited(connected: Desk):
    with connected.database.begin() as conn:
        (ana, _) = connected.stored
        mailboxes.disconnect(conn, connected.account, ana.id, datetime.now(UTC))
    told = connected.run("mailbox", "audit", ANA)
    assert (told.exit_code, told.output) == (1, f"Error: {ANA} is no connected mailbox\n")
    assert connected.run("mailbox", "audit", BEN, "--days", "99").exit_code == 2
