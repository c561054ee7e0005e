"""`python -m tests.screenshots [FOLDER]`: the pictures of the README, made of the company that the
tests know, at the width of a desk and of a telephone. People, mail and time are always the same, and so
are the pictures."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import SecretStr
from werkzeug.serving import WSGIRequestHandler, make_server

from crm.database import Database
from infra import redis_server
from infra.secrets import Secrets
from infra.settings import Settings
from tests.chromium import CHROMIUM, FLAGS
from tests.web import story
from tests.web.company import PASSWORD, Company
from web.app import create_app

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
KEY = "0" * 43 + "="
SIZES = {"": (1280, 800), "-phone": (360, 740)}  # end of the file's name: width, height
LARGEST = 150_000  # bytes of a picture
BLANK = 12_000  # bytes: a page with nothing on it takes fewer
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ASKED = """From: Bob Keller <bob@globex.test>
To: Ana Lima <ana@acme.test>
Subject: Invoice
Date: Mon, 2 Mar 2026 08:40:00 +0000
Message-ID: <asked@globex.test>
In-Reply-To: <m1@acme.test>
References: <m1@acme.test>
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and by how many pixels its page is wider than the window."""

    path: Path
    too_wide: int

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def fit(self) -> bool:
        return BLANK < self.size <= LARGEST and self.too_wide <= 0


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """No line a request."""


@contextmanager
def company_pages() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of pages that show the company of `tests.web.story`, and its ids."""
    with tempfile.TemporaryDirectory() as folder:
        var = Path(folder)
        url = f"sqlite:///{var / 'db'}"
        redis, database = redis_server.start(var), Database(url)
        database.upgrade()
        told = story.tell(Company(database, Secrets([KEY]), NOW))
        server = make_server("127.0.0.1", 0, Flask("none"), threaded=True, request_handler=Quiet)
        address = f"http://127.0.0.1:{server.server_port}"
        server.app = create_app(
            Settings(  # type: ignore[call-arg]
                _env_file=None, var=var, database_url=url, redis_url=redis.url,
                public_url=address, secret_keys=(SecretStr(KEY),),
            ),
            clock=lambda: NOW,
        )  # fmt: skip
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield address, told
        finally:
            server.shutdown()
            server.server_close()
            server.app.extensions["replylog"].database.close()
            server.app.extensions["replylog"].redis.close()
            database.close()
            redis.stop()


def take(browser: Browser, address: str, told: dict[str, Any], folder: Path) -> list[Picture]:
    """One picture a page and size."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for ending, (width, height) in SIZES.items():
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", timezone_id="UTC",
            color_scheme="light", reduced_motion="reduce",
        )  # fmt: skip
        page = context.new_page()
        page.clock.set_fixed_time(NOW)
        page.goto(f"{address}/sign-in")
        page.get_by_label("E-mail address").fill("ana@acme.test")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/contacts")
        for name, show in PAGES.items():
            show(page, address, told)
            page.wait_for_timeout(500)  # frames take the height of their mail
            path = folder / f"{name}{ending}.png"
            page.screenshot(path=path, animations="disabled", caret="hide")
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            taken.append(Picture(path, wide))
        context.close()
    return taken


def _explained(page: Page, address: str, _told: dict[str, Any]) -> None:
    page.goto(f"{address}/why/explain")
    page.get_by_label("Headers of the message").fill(ASKED)
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("Nothing was stored.", exact=True).wait_for()


PAGES: dict[str, Callable[[Page, str, dict[str, Any]], object]] = {
    "timeline": lambda page, address, told: page.goto(f"{address}/contacts/{told['maria']}"),
    "why": lambda page, address, _: page.goto(f"{address}/why"),
    "explainer": _explained,
    "settings": lambda page, address, _: page.goto(f"{address}/settings/logging"),
}


def main(folder: Path) -> int:
    with company_pages() as (address, told), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        taken = take(browser, address, told, folder)
        browser.close()
    for each in taken:
        unfit = "" if each.fit else f", not fit: {each.too_wide} px too wide"
        click.echo(f"{each.path}: {each.size // 1000} KB{unfit}")
    return int(not all(each.fit for each in taken))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER))
