"""Microsoft's own SDK, pointed at the pretend Graph."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph.graph_request_adapter import GraphRequestAdapter, options
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory  # type: ignore[import-untyped]

from tests.sandbox.graph_kit import Client, Webhook
from tests.sandbox_process import Sandbox


class Token(AccessTokenProvider):
    def __init__(self, token: str) -> None:
        self.token = token

    async def get_authorization_token(
        self, uri: str, additional_authentication_context: dict[str, Any] | None = None
    ) -> str:
        return self.token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return AllowedHostsValidator(["127.0.0.1"])


@asynccontextmanager
async def open_client(sandbox: Sandbox, token: str) -> AsyncIterator[GraphServiceClient]:
    transport = httpx.AsyncHTTPTransport()
    client = GraphClientFactory.create_with_default_middleware(
        client=httpx.AsyncClient(transport=transport, trust_env=False), options=options
    )
    login = BaseBearerTokenAuthenticationProvider(Token(token))
    adapter = GraphRequestAdapter(login, client)
    adapter.base_url = f"{sandbox.url}/v1.0"
    yield GraphServiceClient(request_adapter=adapter)
    await transport.aclose()  # the SDK wraps the transport and leaves it open


def raw() -> Any:
    """Request options for JSON without models."""
    return RequestConfiguration(options=[ResponseHandlerOption(NativeResponseHandler())])


def test_request_builders_reach_folders_delta_and_messages(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver()

    async def visit() -> list[Any]:
        async with open_client(sandbox, ben.token) as graph:
            inbox = graph.me.mail_folders.by_mail_folder_id("inbox")
            return [
                await graph.me.mail_folders.get(raw()),
                await inbox.messages.delta.get(raw()),
                await graph.me.messages.by_message_id(key).get(raw()),
                await inbox.message_rules.get(raw()),
            ]

    answers = asyncio.run(visit())
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[1].json()["value"][0]["subject"] == "Hello"
    assert answers[2].json()["subject"] == "Hello"


@pytest.mark.filterwarnings("ignore")
def test_models_read_a_message_and_a_subscription(sandbox: Sandbox) -> None:
    from msgraph.generated.models.subscription import Subscription

    ben = Client(sandbox)
    key = ben.deliver()

    async def visit(url: str) -> tuple[Any, Any]:
        body = Subscription(
            change_type="created",
            notification_url=url,
            resource="me/mailFolders('inbox')/messages",
            expiration_date_time=datetime.now(UTC) + timedelta(days=1),
            client_state="s",
        )
        async with open_client(sandbox, ben.token) as graph:
            message = await graph.me.messages.by_message_id(key).get()
            return message, await graph.subscriptions.post(body)

    with Webhook() as hook:
        message, made = asyncio.run(visit(hook.url))
        assert hook.validations
    assert message.subject == "Hello"
    assert made.id
