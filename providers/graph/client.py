"""Microsoft 365 and Exchange Online mail through Microsoft Graph.

Known limits of Graph that nothing here can mend, and that only a listing of the whole mailbox would:
- A message that arrives in a folder, leaves it and comes back between two listings is reported as
  removed and never again. One that leaves for a folder that is not followed has no journal row.
- A message received before a folder was first followed and moved into it later may never show.
  Received before the mailbox was connected, it is refused as `disconnected` anyway.
- A listing tells nothing of In-Reply-To and References of sent mail: they are in `headers` and
  `message` alone.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient

from crm.model import Dropped, Folder, Headers, Message, Place, Ref, WatchState
from crm.spending import Spent
from infra.settings import Settings
from providers import causes
from providers.budget import Budget, allowance
from providers.client import Cursor, CursorExpired, Gone, Item, Operator, Page
from providers.graph import cursor as cursors
from providers.graph import loop, messages
from providers.graph.errors import About, Exists
from providers.graph.folders import PLACES, Folders
from providers.graph.listing import Listing
from providers.graph.requests import Requests
from providers.graph.transport import Answer, Transport
from providers.graph.watches import Watches
from providers.tokens import TokenSource

PAGE_SIZE = 50
WHOLE_AT_ONCE = 10  # messages
LIMIT = (10_000, 600.0)  # requests of an app in one mailbox, in so many seconds
# How far our clock may be ahead of Graph's: mail of this time is read to its end and dropped.
SKEW = timedelta(minutes=10)


def _now() -> datetime:
    return datetime.now(UTC)


def warm() -> None:
    """What a parent does before it forks: the TLS context, and what the SDK imports only when it
    builds its first request. Opens no socket and starts no thread."""
    loop.tls_context()
    nobody = AnonymousAuthenticationProvider()
    sdk = GraphServiceClient(
        request_adapter=GraphRequestAdapter(nobody, httpx.AsyncClient(verify=loop.tls_context()))
    )
    requests = Requests(sdk, 1)
    requests.delta("x", datetime.fromtimestamp(0, UTC))
    requests.message("x")
    requests.rules()
    requests.categories()
    requests.unsubscribe("x")


class GraphClient:
    """A `MailClient` of one mailbox. Connections belong to the process and outlive it."""

    def __init__(
        self,
        access: TokenSource,
        settings: Settings,
        page_size: int = PAGE_SIZE,
        clock: Callable[[], datetime] = _now,
        spent: Spent | None = None,
    ) -> None:
        self._clock = clock
        self._budget = None if spent is None else Budget(allowance(*LIMIT), spent, clock)
        pay = (self._budget.spend,) if self._budget else ()
        self._transport = Transport(access, settings.graph_api_url, *pay)
        self._requests = Requests(self._transport.sdk, page_size)
        self._folders = Folders(self._transport, self._requests)
        self._listing = Listing(self._transport, self._requests, self._folders)
        self._met_strangers = False  # whether mail was met in a folder that is not followed
        self._watches = Watches(self._transport, self._requests, settings.public_url, clock)

    def baseline(self) -> Cursor:
        since = self._clock() - SKEW
        return cursors.write(self._listing.baseline(self._folders.followed(), since))

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        return self._listing.changes(cursors.read(cursor))

    def start_over(
        self, cursor: Cursor, when: datetime, places: Sequence[str]
    ) -> tuple[Cursor, tuple[str, ...]]:
        """Folders whose links are good keep them. Where a folder is not followed any more, nobody
        knows where its mail went: then all of the mailbox is listed."""
        followed = self._folders.followed()
        kept: cursors.Spots = {}
        if places and {folder.id for folder in followed}.issuperset(places):
            with suppress(CursorExpired):
                kept = cursors.read(cursor)
        fresh = [each for each in followed if each.id in places or each.id not in kept]
        spots = kept | self._listing.from_start(fresh, when)
        text = cursors.write({folder.id: spots[folder.id] for folder in followed})
        return text, tuple(folder.id for folder in fresh) if len(fresh) < len(followed) else ()

    def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:
        return self._listing.since(when, places)

    def arrived(self, since: datetime, until: datetime) -> Iterator[int]:
        return self._listing.arrived(since, until)

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Item, ...]]:
        return self._listing.between(since, until)

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        """Twenty messages in a round trip. Threading of sent mail is read, too."""
        answers = self._transport.batch(
            [self._requests.headers(ref.id) for ref in refs], About.MESSAGE
        )
        found: list[Headers | None] = []
        for answer in answers:
            if isinstance(answer, Gone):
                found.append(None)
            elif isinstance(answer, Exception):
                raise answer
            else:
                found.append(messages.headers(answer, self._place(answer["parentFolderId"])))
        return found

    def message(self, ref: Ref) -> Message:
        """One request, where the message lies in a folder that was listed or asked for before."""
        raw = self._transport.ask(self._requests.message(ref.id), About.MESSAGE)
        return messages.message(raw, self._place(raw["parentFolderId"]))

    def messages(self, refs: Sequence[Ref]) -> Sequence[Message | Exception]:
        """Ten messages in a round trip: their bodies are in memory together."""
        found: list[Message | Exception] = []
        for start in range(0, len(refs), WHOLE_AT_ONCE):
            some = refs[start : start + WHOLE_AT_ONCE]
            infos = [self._requests.message(ref.id) for ref in some]
            found += [self._whole(one) for one in self._transport.batch(infos, About.MESSAGE)]
        return found

    def _whole(self, answer: Answer) -> Message | Exception:
        if isinstance(answer, Exception):
            return answer
        try:
            return messages.message(answer, self._place(answer["parentFolderId"]))
        except Exception as error:  # noqa: BLE001 - whoever asked for this message raises it
            return error

    def _place(self, folder: str) -> Place:
        place = self._folders.place(folder)
        self._met_strangers |= place is Place.ELSEWHERE
        return place

    def attachment(self, ref: Ref, part: str) -> Generator[bytes]:
        """Of a message within, its MIME. A link to a file in a cloud has no bytes."""
        return self._transport.stream(self._requests.attachment(ref.id, part), About.ATTACHMENT)

    def folders(self, more: Sequence[str] = ()) -> Sequence[Folder]:
        self._folders.follow_by_hand(more)
        return tuple(self._folders.followed())

    def follow(self, folders: Sequence[Folder], cursor: Cursor, since: datetime) -> Cursor:
        """Makes no request: a new folder's first listing comes with the next changes."""
        spots = cursors.read(cursor)
        fresh = self._listing.from_start(
            [folder for folder in folders if folder.id not in spots], since
        )
        self._folders.learn({folder.id: PLACES[folder.reason] for folder in folders})
        both = {**spots, **fresh}
        return cursors.write({folder.id: both[folder.id] for folder in folders})

    def dropped(self, folder: Folder) -> Dropped:
        return self._folders.dropped(folder)

    def hidden_rules(self) -> Sequence[str]:
        return self._folders.hidden_rules()

    def lost_sight(self, push_was_empty: bool) -> bool:
        """What a push was about may have been moved on by a rule before it was listed."""
        return push_was_empty or self._met_strangers

    def ensure_label(self, name: str) -> None:
        """In the master list of categories. Making one takes MailboxSettings.ReadWrite, which also
        lets an app change inbox rules: it is not asked for, but used where it was given."""
        if self._has_category(name):
            return
        try:
            self._transport.ask(self._requests.new_category(name), About.LABEL)
        except Exists:
            if not self._has_category(name):
                raise Operator(causes.LABEL_NAME) from None

    def _has_category(self, name: str) -> bool:
        listed = self._transport.all_values(self._requests.categories(), About.MAILBOX)
        held = {str(one.get("displayName") or "").casefold() for one in listed}
        return name.casefold() in held

    def watch(self, have: Sequence[WatchState]) -> Sequence[WatchState]:
        return tuple(self._watches.watch(self._folders.followed(), have))

    def unwatch(self, have: Sequence[WatchState]) -> None:
        self._watches.unwatch(have)

    def carefully(self) -> None:
        self._listing.bare = True

    def sparingly(self) -> None:
        if self._budget is not None:
            self._budget.sparingly()

    def spent(self) -> Spent | None:
        return None if self._budget is None else self._budget.spent

    def close(self) -> None:
        """Nothing of its own is open; `loop.shutdown` closes what the process shares."""
