"""DNS is down: the provider's host name does not resolve."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings import Settings
from providers import oauth, registry
from providers.client import MailClient, Retry
from providers.held import HeldToken
from tests.providers import gmail_rig, graph_rig
from tests.sandbox_process import Sandbox

SETTINGS: dict[str, Callable[[Sandbox], Settings]] = {
    "gmail": gmail_rig.settings_for,
    "graph": graph_rig.settings_for,
}


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(params=["gmail", "graph"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(provider: str, sandbox: Sandbox) -> Settings:
    """Settings that lead to a name."""
    found = SETTINGS[provider](sandbox)
    urls = {
        name: value.replace("127.0.0.1", "localhost")
        for name, value in found.model_dump(exclude_unset=True).items()
        if isinstance(value, str) and value.startswith("http://127.0.0.1")
    }
    return found.model_copy(update=urls)


def test_a_mailbox_is_asked_again_later(provider: str, settings: Settings, no_names: None) -> None:
    client: MailClient = registry.open_client(provider, HeldToken("token"), settings)
    try:
        with pytest.raises(Retry):
            client.baseline()
    finally:
        client.close()


def test_no_consent_is_taken_for_lost(provider: str, settings: Settings, no_names: None) -> None:
    from datetime import UTC, datetime

    from crm.model import Tokens

    with pytest.raises(Retry):
        oauth.refresh(provider, settings, Tokens("", "refresh", datetime.now(UTC)))
