"""What a changed setting does to messages: from the preview to a second look."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from crm.model import Folder
from crm.store import again, mailboxes, previews
from crm.store import settings as account_settings
from crm.store.previews import Preview
from providers.memory import MemoryClient
from tests.workers.conftest import Office
from workers.sync import sync

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


class ByHand(MemoryClient):
    """A mailbox that has every folder that is followed by hand, as Microsoft's may."""

    def folders(self, more: Sequence[str] = ()) -> Sequence[Folder]:
        self.mailbox.followed = tuple(Folder(name, name, "hand") for name in more)
        return super().folders(more)


def run_by_hand(office: Office, mailbox_id: int) -> None:
    runtime = replace(office.runtime, open_client=lambda one: ByHand(office.boxes[one.id]))
    sync(runtime, mailbox_id, office.stopping)


@pytest.fixture
def by_hand(sqlite_office: Office) -> Office:
    """An office whose Ana has been read, and which follows more folders since."""
    sqlite_office.sync(sqlite_office.mailbox("ana@acme.test"))
    with sqlite_office.database.begin() as conn:
        account, names = sqlite_office.account_id, ("Customers", "Old")
        account_settings.set_setting(conn, account, "followed_folders", names)
    return sqlite_office


def test_folders_of_the_setting_are_followed_when_they_are_looked_at_next(by_hand: Office) -> None:
    (ana,) = by_hand.boxes
    by_hand.queue.rewatch(ana)
    run_by_hand(by_hand, ana)
    with by_hand.database.read() as conn:
        found = mailboxes.folders(conn, by_hand.account_id, ana)
    assert {(folder.name, folder.reason) for folder in found} == {
        ("Customers", "hand"),
        ("Old", "hand"),
    }


def test_a_new_cursor_is_asked_for_with_the_folders_of_the_setting(by_hand: Office) -> None:
    (ana,) = by_hand.boxes
    by_hand.boxes[ana].expire()
    run_by_hand(by_hand, ana)
    assert [folder.name for folder in by_hand.boxes[ana].followed] == ["Customers", "Old"]
