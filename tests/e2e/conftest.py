"""A whole installation, all roles as processes, with the sandbox as its Google and Microsoft."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from infra.settings import PREFIX, Settings
from replylog.installation import installation
from replylog.pretend import Pretend, pretend
from tests.ports import free_port


@dataclass(frozen=True)
class Installed:
    settings: Settings
    world: Pretend


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """`replylog all` beside a sandbox, with the demo's people, for one module."""
    public_url = f"http://127.0.0.1:{free_port()}"
    var = tmp_path_factory.mktemp("installed var")  # a space in the path is part of the test
    with pretend() as world:
        environment = world.environment(public_url) | {f"{PREFIX}VAR": str(var)}
        world.push_to(public_url)
        try:
            with installation(environment) as settings:
                yield Installed(settings, world)
        finally:
            for name in environment:
                os.environ.pop(name, None)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A visitor at desktop width who has not been here before."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(120_000)
    yield context.new_page()
    context.close()
