from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.client import CursorExpired
from providers.gmail.cursor import Position, read

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_a_cursor_comes_back_as_it_was():
    for position in (Position(5), Position(5, 9, 1_772_000_000)):
        assert read(position.text()) == position


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "abc", '["x"]', "[]", "[1,2,3,4]", "7", "[1,null]"]
)
def test_what_is_no_cursor_of_ours_counts_as_expired(text):
    with pytest.raises(CursorExpired):
        read(text)


def test_the_mailboxs_own_id_is_believed_only_after_ten_minutes_and_a_complete_listing():
    position = Position(100).complete(150, NOW)
    assert position.id == 100
    position = position.complete(160, NOW + timedelta(minutes=9))
    assert position.id == 100
    position = position.complete(170, NOW + timedelta(minutes=11))
    assert position.id == 150
    assert position.ahead == 170
    assert position.complete(170, NOW + timedelta(minutes=12)).id == 150
    assert position.complete(170, NOW + timedelta(minutes=23)) == Position(170)


def test_listed_records_move_it_at_once_and_never_back():
    position = Position(100).complete(150, NOW).listed(140)
    assert position.id == 140
    assert position.listed(120).id == 140
    assert position.listed(155).complete(155, NOW + timedelta(hours=1)) == Position(155)


def test_a_quiet_mailbox_keeps_its_cursor_as_it_is():
    assert Position(100).complete(100, NOW) == Position(100)
    assert Position(100).complete(90, NOW) == Position(100)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40), st.booleans()), max_size=30))
def test_the_position_never_passes_a_record_that_shows_up_within_ten_minutes(steps):
    """A mailbox whose id runs ahead of its records by up to ten minutes loses nothing."""
    position, now, mailbox = Position(0), NOW, 0
    records: list[tuple[int, datetime]] = []  # id, when the listing shows it
    seen: set[int] = set()
    for delay, minutes, change in steps:
        now += timedelta(minutes=minutes)
        if change:
            mailbox += 3
            records.append((mailbox, now + timedelta(minutes=min(delay, 9))))
        visible = [n for n, at in records if at <= now and n > position.id]
        # Records become visible in order: a later one is never shown before an earlier one.
        hidden = [n for n, at in records if at > now]
        visible = [n for n in visible if not hidden or n < min(hidden)]
        seen.update(visible)
        for n in visible:
            position = position.listed(n)
        position = position.complete(mailbox, now)
    missed = [n for n, _ in records if n <= position.id and n not in seen]
    assert missed == []
