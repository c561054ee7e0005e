"""Fixtures of adapters. An SDK is imported by the tests that need it only."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import responses

if TYPE_CHECKING:
    from tests.providers.graph_mailbox import Mailbox


@pytest.fixture
def box() -> Iterator["Mailbox"]:
    """A small Graph mailbox on a scripted server."""
    from providers.graph import loop
    from tests.providers.graph_mailbox import Mailbox
    from tests.providers.graph_stub import Stub, serving

    with serving(Stub()) as stub:
        mailbox = Mailbox(stub)
        stub.script = mailbox.answer
        yield mailbox
        loop.shutdown()


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """Answers for `requests`, each of which must be asked for."""
    with responses.RequestsMock() as mocked:
        yield mocked
