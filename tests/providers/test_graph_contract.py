from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.providers.contract import Contract
from tests.providers.graph_rig import GraphRig, rig_on
from tests.providers.label_contract import LabelContract
from tests.sandbox_process import Sandbox


@pytest.fixture
def rig(sandbox: Sandbox) -> Iterator[GraphRig]:
    with rig_on(sandbox) as made:
        yield made


class TestGraph(Contract, LabelContract):
    exact_sizes: ClassVar[bool] = False  # Graph counts what Exchange stores of a file
    nested_sizes: ClassVar[bool] = False
    # Exchange makes meetings and reports of these; what is left of them has other names.
    own_parts: ClassVar[frozenset[str]] = frozenset({"text/calendar", "message/delivery-status"})
