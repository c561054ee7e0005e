"""The pages with a real database and a real Redis, for the test client and for a browser."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import Browser, Page
from pydantic import SecretStr
from werkzeug.serving import make_server

from crm.database import Database
from infra.secrets import Secrets
from infra.settings import Settings
from tests.web.company import CHEAP, PASSWORD, Company
from web import signin
from web.app import create_app, parts_of
from web.parts import NAME

if TYPE_CHECKING:
    from redis import Redis

    from infra.redis_server import Server as RedisServer

KEY = "0" * 43 + "="


class Client:
    """A person at the pages, without a browser: follows no redirects, sends CSRF tokens."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.http: FlaskClient = app.test_client()

    def get(self, path: str, **more: Any) -> Any:
        return self.http.get(path, **more)

    def post(self, path: str, data: dict[str, str] | None = None, **more: Any) -> Any:
        return self.http.post(path, data={**(data or {}), "csrf_token": self.token()}, **more)

    def token(self) -> str:
        text = self.http.get("/sign-in").text
        if 'name="csrf_token"' not in text:
            text = self.http.get("/mailboxes").text
        return text.partition('name="csrf_token" value="')[2].partition('"')[0]

    def sign_in(self, address: str = "ana@acme.test", password: str = PASSWORD, **more: str) -> Any:
        return self.post("/sign-in", {"address": address, "password": password, **more})


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that costs what it should takes most of the time of a short test."""
    monkeypatch.setattr(signin, "passwords", CHEAP)


class _Compiled(BytecodeCache):
    """Templates compile once in a process, not once in each application."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (bucket.key, bucket.checksum) in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key, bucket.checksum])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_compiled = _Compiled()


@dataclass
class _Spare:
    """The last test's application, for the next one that has the same settings: making one takes a
    tenth of a second. All that a test gives an application is in its parts, which are made anew."""

    app: Flask
    made_with: dict[str, Any]
    tries: object  # where failed sign-ins are counted: each application that is made moves it
    config: dict[str, Any]
    views: dict[str, Any]


_spare: list[_Spare] = []
_in_use: dict[int, _Spare] = {}


def pages(settings: Settings, **arguments: Any) -> Flask:
    """The application."""
    made_with = settings.model_dump(exclude={"var", "database_url"})
    found = _spare.pop() if _spare else None
    if found is None or found.made_with != made_with or found.tries is not signin.limiter.storage:
        app = create_app(settings, **arguments)
        app.jinja_env.bytecode_cache = _compiled
        tries, views = signin.limiter.storage, dict(app.view_functions)
        found = _Spare(app, made_with, tries, dict(app.config), views)
    else:
        found.app.extensions[NAME] = parts_of(settings, **arguments)
    _in_use[id(found.app)] = found
    return found.app


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite; what is marked with `both` is run on PostgreSQL as well. The store has tests of its own
    on both, and pages know no SQL."""
    url: str = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    return url


both = pytest.mark.parametrize("database_url", ["sqlite_url", "postgres_url"], indirect=True)


@pytest.fixture
def web_settings(
    database_url: str, redis_server: "RedisServer", redis: "Redis", tmp_path: Path
) -> Settings:
    return Settings(
        _env_file=None,
        var=tmp_path,
        database_url=database_url,
        redis_url=redis_server.url,
        public_url="http://localhost",
        secret_keys=KEY,
    )


@pytest.fixture
def company(database: Database, now: datetime) -> Company:
    return Company(database, Secrets([KEY]), now)


MakeApp = Callable[..., Flask]


def close(app: Flask) -> None:
    app.extensions[NAME].database.close()
    app.extensions[NAME].redis.close()
    if (found := _in_use.pop(id(app), None)) and app.config == found.config:
        app.view_functions.clear()
        app.view_functions.update(found.views)
        _spare[:] = [found]


@pytest.fixture
def make_app(web_settings: Settings, now: datetime) -> Iterator[MakeApp]:
    """Pages with other settings; further arguments go to `create_app`."""
    made: list[Flask] = []

    def make(more: dict[str, Any] | None = None, **arguments: Any) -> Flask:
        settings = web_settings.model_copy(update=more or {})
        made.append(pages(settings, **{"clock": lambda: now, **arguments}))
        return made[-1]

    yield make
    for each in made:
        close(each)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> Client:
    """Nobody yet; `.sign_in()`."""
    return Client(app)


@pytest.fixture
def ana(company: Company, client: Client) -> Client:
    """Ana, an admin, signed in."""
    assert client.sign_in().status_code == 302
    return client


@pytest.fixture
def ben(company: Company, app: Flask) -> Client:
    """Ben, a member, signed in."""
    client = Client(app)
    assert client.sign_in("ben@acme.test").status_code == 302
    return client


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh browser window; the test fails when a script or the page's policy complains."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(120_000)  # milliseconds; a busy machine is no failure
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda line: (
            complaints.append(line.text) if "Content Security Policy" in line.text else None
        ),
    )
    yield opened
    context.close()
    assert complaints == []


Serve = Callable[[Callable[[str], Flask]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application that is made for its own address; gives the address."""
    running: list[Any] = []

    def start(make: Callable[[str], Flask]) -> str:
        server = make_server("127.0.0.1", 0, Flask("none"), threaded=True)
        url = f"http://127.0.0.1:{server.server_port}"
        server.app = make(url)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return url

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
        close(server.app)


@pytest.fixture
def live_company(sqlite_url: str) -> Iterator[Company]:
    """The company today, on SQLite, for a browser that knows what time it is."""
    database = Database(sqlite_url)
    yield Company(database, Secrets([KEY]), datetime.now(UTC).replace(microsecond=0))
    database.close()


@pytest.fixture
def live_settings(
    sqlite_url: str, redis_server: "RedisServer", redis: "Redis", tmp_path: Path
) -> Callable[..., Settings]:
    """Settings of pages at an address, with further ones."""

    def make(url: str, **more: Any) -> Settings:
        return Settings(
            _env_file=None, var=tmp_path, database_url=sqlite_url, redis_url=redis_server.url,
            public_url=url, secret_keys=(SecretStr(KEY),), **more,
        )  # fmt: skip

    return make


@pytest.fixture
def site(live_company: Company, live_settings: Callable[..., Settings], serve: Serve) -> str:
    """The address of running pages of `live_company`."""
    return serve(lambda url: pages(live_settings(url)))


def sign_in(page: Page, site: str, address: str = "ana@acme.test") -> None:
    page.goto(f"{site}/sign-in")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/contacts")


@pytest.fixture
def at_desk(page: Page, site: str) -> Page:
    """Ana's browser, signed in."""
    sign_in(page, site)
    return page
