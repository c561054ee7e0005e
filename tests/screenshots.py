"""`python -m tests.screenshots [FOLDER]`: the pictures of the README, made of the company that the
tests know, at the width of a desk and of a telephone."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask
from playwright.sync_api import Browser, sync_playwright
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
LARGEST = 200_000  # bytes of a picture


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
        told = story.tell(Company(database, Secrets([KEY]), datetime.now(UTC)))
        server = make_server("127.0.0.1", 0, Flask("none"), threaded=True, request_handler=Quiet)
        address = f"http://127.0.0.1:{server.server_port}"
        server.app = create_app(
            Settings(  # type: ignore[call-arg]
                _env_file=None, var=var, database_url=url, redis_url=redis.url,
                public_url=address, secret_keys=(SecretStr(KEY),),
            )
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


def take(browser: Browser, address: str, told: dict[str, Any], folder: Path) -> list[Path]:
    """One picture a page and size."""
    pages = {"timeline": f"/contacts/{told['maria']}", "why": "/why"}
    taken = []
    for ending, (width, height) in SIZES.items():
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", color_scheme="light"
        )
        page = context.new_page()
        page.goto(f"{address}/sign-in")
        page.get_by_label("E-mail address").fill("ana@acme.test")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/contacts")
        for name, path in pages.items():
            page.goto(address + path)
            page.wait_for_timeout(700)  # frames take the height of their mail
            taken.append(folder / f"{name}{ending}.png")
            page.screenshot(path=taken[-1])
        context.close()
    return taken


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    with company_pages() as (address, told), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        taken = take(browser, address, told, folder)
        browser.close()
    for each in taken:
        click.echo(f"{each}: {each.stat().st_size // 1000} KB")
    return int(any(each.stat().st_size > LARGEST for each in taken))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER))
