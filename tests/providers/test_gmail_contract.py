from collections.abc import Iterator

import pytest

from tests.providers.contract import Contract
from tests.providers.gmail_rig import WATCHED, GmailRig, settings_for
from tests.providers.label_contract import LabelContract
from tests.sandbox_process import Sandbox


@pytest.fixture
def rig(sandbox: Sandbox) -> Iterator[GmailRig]:
    made = GmailRig(sandbox, settings_for(sandbox, **WATCHED))
    yield made
    made.close()


class TestGmail(Contract, LabelContract):
    nested_sizes = False
