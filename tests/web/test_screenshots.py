"""The pictures of the README can be made, at any time and the same each time."""

from pathlib import Path

import pytest

from tests import screenshots

pytestmark = pytest.mark.browser
RESULTS = Path(__file__).parents[2] / "test-results" / "screenshots"


def test_every_picture_shows_its_page_within_the_window(chromium):
    with screenshots.company_pages() as (address, told):
        taken = screenshots.take(chromium, address, told, RESULTS)
    assert len(taken) == 2 * len(screenshots.PAGES)
    assert [(each.path.name, each.size, each.too_wide) for each in taken if not each.fit] == []
