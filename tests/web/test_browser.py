"""The pages in a real Chromium: what people do, and what axe-core says about each page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.web import story
from tests.web.company import Company

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "axe" / "axe-4.14.1.min.js").read_text()
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 360, "height": 740}}
PATHS: dict[str, Callable[[dict[str, Any]], str]] = {
    "contacts": lambda _: "/contacts",
    "contacts-none": lambda _: "/contacts?q=nobody",
    "new-contact": lambda _: "/contacts/new",
    "timeline": lambda ids: f"/contacts/{ids['maria']}",
    "email": lambda ids: f"/emails/{ids['answer']}",
    "mailboxes": lambda _: "/mailboxes",
    "journal": lambda _: "/mailboxes/1/journal",
    "connected": lambda _: "/mailboxes/1/connected",
    "disconnect": lambda _: "/mailboxes/1/disconnect",
    "connect": lambda _: "/connect",
    "settings": lambda _: "/settings",
    "not-found": lambda _: "/contacts/99999",
}


def serious(page: Page) -> list[str]:
    """axe-core's findings of the levels serious and critical, with the elements."""
    page.evaluate(AXE)
    result = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    return [
        f"{each['id']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


@pytest.fixture
def told(live_company: Company) -> dict[str, Any]:
    return story.tell(live_company)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_fit_for_everybody(told, at_desk, site, size, scheme):
    at_desk.set_viewport_size(SIZES[size])
    at_desk.emulate_media(color_scheme=scheme)
    findings = {}
    for name, path in PATHS.items():
        at_desk.goto(site + path(told))
        at_desk.wait_for_timeout(150)
        wider = at_desk.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found = serious(at_desk) + ([f"{wider} px too wide"] if wider > 0 else [])
        if found:
            findings[name] = found
    assert findings == {}
