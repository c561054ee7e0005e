"""Times in words."""

from datetime import timedelta

import pytest

from web import when
from web.shell import initials, size


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=4, seconds=40), "4 min ago"),
        (timedelta(hours=3, minutes=59), "3 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=6, hours=23), "6 days ago"),
        (timedelta(days=20), "10 Feb"),
        (timedelta(days=400), "26 Jan 2025"),
        (-timedelta(seconds=5), "in a moment"),
        (-timedelta(hours=5), "in 5 h"),
        (-timedelta(days=2), "in 2 days"),
    ],
)
def test_a_time_is_told_as_people_do(now, ago, words):
    assert when.relative(now - ago, now) == words


def test_the_exact_time_and_zone_are_on_hover(now):
    tag = when.tag(now, now)
    assert 'title="Mon 2 Mar 2026, 09:00:00 UTC"' in tag
    assert 'datetime="2026-03-02T09:00:00+00:00"' in tag


def test_a_missing_time_is_said():
    assert when.tag(None, None, "not yet") == "<span>not yet</span>"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Maria Rossi", "MR"),
        ("bob@globex.test", "B"),
        ("a.b@x.test", "AB"),
        ("", "?"),
        ("J R R T", "JT"),
    ],
)
def test_initials(name, letters):
    assert initials(name) == letters


def test_sizes():
    assert [size(812), size(14_200), size(2_100_000)] == ["812 B", "14 KB", "2.1 MB"]
