"""A backlog of mail through RQ, rules and database, against loops that only call the provider.

Subject and floors work on the same new mail of one mailbox in each round: history or delta, then
one whole read of what is logged. The sandbox answers; it is a process of its own, but no faster than
Python, so CPU time of the subject's own process is shown beside the time on the clock.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import (
    DeltaRequestBuilder,
)
from redis import Redis

from crm.store import mailboxes
from infra import redis_server
from infra.blobs import Blobs
from providers import registry
from providers.client import MailClient
from providers.gmail.api import api
from providers.gmail.transport import authorized
from providers.graph import loop
from providers.graph.requests import HEADER_FIELDS
from providers.graph.transport import Transport
from tests.bench.rig import Report, Used, median, ratio, timed
from tests.faults.letters import CONTACTS, Letters
from tests.faults.office import DOMAINS, Held, Office, office, utc_now
from tests.faults.verdicts import look
from workers import drain, worker
from workers.queue import Queue
from workers.runtime import Runtime, client_opener

LETTERS = 60  # a round
ROUNDS = 5
UNLIMITED = {
    "gmail.quota": False,
    "gmail.push_interval": 0,
    "graph.requests_per_10_minutes": 1_000_000,
    "graph.endpoint_states": False,
}


@dataclass
class Backlog:
    """One mailbox whose mail is waiting; `redis` is the worker's."""

    office: Office
    provider: str
    letters: Letters
    runtime: Runtime
    redis: "Redis"
    token: str
    cursor: str = ""
    rounds: dict[str, list[Used]] = field(default_factory=dict)

    @property
    def mailbox_id(self) -> int:
        return next(iter(self.office.mailboxes.values()))

    def client(self) -> MailClient:
        return registry.open_client(self.provider, Held(self.token), self.office.settings)

    def deliver(self) -> int:
        """New mail, and where the floors begin to list it; how many messages."""
        with self.office.database.read() as conn:
            stored = mailboxes.by_id(conn, self.mailbox_id)
        assert stored is not None
        self.cursor = stored.cursor
        return sum(self.letters.one() for _ in range(LETTERS))

    def ours(self) -> None:
        """Wake, RQ job, run, rules, transactions; in this process as in a worker's."""
        self.runtime.queue.wake(self.mailbox_id)
        worker._worker(self.redis).work(burst=True, logging_level="CRITICAL")


def measure(report: Report) -> None:
    for provider in ("gmail", "graph"):
        report.head(f"backlog at {provider}, one mailbox, {LETTERS} letters a round, SQLite")
        with backlog(provider) as made:
            floors = _gmail_floors(made) if provider == "gmail" else _graph_floors(made)
            messages = _rounds(made, {**floors, "ours": made.ours})
            _tell(report, made, messages)


def _rounds(made: Backlog, subjects: dict[str, Callable[[], None]]) -> float:
    """Every subject on the same mail, ours last: afterwards the mail is settled."""
    numbers = []
    for turn in range(ROUNDS + 1):  # the first warms up
        numbers.append(made.deliver())
        for name, work in subjects.items():
            used = timed(work)
            if turn:
                made.rounds.setdefault(name, []).append(used)
        made.letters.tick_late()
        made.ours()
    found = look(made.office, made.letters.expected)
    if not found.right:
        raise RuntimeError(f"the mail was not settled as it must be: {found}")
    return median(numbers)


def _tell(report: Report, made: Backlog, messages: float) -> None:
    rates = {name: [messages / one.seconds for one in of] for name, of in made.rounds.items()}
    costs = {name: [messages / one.cpu for one in of] for name, of in made.rounds.items()}
    for name in rates:
        figure = f"{median(rates[name]):,.0f}/s, {1e3 / median(costs[name]):.2f} ms CPU each"
        report.add(f"{made.provider}: {name}", figure)
    targets = TARGETS[made.provider]
    for name in (each for each in rates if each != "ours"):
        target = targets.get(name)
        value, text = ratio(rates["ours"], rates[name])
        met = None if target is None else value >= target
        report.add(
            f"{made.provider}: ours over {name}", text, f">= {target}" if target else "", met
        )
        report.add(f"{made.provider}: the same by CPU", ratio(costs["ours"], costs[name])[1])


TARGETS: dict[str, dict[str, float]] = {
    "gmail": {"SDK loop, one get each": 0.60},
    "graph": {"SDK models loop": 10.0, "SDK bytes and orjson loop": 0.60},
}


@contextmanager
def backlog(provider: str) -> Iterator[Backlog]:
    with tempfile.TemporaryDirectory(prefix="replylog-bench-") as folder:
        var = Path(folder)
        server = redis_server.start(var)
        with office(var) as made, Redis.from_url(server.url) as client:
            made.world.post("switches", **UNLIMITED)
            made.contact(*CONTACTS)
            owner = f"owner@{DOMAINS[provider]}"
            made.connect(owner, provider)
            other = f"colleague@{DOMAINS[provider]}"
            made.person(other, provider)
            settings = made.settings.model_copy(update={"gmail_units_per_minute": 10**9})
            runtime = Runtime(
                made.database, Queue(client), made.secrets,
                client_opener(made.database, made.secrets, settings), Blobs(settings),
            )  # fmt: skip
            drain.use(runtime, threading.Event())
            worker.STOPPING.clear()
            token = made.tokens(owner, provider).access_token
            letters = Letters(made, [owner], Random(1))
            found = Backlog(made, provider, letters, runtime, client, token)
            _no_watches(made)
            letters.begin()
            found.ours()
            try:
                yield found
            finally:
                server.stop()


def _no_watches(made: Office) -> None:
    """Nothing listens here that could prove itself to Graph."""
    with made.database.begin() as conn:
        for mailbox_id in made.mailboxes.values():
            mailbox = mailboxes.by_id(conn, mailbox_id)
            assert mailbox is not None
            mailboxes.set_renew_at(conn, mailbox, utc_now() + timedelta(days=1))


def _gmail_floors(made: Backlog) -> dict[str, Callable[[], None]]:
    methods = api(made.office.settings.gmail_api_url)
    http = authorized(Held(made.token))

    def listed() -> list[str]:
        start = int(orjson.loads(made.cursor)[0])
        answer: Any = methods.history(start, "", 500).execute(http=http)
        added = [one for each in answer.get("history", ()) for one in each.get("messagesAdded", ())]
        return list(dict.fromkeys(one["message"]["id"] for one in added))

    def one_get_each() -> None:
        for id in listed():
            methods.full(id).execute(http=http)

    def same_calls() -> None:
        ids = listed()
        for start in range(0, len(ids), 10):
            http.credentials.ready()
            some = [methods.metadata(id) for id in ids[start : start + 10]]
            methods.batch(some, lambda *_: None).execute(http=http)
        for id in ids[: int(len(ids) * 0.76)]:
            methods.full(id).execute(http=http)

    return {"SDK loop, one get each": one_get_each, "SDK loop, our calls": same_calls}


def _graph_floors(made: Backlog) -> dict[str, Callable[[], None]]:
    transport = Transport(Held(made.token), made.office.settings.graph_api_url)
    transport._bearer.token = made.token
    links: dict[str, str] = {}  # where each loop goes on
    return {
        "SDK models loop": lambda: loop.run(_models(transport, links), 120),
        "SDK bytes and orjson loop": lambda: loop.run(_bytes(made, links), 120),
    }


async def _models(transport: Transport, links: dict[str, str]) -> None:
    """As the SDK's documentation does it."""
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=HEADER_FIELDS)
    builder = transport.sdk.me.mail_folders.by_mail_folder_id("inbox").messages.delta
    page: Any = await (
        builder.with_url(links["models"]).get()
        if "models" in links
        else builder.get(RequestConfiguration(query_parameters=query))
    )
    while page is not None:
        for one in page.value or ():
            await transport.sdk.me.messages.by_message_id(one.id).get()
        following = page.odata_next_link
        links["models"] = following or page.odata_delta_link
        page = await builder.with_url(following).get() if following else None


async def _bytes(made: Backlog, links: dict[str, str]) -> None:
    """The same calls without the SDK's classes."""
    root = made.office.settings.graph_api_url
    fields = ",".join(HEADER_FIELDS)
    client = loop.http_client(made.office.world.url)  # that of our adapter
    headers = {"Authorization": f"Bearer {made.token}", "Prefer": "odata.maxpagesize=50"}

    async def get(url: str) -> Any:
        return orjson.loads((await client.get(url, headers=headers)).content)

    link = links.get("bytes", f"{root}/me/mailFolders/inbox/messages/delta?$select={fields}")
    while link:
        page = await get(link)
        for one in page.get("value", ()):
            await get(f"{root}/me/messages/{one['id']}?$select={fields},body")
        links["bytes"] = page.get("@odata.deltaLink", "")
        link = page.get("@odata.nextLink", "")
