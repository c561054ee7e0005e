"""Junk and trash: refused by where it lies, with its sender's name so that people find it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from crm.model import Place
from providers.client import Item, MailClient, Page, Retry
from providers.memory import MemoryClient
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"


@pytest.fixture
def office(sqlite_office: Office) -> Office:
    return sqlite_office


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    return mailbox


@pytest.mark.parametrize("place", [Place.JUNK, Place.TRASH])
def test_who_sent_junk_and_trash_is_read_once(office: Office, ana: int, place: Place) -> None:
    calls = office.boxes[ana].calls
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT, place=place)
    calls.clear()
    office.sync(ana)
    assert office.senders(ana)[ref] == MARIA
    assert office.rules(ana)[ref] == place.value
    assert (calls["headers"], calls["message"]) == (1, 0)
    office.boxes[ana].label(ref, "Whatever")
    office.sync(ana)
    assert calls["headers"] == 1


def test_throwing_refused_mail_away_costs_no_headers(office: Office, ana: int) -> None:
    ref = office.deliver(ana, MARIA, "New subject", "a@globex.test")
    office.sync(ana)
    office.boxes[ana].calls.clear()
    office.boxes[ana].move(ref, Place.TRASH)
    office.sync(ana)
    assert (office.rules(ana)[ref], office.senders(ana)[ref]) == ("trash", MARIA)
    assert office.boxes[ana].calls["headers"] == 0


@pytest.mark.parametrize("error", [Retry(), ValueError("a bug")], ids=["away", "unreadable"])
def test_junk_that_cannot_be_read_is_junk_all_the_same(
    office: Office, ana: int, error: Exception
) -> None:
    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT, place=Place.JUNK)
    office.boxes[ana].refuse(error, method="headers")  # type: ignore[arg-type]
    office.sync(ana)
    assert office.journal(ana)[ref] == ("refused", "junk")
    assert office.pending() == []


class Unstorable(MemoryClient):
    """Lists junk with headers, as Graph does; no database takes what they say."""

    def changes(self, cursor: str) -> Iterator[Page]:
        for page in super().changes(cursor):
            yield Page(tuple(self._with_headers(item) for item in page.items), page.cursor)

    def _with_headers(self, item: Item) -> Item:
        (headers,) = self.headers([item.ref])
        assert headers is not None
        odd: Any = "never"
        return replace(item, headers=replace(headers, received_at=odd))


def test_junk_whose_headers_cannot_be_stored_holds_nothing_up(
    office: Office, ana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(mailbox: object) -> MailClient:
        return Unstorable(office.boxes[ana])

    ref = office.deliver(ana, MARIA, "Re: Offer 12", "r@x", answers=ROOT, place=Place.JUNK)
    monkeypatch.setattr(office, "_open", opened)
    office.sync(ana)
    assert office.journal(ana)[ref] == ("refused", "junk")
    assert office.senders(ana)[ref] == ""
    assert office.pending() == []
