"""What every adapter promises, as clauses that run against it.

An adapter's test module derives from `Contract` and has a fixture `rig` that yields a `Rig`: the
adapter's client on a mailbox that the test can fill, move about in and break.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import ClassVar, Protocol

import pytest

from crm import messages
from crm.kinds import CALENDAR_CLASS, kind_of
from crm.model import Attachment, Headers, Message, Place, Ref
from providers.client import (
    CursorExpired,
    Gone,
    Item,
    MailClient,
    Page,
    ProviderError,
    Reconnect,
    Retry,
)
from tests.providers import mail
from tests.providers.contract_files import FileClauses, files_of, read_whole
from tests.providers.contract_gaps import GapClauses
from tests.providers.contract_many import ManyClauses


class Rig(Protocol):
    """One mailbox at a provider. `client` lists at most `page_size` changes a page."""

    client: MailClient
    page_size: int

    def deliver(self, raw: bytes, place: Place = Place.FOLLOWED) -> str:
        """A message arrives at `place` (DRAFT: is saved there); its provider id."""

    def send(self, raw: bytes) -> str:
        """The owner sends a message; the provider id of the copy among the sent ones."""

    def delete(self, ref: str) -> None:
        """The message is deleted for good."""

    def move(self, ref: str, place: Place) -> str:
        """The message is moved; its id, which may be a new one."""

    def label(self, ref: str, name: str) -> None:
        """The owner puts a label or category on it."""

    def mark_read(self, ref: str) -> None: ...

    def expire(self) -> None:
        """Every cursor that was handed out becomes too old."""

    def labels(self) -> list[str]:
        """The labels or categories that the owner can choose from, but those of the provider."""

    def keep_labels(self) -> None:
        """The owner's consent does not reach to making labels."""

    def refuse(self, status: int, retry_after: float | None = None, times: int = 1) -> None:
        """The next `times` requests are answered with this status."""

    def drop(self, times: int = 1) -> None:
        """The next `times` connections break before anything is answered."""

    def revoke(self) -> None:
        """The owner takes the consent back: no access token works, none can be had."""


class Contract(FileClauses, GapClauses, ManyClauses):
    """Clauses. The class attributes say where a provider is known to differ, and why."""

    expired_cursors: ClassVar[bool] = True  # False: its cursors never get too old
    exact_sizes: ClassVar[bool] = True  # False: the provider adds its own overhead to sizes
    nested_sizes: ClassVar[bool] = True  # False: it does not tell those of attached messages
    own_parts: ClassVar[frozenset[str]] = frozenset()  # types it reads itself and shows otherwise

    # -- cursors and pages

    def test_a_fresh_cursor_sees_nothing_that_was_there_before(self, rig: Rig) -> None:
        rig.deliver(mail.PLAIN)
        items, _ = drain(rig, rig.client.baseline())
        assert items == []

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
    def test_each_new_message_comes_exactly_once_and_in_order(self, rig: Rig, count: int) -> None:
        cursor = rig.client.baseline()
        sent = [rig.deliver(mail.numbered(n)) for n in range(count)]
        items, _ = drain(rig, cursor)
        assert ids(items) == sent

    def test_asking_again_gives_nothing(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        rig.deliver(mail.PLAIN)
        _, cursor = drain(rig, cursor)
        again, cursor = drain(rig, cursor)
        assert again == []
        later = rig.deliver(mail.numbered(1))
        assert ids(drain(rig, cursor)[0]) == [later]

    def test_there_is_always_a_page_with_a_cursor(self, rig: Rig) -> None:
        pages = list(rig.client.changes(rig.client.baseline()))
        assert pages
        assert pages[-1].cursor

    def test_every_page_has_a_cursor_to_go_on_from(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        sent = [rig.deliver(mail.numbered(n)) for n in range(7)]
        count = len(list(rig.client.changes(cursor)))
        assert count > 1
        for stop in range(1, count + 1):
            pages = list(islice(rig.client.changes(cursor), stop))
            rest, _ = drain(rig, pages[-1].cursor)
            first = ids([item for page in pages for item in page.items])
            assert list(dict.fromkeys(first + ids(rest))) == sent

    def test_stopping_before_a_page_is_kept_shows_it_again(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        sent = rig.deliver(mail.PLAIN)
        next(iter(rig.client.changes(cursor)))
        assert ids(drain(rig, cursor)[0]) == [sent]

    def test_an_old_cursor_is_told_apart(self, rig: Rig) -> None:
        if not self.expired_cursors:
            pytest.skip("cursors of this provider never get too old")
        cursor = rig.client.baseline()
        rig.deliver(mail.PLAIN)
        rig.expire()
        with pytest.raises(CursorExpired):
            drain(rig, cursor)
        assert rig.client.baseline() != cursor

    def test_mail_of_the_owner_shows_as_sent(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        sent = rig.send(mail.PLAIN)
        items, _ = drain(rig, cursor)
        assert ids(items) == [sent]
        assert place_of(rig, items[0]) is Place.SENT

    def test_reading_a_message_is_no_change(self, rig: Rig) -> None:
        ref = rig.deliver(mail.PLAIN)
        cursor = rig.client.baseline()
        rig.mark_read(ref)
        assert drain(rig, cursor)[0] == []

    # -- a bounded listing

    def test_since_lists_what_came_since(self, rig: Rig) -> None:
        sent = [rig.deliver(mail.numbered(n)) for n in range(5)]
        first = received(rig, sent[0])
        items = [
            item for page in rig.client.since(first - timedelta(hours=1)) for item in page.items
        ]
        assert sorted(ids(items)) == sorted(sent)
        assert list_since(rig, first + timedelta(hours=2))[0] == []

    def test_since_carries_a_cursor_from_before_the_listing_on_its_last_page(
        self, rig: Rig
    ) -> None:
        sent = [rig.deliver(mail.numbered(n)) for n in range(5)]
        first = received(rig, sent[0])
        pages: list[Page] = []
        late = ""
        for page in rig.client.since(first - timedelta(hours=1)):
            pages.append(page)
            late = late or rig.deliver(mail.numbered(9))
        assert [bool(page.cursor) for page in pages] == [False] * (len(pages) - 1) + [True]
        assert late in ids(drain(rig, pages[-1].cursor)[0])

    def test_a_cursor_from_starting_over_tells_of_what_comes_after(self, rig: Rig) -> None:
        when = received(rig, rig.deliver(mail.numbered(1))) - timedelta(hours=1)
        cursor, places = rig.client.start_over("no cursor", when, ())
        assert places == ()
        late = rig.deliver(mail.numbered(2))
        assert late in ids(drain(rig, cursor)[0])
        assert late in ids(item for page in rig.client.since(when) for item in page.items)

    def test_since_shows_sent_mail_too(self, rig: Rig) -> None:
        sent = rig.send(mail.PLAIN)
        when = received(rig, sent)
        assert ids(list_since(rig, when - timedelta(hours=1))[0]) == [sent]

    def test_between_lists_what_was_received_until_just_before_then(self, rig: Rig) -> None:
        sent = [rig.deliver(mail.numbered(n)) for n in range(5)]
        second = received(rig, sent[0]).replace(microsecond=0)
        hour = timedelta(hours=1)
        found = list(rig.client.between(second - hour, second + hour))
        assert sorted(item.ref.id for page in found for item in page) == sorted(sent)
        for span in ((second - 2 * hour, second), (second + hour, second + 2 * hour)):
            assert [item for page in rig.client.between(*span) for item in page] == []

    # -- places

    @pytest.mark.parametrize("place", [Place.FOLLOWED, Place.JUNK, Place.DRAFT])
    def test_the_place_of_a_new_message_is_known(self, rig: Rig, place: Place) -> None:
        cursor = rig.client.baseline()
        ref = rig.deliver(mail.PLAIN, place)
        for item in drain(rig, cursor)[0]:
            assert place_of(rig, item) is place
        read = rig.client.headers([Ref(ref)])[0]
        assert read is not None
        assert read.place is place

    @pytest.mark.parametrize("place", [Place.JUNK, Place.TRASH])
    def test_a_message_that_was_moved_lies_in_its_new_place(self, rig: Rig, place: Place) -> None:
        ref = rig.move(rig.deliver(mail.PLAIN), place)
        assert rig.client.message(Ref(ref)).headers.place is place

    def test_a_message_rescued_from_junk_shows_again(self, rig: Rig) -> None:
        ref = rig.deliver(mail.PLAIN, Place.JUNK)
        _, cursor = drain(rig, rig.client.baseline())
        ref = rig.move(ref, Place.FOLLOWED)
        items, _ = drain(rig, cursor)
        assert ref in ids(items)
        assert place_of(rig, next(i for i in items if i.ref.id == ref)) is Place.FOLLOWED

    def test_a_message_labelled_later_shows_again(self, rig: Rig) -> None:
        ref = rig.send(mail.PLAIN)
        cursor = rig.client.baseline()
        rig.label(ref, "Log to CRM")
        items, _ = drain(rig, cursor)
        assert ids(items) == [ref]
        read = rig.client.headers([items[0].ref])[0]
        assert read is not None
        assert read.labels == {"Log to CRM"}

    # -- messages

    def test_a_deleted_message_is_gone(self, rig: Rig) -> None:
        ref = rig.deliver(mail.PLAIN)
        rig.delete(ref)
        with pytest.raises(Gone):
            rig.client.message(Ref(ref))

    @pytest.mark.parametrize("name", sorted(mail.SAMPLES))
    def test_headers_are_those_of_the_raw_message(self, rig: Rig, name: str) -> None:
        raw = mail.SAMPLES[name]
        read = rig.client.headers([Ref(rig.deliver(raw))])[0]
        assert read is not None
        told = messages.parse(raw, read.ref, read.place, read.received_at, read.labels, read.folder)
        assert self.plain(read) == told.headers

    @pytest.mark.parametrize("name", sorted(mail.SAMPLES))
    def test_a_message_is_that_of_the_raw_one(self, rig: Rig, name: str) -> None:
        raw = mail.SAMPLES[name]
        read = rig.client.message(Ref(rig.deliver(raw)))
        head = read.headers
        expected = messages.parse(
            raw, head.ref, head.place, head.received_at, head.labels, head.folder
        )
        assert self.plain(head) == expected.headers
        assert (read.text, read.html) == (expected.text, expected.html)
        assert self.files(read) == self.files(expected)
        assert kind_of(read) is kind_of(expected)

    def plain(self, headers: Headers) -> Headers:
        """`headers` without the class of a calendar message, which a provider may tell by itself."""
        told = headers.signs.content_class == CALENDAR_CLASS
        return replace(headers, signs=replace(headers.signs, content_class="")) if told else headers

    def files(self, message: Message) -> list[tuple[str, str, bool, str, int]]:
        return [
            (one.filename, one.content_type, one.inline, one.content_id, self.size(one))
            for one in message.attachments
            if one.content_type not in self.own_parts
        ]

    def size(self, file: Attachment) -> int:
        nested = file.content_type.startswith("message/")
        told = self.nested_sizes if nested else self.exact_sizes
        return file.size if told else 0

    # -- failures

    def test_too_many_requests_say_when_to_come_back(self, rig: Rig) -> None:
        rig.refuse(429, retry_after=120)
        with pytest.raises(Retry) as caught:
            rig.client.baseline()
        assert caught.value.after is not None
        assert 100 <= caught.value.after <= 121

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_failing_provider_is_asked_later(self, rig: Rig, status: int) -> None:
        for call in calls(rig):
            rig.refuse(status, times=1)
            with pytest.raises(Retry):
                call()

    def test_a_broken_network_is_never_a_lost_consent(self, rig: Rig) -> None:
        ref = Ref(rig.deliver(mail.PLAIN))
        rig.drop(times=20)
        with pytest.raises(Retry):
            rig.client.message(ref)

    def test_a_consent_taken_back_needs_the_owner(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        rig.revoke()
        with pytest.raises(Reconnect) as caught:
            drain(rig, cursor)
        assert caught.value.cause

    def test_a_failed_page_can_be_asked_for_again(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        sent = rig.deliver(mail.PLAIN)
        rig.refuse(503, times=1)
        with pytest.raises(ProviderError):
            drain(rig, cursor)
        assert ids(drain(rig, cursor)[0]) == [sent]

    # -- announcements and folders

    def test_a_watch_is_made_renewed_and_ended(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        first = rig.client.watch(())
        again = rig.client.watch(first)
        assert [state.resource for state in again] == [state.resource for state in first]
        assert all(new.expires_at >= old.expires_at for new, old in zip(again, first, strict=True))
        rig.client.unwatch(again)
        rig.client.unwatch(again)
        assert drain(rig, cursor)[0] == []

    def test_following_the_same_folders_changes_nothing(self, rig: Rig) -> None:
        cursor = rig.client.baseline()
        sent = rig.deliver(mail.PLAIN)
        when = received(rig, sent)
        followed = rig.client.follow(rig.client.folders(), cursor, when)
        assert ids(drain(rig, followed)[0]) == [sent]

    def test_folders_by_hand_that_are_not_there_change_nothing(self, rig: Rig) -> None:
        assert rig.client.folders(("No such folder", "a/b")) == rig.client.folders()

    def test_closing_twice_is_fine(self, rig: Rig) -> None:
        rig.client.close()
        rig.client.close()


def drain(rig: Rig, cursor: str) -> tuple[list[Item], str]:
    """All changes since `cursor`, and the cursor after them."""
    items: list[Item] = []
    for page in rig.client.changes(cursor):
        items.extend(page.items)
        cursor = page.cursor
    return items, cursor


def list_since(rig: Rig, when: datetime) -> tuple[list[Item], str]:
    pages = list(rig.client.since(when))
    return [item for page in pages for item in page.items], pages[-1].cursor


def ids(items: list[Item]) -> list[str]:
    return [item.ref.id for item in items]


def place_of(rig: Rig, item: Item) -> Place | None:
    """The place an item has, asked for where the listing does not tell."""
    if item.place is not None:
        return item.place
    read = item.headers or rig.client.headers([item.ref])[0]
    return read.place if read else None


def received(rig: Rig, ref: str) -> datetime:
    """When the provider received it."""
    read = rig.client.headers([Ref(ref)])[0]
    assert read is not None
    return read.received_at


def calls(rig: Rig) -> list[Callable[[], object]]:
    """One call of each sort that asks the provider."""
    ref = Ref(rig.deliver(mail.PLAIN))
    cursor = rig.client.baseline()
    when = received(rig, ref.id)
    files = Ref(rig.deliver(mail.FILES))
    part = files_of(rig, files)[0].part
    return [
        rig.client.baseline,
        lambda: list(rig.client.changes(cursor)),
        lambda: list(rig.client.since(when)),
        lambda: rig.client.headers([ref]),
        lambda: rig.client.message(ref),
        lambda: rig.client.messages([ref, files]),
        lambda: read_whole(rig, files, part),
    ]
