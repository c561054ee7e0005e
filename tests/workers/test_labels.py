"""The log label in connected mailboxes: made once, kept an eye on, never in the way of reading."""

from datetime import timedelta

import pytest

from crm.model import MailboxKind, MailboxStatus
from crm.store import mailboxes
from crm.store import settings as account_settings
from providers.client import Operator, Reconnect, Retry
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
DAY = timedelta(days=1)


@pytest.fixture
def ana(sqlite_office: Office) -> int:
    """Ana's mailbox, before its first run."""
    return sqlite_office.mailbox("ana@acme.test")


def rename(office: Office, name: str) -> None:
    with office.database.begin() as conn:
        account_settings.set_setting(conn, office.account_id, "log_label", name)


def test_the_first_run_makes_the_label_and_the_next_ones_leave_it_alone(
    sqlite_office: Office, ana: int
) -> None:
    sqlite_office.sync(ana, ana, ana)
    box = sqlite_office.boxes[ana]
    assert box.labels == ["Log to CRM"]
    assert box.calls["ensure_label"] == 1
    assert sqlite_office.row(ana).label_problem == ""


def test_a_label_that_its_owner_deleted_comes_back_a_day_later_and_once(
    sqlite_office: Office, ana: int
) -> None:
    sqlite_office.sync(ana)
    box = sqlite_office.boxes[ana]
    box.labels.clear()
    for _ in range(5):
        sqlite_office.clock += timedelta(hours=3)
        sqlite_office.sync(ana)
    assert box.labels == []
    sqlite_office.clock += DAY
    sqlite_office.sync(ana, ana)
    assert box.labels == ["Log to CRM"]
    assert box.calls["ensure_label"] == 2


def test_connecting_again_makes_a_deleted_label_at_once(sqlite_office: Office, ana: int) -> None:
    sqlite_office.sync(ana)
    sqlite_office.boxes[ana].labels.clear()
    row = sqlite_office.row(ana)
    with sqlite_office.database.begin() as conn:
        tokens, _ = mailboxes.tokens(conn, row.account_id, ana, sqlite_office.secrets)
        new = mailboxes.NewMailbox(row.user_id, row.address, row.provider, tokens)
        mailboxes.connect(conn, row.account_id, new, sqlite_office.secrets, sqlite_office.clock)
    sqlite_office.sync(ana)
    assert sqlite_office.boxes[ana].labels == ["Log to CRM"]


def test_a_label_with_another_name_is_made_in_every_mailbox_and_the_old_one_stops_counting(
    sqlite_office: Office, ana: int
) -> None:
    ben = sqlite_office.mailbox("ben@acme.test")
    sqlite_office.contact(MARIA)
    sqlite_office.sync(ana, ben)
    rename(sqlite_office, "CRM/Log")
    sqlite_office.sync(ana, ben)
    for mailbox in (ana, ben):
        assert sqlite_office.boxes[mailbox].labels == ["Log to CRM", "CRM/Log"]
    box = sqlite_office.boxes[ana]
    by_old = sqlite_office.send(ana, MARIA, "Old", "old@acme.test", bcc="")
    by_new = sqlite_office.send(ana, MARIA, "New", "new@acme.test", bcc="")
    box.label(by_old, "Log to CRM")
    box.label(by_new, "crm/log")
    sqlite_office.sync(ana)
    assert sqlite_office.rules(ana) == {by_old: "not-ticked", by_new: "sent-label"}


FAILURES = {
    "a consent that does not reach so far": (Reconnect("scope-missing"), "scope-missing"),
    "a name that is refused": (Operator("label-name"), "label-name"),
    "a provider that is busy": (Retry(600), "not-yet"),
    "a bug": (KeyError("x"), "not-yet"),
}


@pytest.mark.parametrize(("error", "problem"), FAILURES.values(), ids=FAILURES)
def test_a_label_that_cannot_be_made_is_remembered_and_mail_is_read_all_the_same(
    sqlite_office: Office, ana: int, error: Exception, problem: str
) -> None:
    box = sqlite_office.boxes[ana]
    sqlite_office.contact(MARIA)
    box.refuse(error, method="ensure_label")  # type: ignore[arg-type]
    sent = sqlite_office.send(ana, MARIA, "Offer", "m1@acme.test")
    sqlite_office.sync(ana, ana)
    row = sqlite_office.row(ana)
    assert sqlite_office.rules(ana) == {sent: "sent-bcc"}
    assert (row.status, row.blocked_until) == (MailboxStatus.CONNECTED, None)
    assert (row.label_problem, box.calls["ensure_label"]) == (problem, 1)
    sqlite_office.clock += timedelta(hours=1)
    sqlite_office.sync(ana)
    assert sqlite_office.row(ana).label_problem == ""
    assert box.labels == ["Log to CRM"]


def test_a_team_mailbox_needs_no_label(sqlite_office: Office, ana: int) -> None:
    row = sqlite_office.row(ana)
    with sqlite_office.database.begin() as conn:
        tokens, _ = mailboxes.tokens(conn, row.account_id, ana, sqlite_office.secrets)
        new = mailboxes.NewMailbox(None, row.address, row.provider, tokens, kind=MailboxKind.TEAM)
        mailboxes.connect(conn, row.account_id, new, sqlite_office.secrets, sqlite_office.clock)
    sqlite_office.sync(ana)
    assert sqlite_office.boxes[ana].calls["ensure_label"] == 0


def test_what_became_of_the_label_is_stored_on_both_databases(office: Office) -> None:
    ana, ben = office.mailbox("ana@acme.test"), office.mailbox("ben@acme.test")
    office.boxes[ana].refuse(Operator("label-name"), method="ensure_label")
    office.sync(ana, ben)
    assert [office.row(each).label_problem for each in (ana, ben)] == ["label-name", ""]
    assert office.row(ben).label_due_at > office.clock + DAY / 2
