"""Every call of an adapter is paid for before it is made, by the provider's own price list."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from crm.model import Ref
from crm.spending import NOTHING, Spent
from infra.settings import Settings
from providers.client import Limited, OutOfBudget
from providers.gmail.client import GmailClient
from providers.gmail.units import UNITS
from providers.graph.client import GraphClient
from sandbox.google.methods import METHODS
from tests.providers import mail
from tests.providers.gmail_rig import WATCHED, GmailRig, counts, fresh, settings_for
from tests.providers.graph_mailbox import NOW, Mailbox, Token
from tests.providers.graph_stub import Stub, serving
from tests.sandbox_process import Sandbox

PRICES = {each.name: each.units for each in METHODS}


@pytest.fixture
def rig(sandbox: Sandbox) -> Iterator[GmailRig]:
    made = GmailRig(sandbox, settings_for(sandbox, **WATCHED))
    yield made
    made.close()


def test_gmails_prices_are_those_of_its_price_list() -> None:
    named = {"getProfile": "profile", "messages.attachments.get": "attachments.get"}
    for method, units in UNITS.items():
        short = method.removeprefix("gmail.users.")
        assert PRICES[named.get(short, short)] == units, method


def test_whatever_is_asked_of_gmail_is_counted(rig: GmailRig) -> None:
    client = rig.open(spent=NOTHING)
    fresh(rig)
    now = datetime.now(UTC)
    cursor = client.baseline()
    refs = [Ref(rig.deliver(mail.numbered(n))) for n in range(12)]
    files = Ref(rig.deliver(mail.FILES))
    list(client.changes(cursor))
    client.headers(refs)
    for each in client.message(files).attachments:
        with closing(client.attachment(files, each.part)) as pieces:
            list(pieces)
    list(client.between(now - timedelta(days=1), now + timedelta(days=1)))
    client.ensure_label("Log")
    client.unwatch(client.watch(()))
    asked = {name: times for name, times in counts(rig).items() if name in PRICES}
    assert asked.keys() >= {"history.list", "messages.get", "watch", "stop", "labels.create"}
    found = client.spent()
    assert found is not None
    assert found.units == sum(PRICES[name] * times for name, times in asked.items())
    client.close()


def full(client: GmailClient | GraphClient, left: int) -> Spent:
    """All is spent but `left`."""
    assert client._budget is not None
    allowed = client._budget._allowed
    return NOTHING.plus(allowed.units - left, allowed, client._clock())


@pytest.mark.parametrize("left", [1, 39, 539])  # one less than a tenth
def test_gmail_is_not_asked_for_what_would_meet_its_limit(rig: GmailRig, left: int) -> None:
    refs = [Ref(rig.deliver(mail.numbered(n))) for n in range(2)]
    now = datetime.now(UTC)
    client = rig.open(spent=NOTHING, clock=lambda: now)
    nearly = full(client, left)
    client = rig.open(spent=nearly, clock=lambda: now)
    fresh(rig)
    with pytest.raises(OutOfBudget) as caught:
        client.headers(refs)
    assert counts(rig) == {}
    assert client.spent() == nearly, "what was not asked for costs nothing"
    assert 60 < caught.value.after <= 70
    now += timedelta(seconds=caught.value.after)
    assert len(client.headers(refs)) == 2


def test_who_counts_never_meets_the_limit_that_others_meet(rig: GmailRig) -> None:
    rig.sandbox.post("/control/switches", **{"gmail.units_per_minute": 1000})
    rig.settings = rig.settings.model_copy(update={"gmail_units_per_minute": 1000})
    refs = [Ref(rig.deliver(mail.numbered(n))) for n in range(10)]
    client = rig.open(spent=NOTHING)
    with pytest.raises(OutOfBudget):
        client.headers(refs * 10)
    assert rig.sandbox.get("/control/counts").get("gmail.refused.quota", 0) == 0
    with pytest.raises(Limited) as caught:
        rig.client.headers(refs * 12)  # enough for two minutes: one may end in between
    assert not isinstance(caught.value, OutOfBudget)


def test_the_limit_is_the_one_that_the_settings_name(rig: GmailRig) -> None:
    rig.settings = rig.settings.model_copy(update={"gmail_units_per_minute": 15_000})
    client = rig.open(spent=NOTHING)
    assert client._budget is not None
    assert client._budget._allowed.units == 13_500


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(Stub()) as running:
        yield running


def test_each_request_to_graph_counts_and_each_of_a_batch(stub: Stub) -> None:
    box = Mailbox(stub)
    stub.script = box.answer
    settings = Settings(graph_api_url=stub.url, public_url="http://127.0.0.1:8080")
    client = GraphClient(Token(), settings, clock=lambda: NOW, spent=NOTHING)
    client.folders()
    found = client.spent()
    assert found is not None
    assert box.asked("$batch")
    assert found.units == len(stub.asked), "members of a batch are noted there as well"
    GraphClient(Token(), settings, clock=lambda: NOW, spent=full(client, 900)).folders()
    tired = GraphClient(Token(), settings, clock=lambda: NOW, spent=full(client, 899))
    asked = len(stub.asked)
    with pytest.raises(OutOfBudget) as caught:
        tired.folders()
    assert len(stub.asked) == asked
    assert 600 <= caught.value.after <= 700
