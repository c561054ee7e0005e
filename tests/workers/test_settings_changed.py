"""What a changed setting does to messages: from the preview to a second look."""

import pytest

from crm.store import again, previews
from crm.store import settings as account_settings
from crm.store.previews import Preview
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    return mailbox


def preview(office: Office) -> dict[str, Preview]:
    with office.database.read() as conn:
        return previews.switches(conn, office.account_id, office.clock)


def turn(office: Office, name: str, on: bool = True) -> set[int]:
    with office.database.begin() as conn:
        account_settings.set_setting(conn, office.account_id, name, on)
        return again.after_switch(conn, office.account_id, name, office.clock)


def test_what_a_switch_would_have_let_in_is_counted_and_comes_in(office: Office, ana: int) -> None:
    changed = office.deliver(ana, MARIA, "Invoice", "a@globex.test", answers=ROOT)
    stranger = office.deliver(ana, "zoe@x.test", "Re: Offer 12", "b@x.test", answers=ROOT)
    office.sync(ana)
    assert preview(office) == {
        "log_unknown_sender": Preview(more=1),
        "subject_changes_allowed": Preview(more=1),
    }
    assert turn(office, "subject_changes_allowed") == {ana}
    office.sync(ana)
    assert office.rules(ana)[changed] == "reply"
    assert office.rules(ana)[stranger] == "unknown-sender"
    assert preview(office)["subject_changes_allowed"] == Preview(fewer=1)


def test_turning_a_switch_off_takes_nothing_from_a_timeline(office: Office, ana: int) -> None:
    turn(office, "subject_changes_allowed")
    office.deliver(ana, MARIA, "Invoice", "a@globex.test", answers=ROOT)
    office.sync(ana)
    before = office.timeline()
    assert turn(office, "subject_changes_allowed", on=False) == set()
    office.sync(ana)
    assert office.timeline() == before
