from dataclasses import dataclass

import pytest

from crm.model import Place
from providers.client import Reconnect, Retry
from providers.memory import MemoryClient, MemoryMailbox
from tests.providers.contract import Contract
from tests.providers.label_contract import LabelContract


@dataclass
class MemoryRig:
    mailbox: MemoryMailbox
    client: MemoryClient
    page_size: int = 3

    def deliver(self, raw: bytes, place: Place = Place.FOLLOWED) -> str:
        return self.mailbox.deliver(raw, place)

    def send(self, raw: bytes) -> str:
        return self.mailbox.send(raw)

    def delete(self, ref: str) -> None:
        self.mailbox.delete(ref)

    def move(self, ref: str, place: Place) -> str:
        self.mailbox.move(ref, place)
        return ref

    def label(self, ref: str, name: str) -> None:
        self.mailbox.label(ref, name)

    def mark_read(self, ref: str) -> None:
        pass

    def expire(self) -> None:
        self.mailbox.expire()

    def labels(self) -> list[str]:
        return self.mailbox.labels

    def keep_labels(self) -> None:
        self.mailbox.refuse(Reconnect("scope-missing"), method="ensure_label")

    def refuse(self, status: int, retry_after: float | None = None, times: int = 1) -> None:
        self.mailbox.refuse(Retry(retry_after, str(status)), times)

    def drop(self, times: int = 1) -> None:
        self.mailbox.refuse(Retry(None, "network"), times)

    def revoke(self) -> None:
        self.mailbox.refuse(Reconnect("revoked"), times=1000)


@pytest.fixture
def rig(now) -> MemoryRig:
    mailbox = MemoryMailbox(lambda: now)
    return MemoryRig(mailbox, MemoryClient(mailbox, page_size=3))


class TestMemory(Contract, LabelContract):
    pass


def test_a_fault_strikes_only_its_method_and_only_so_often(rig: MemoryRig) -> None:
    rig.mailbox.refuse(Retry(5), times=2, method="headers")
    rig.client.baseline()
    for _ in range(2):
        with pytest.raises(Retry):
            rig.client.headers([])
    assert rig.client.headers([]) == []
    assert rig.mailbox.calls["headers"] == 3
