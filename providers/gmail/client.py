"""A Gmail mailbox as a `MailClient`."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from googleapiclient.http import HttpRequest

from crm import messages
from crm.model import WHOLE_MAILBOX, Dropped, Folder, Headers, Message, Ref, WatchState
from crm.spending import Spent
from infra.settings import Settings
from providers import causes
from providers.budget import Budget, allowance
from providers.client import Cursor, CursorExpired, Gone, Item, Operator, Page
from providers.gmail import cursor as cursors
from providers.gmail.api import api
from providers.gmail.errors import About, Exists, OtherClient, translated
from providers.gmail.files import Streams, pieces
from providers.gmail.history import is_user_label, parts_of
from providers.gmail.payload import Leaf, decoded, headers_of, leaves_of, message_of
from providers.gmail.transport import authorized
from providers.gmail.units import MINUTE, UNITS
from providers.tokens import TokenSource

PAGE_SIZE = 500  # records or messages a page; Gmail's most
RECORDS = 25  # of them make a page of ours
OPEN = "-in:spam -in:trash"
ARRIVED = "-in:sent -in:drafts -in:spam -in:trash"  # what is counted as arrived
BATCH_SIZE = 10  # more at once is answered with 429 even on an idle mailbox
NAMES_KEPT = timedelta(hours=1)  # display names of labels may be this old


class GmailClient:
    """Lists by history, reads by messages.get. Every request goes through `_run`."""

    def __init__(
        self,
        access: TokenSource,
        settings: Settings,
        page_size: int = PAGE_SIZE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        spent: Spent | None = None,
    ) -> None:
        self._api = api(settings.gmail_api_url)
        self._http = authorized(access)
        self._streams = Streams(access, clock)
        self._leaves: tuple[str, dict[str, Leaf]] = (
            "",
            {},
        )  # of the message last read that has files
        self._topic = settings.google_pubsub_topic
        self._page_size = page_size
        self._clock = clock
        allowed = allowance(settings.gmail_units_per_minute, MINUTE)
        self._budget = None if spent is None else Budget(allowed, spent, clock)
        self._names: dict[str, str] = {}  # user labels: id to display name
        self._names_read: datetime | None = None

    def address(self) -> str:
        """The mailbox's primary address, as its profile has it."""
        return str(self._run(self._api.profile(), needs="emailAddress")["emailAddress"])

    def baseline(self) -> Cursor:
        return cursors.Position(self._mailbox_id()).text()

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        """Every page carries the id of its last record, never the mailbox's own: a push and that
        id can be ahead of the records. One answer of Gmail's makes several pages: to read all of
        its messages may cost more than Gmail allows in a minute."""
        position = cursors.read(cursor)
        start, token = position.id, ""
        while True:
            request = self._api.history(start, token, self._page_size)
            answer = self._run(request, About.HISTORY, needs="historyId")
            records = answer.get("history", ())
            token = answer.get("nextPageToken", "")
            if not records and int(answer["historyId"]) < start and self._mailbox_id() < start:
                raise CursorExpired("the mailbox's own history is younger")
            *pages, last = parts_of(records, RECORDS)
            for items, record in pages:
                position = position.listed(record)
                yield Page(items, position.text())
            position = position.listed(last[1])
            if not token:
                position = position.complete(int(answer["historyId"]), self._clock())
            yield Page(last[0], position.text())
            if not token:
                return

    def start_over(
        self, cursor: Cursor, when: datetime, places: Sequence[str]
    ) -> tuple[Cursor, tuple[str, ...]]:
        del cursor, when, places
        return self.baseline(), ()

    def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:  # noqa: ARG002 - it has one
        """By search, whose dates are epoch seconds and exclusive."""
        cursor, token = self.baseline(), ""
        query = f"after:{int(when.timestamp()) - 1}"
        while True:
            request = self._api.search(query, token, self._page_size)
            answer = self._run(request, needs="resultSizeEstimate")
            found = answer.get("messages", ())
            token = answer.get("nextPageToken", "")
            items = tuple(Item(Ref(one["id"], one.get("threadId", ""))) for one in found)
            yield Page(items, "" if token else cursor)
            if not token:
                return

    def arrived(self, since: datetime, until: datetime) -> Iterator[int]:
        for found in self._received(since, until, ARRIVED):
            yield len(found)

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Item, ...]]:
        for found in self._received(since, until, OPEN):
            yield tuple(Item(Ref(one["id"], one.get("threadId", ""))) for one in found)

    def _received(self, since: datetime, until: datetime, which: str = "") -> Iterator[list[Any]]:
        query = f"after:{int(since.timestamp()) - 1} before:{int(until.timestamp())} {which}"
        token = ""
        while True:
            request = self._api.search(query.strip(), token, self._page_size)
            answer = self._run(request, needs="resultSizeEstimate")
            yield answer.get("messages", [])
            token = answer.get("nextPageToken", "")
            if not token:
                return

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        """One request a message, up to ten of them in one HTTP request."""
        found: list[Any] = []
        for start in range(0, len(refs), BATCH_SIZE):
            found += self._metadata(refs[start : start + BATCH_SIZE])
        names = self._labels_of(answer for answer in found if answer)
        return [headers_of(one, self._named(one, names)) if one else None for one in found]

    def message(self, ref: Ref) -> Message:
        return self._whole(ref, self._run(self._api.full(ref.id), About.MESSAGE, needs="payload"))

    def messages(self, refs: Sequence[Ref]) -> Sequence[Message | Exception]:
        """One request a message, up to ten of them in one HTTP request."""
        found: list[Message | Exception] = []
        for start in range(0, len(refs), BATCH_SIZE):
            some = refs[start : start + BATCH_SIZE]
            answers = self._batched([self._api.full(ref.id) for ref in some], needs="payload")
            for ref, answer in zip(some, answers, strict=True):
                try:
                    found.append(self._whole(ref, answer))
                except Exception as error:  # noqa: BLE001 - whoever asked for this message raises it
                    found.append(error)
        return found

    def _whole(self, ref: Ref, answer: Any) -> Message:
        if isinstance(answer, Exception):
            raise answer
        names = self._labels_of([answer])
        fetch = partial(self._attachment, ref.id)
        read = message_of(answer, self._named(answer, names), fetch)
        if read.attachments:  # their bytes may be asked for next
            self._leaves = (ref.id, leaves_of(answer))
        return read

    def attachment(self, ref: Ref, part: str) -> Generator[bytes]:
        """By the part's number: the ids that Gmail gives to files change from answer to answer."""
        if self._leaves[0] != ref.id:
            answer = self._run(self._api.full(ref.id), About.MESSAGE, needs="payload")
            self._leaves = (ref.id, leaves_of(answer))
        leaf = self._leaves[1].get(part)
        if leaf is None:
            raise Gone
        if leaf.attachment:
            yield from self._streamed(self._api.attachment(ref.id, leaf.attachment))
        elif leaf.part.data or not leaf.size:
            yield from pieces(leaf.part.data)
        else:
            whole = b"".join(self._streamed(self._api.raw(ref.id)))
            yield from pieces(messages.attachment(whole, part) or b"")

    def folders(self, more: Sequence[str] = ()) -> Sequence[Folder]:  # noqa: ARG002 - all is followed
        """None: Gmail's history covers all places."""
        return ()

    def follow(self, folders: Sequence[Folder], cursor: Cursor, since: datetime) -> Cursor:
        del folders, since
        return cursor

    def dropped(self, folder: Folder) -> Dropped:  # noqa: ARG002 - no folder is followed by itself
        return Dropped.SETTING

    def hidden_rules(self) -> Sequence[str]:
        """None: filters label mail, and all of it is followed."""
        return ()

    def lost_sight(self, push_was_empty: bool) -> bool:  # noqa: ARG002 - all is followed
        return False

    def ensure_label(self, name: str) -> None:
        """A slash in the name nests it below a label of the part before, as Gmail shows it."""
        if self._has_label(name):
            return
        try:
            self._run(self._api.new_label(name), About.LABEL)
        except Exists:
            if not self._has_label(name):  # it is like one of Gmail's own
                raise Operator(causes.LABEL_NAME) from None

    def watch(self, have: Sequence[WatchState]) -> Sequence[WatchState]:
        """Announcements to the Pub/Sub topic; () where none is set. Gmail's answer also has a
        history id: it is not a cursor, since nothing up to it has been listed."""
        del have
        if not self._topic:
            return ()
        request = partial(self._api.watch, self._topic)
        try:
            answer = self._run(request(), About.WATCH, needs="expiration")
        except OtherClient:
            self._stop()
            try:
                answer = self._run(request(), About.WATCH, needs="expiration")
            except OtherClient:
                raise Operator(causes.PUSH_CLIENT) from None
        expires = datetime.fromtimestamp(int(answer["expiration"]) / 1000, UTC)
        return (WatchState(WHOLE_MAILBOX, "", expires),)

    def unwatch(self, have: Sequence[WatchState]) -> None:
        del have
        if self._topic:
            self._stop()

    def carefully(self) -> None:
        """Listings have no headers anyhow."""

    def sparingly(self) -> None:
        if self._budget is not None:
            self._budget.sparingly()

    def spent(self) -> Spent | None:
        return None if self._budget is None else self._budget.spent

    def close(self) -> None:
        self._http.close()
        self._streams.close()

    def _run(self, request: HttpRequest, about: About = About.MAILBOX, needs: str = "") -> Any:
        """The answer. One without the field it `needs` is none of Gmail's."""
        self._pay(request)
        with translated(about, self._clock):
            return _readable(request.execute(http=self._http), needs)

    def _stop(self) -> None:
        request = self._api.stop()
        self._pay(request)
        with translated(About.WATCH, self._clock):
            request.execute(http=self._http)  # has no answer

    def _streamed(self, request: HttpRequest) -> Iterator[bytes]:
        self._pay(request)
        yield from self._streams.text(request.uri)

    def _pay(self, *requests: HttpRequest) -> None:
        """Before they are sent."""
        if self._budget is not None:
            self._budget.spend(sum(UNITS[str(each.methodId)] for each in requests))

    def _mailbox_id(self) -> int:
        return int(self._run(self._api.profile(), needs="historyId")["historyId"])

    def _metadata(self, refs: Sequence[Ref]) -> list[Any]:
        """The answers for `refs`, None for what is gone."""
        answers = self._batched([self._api.metadata(ref.id) for ref in refs])
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, Gone):
                raise answer
        return [None if isinstance(answer, Gone) else answer for answer in answers]

    def _batched(self, requests: Sequence[HttpRequest], needs: str = "") -> list[Any]:
        """The answers to `requests` about messages, sent as one; in place of a failed one its error."""
        answers: dict[str, Any] = {}

        def keep(number: str, answer: Any, error: Exception | None) -> None:
            try:
                with translated(About.MESSAGE, self._clock):
                    if error is not None:
                        raise error
                    answers[number] = _readable(answer, needs)
            except Exception as meant:  # noqa: BLE001 - the caller's to raise, not the library's loop
                answers[number] = meant

        self._pay(*requests)
        self._http.credentials.ready()
        batch = self._api.batch(list(requests), keep)
        with translated(About.MAILBOX, self._clock):
            batch.execute(http=self._http)
        return [answers[str(number)] for number in range(len(requests))]

    def _attachment(self, message: str, attachment: str) -> bytes:
        answer = self._run(self._api.attachment(message, attachment), About.MESSAGE)
        return decoded(answer.get("data", ""))

    def _has_label(self, name: str) -> bool:
        self._read_names()
        return name.casefold() in {held.casefold() for held in self._names.values()}

    def _read_names(self) -> None:
        labels = self._run(self._api.labels(), needs="labels")["labels"]
        self._names = {one["id"]: one["name"] for one in labels if one.get("type") == "user"}
        self._names_read = self._clock()

    def _labels_of(self, answers: Iterable[Any]) -> dict[str, str]:
        """Display names by label id, read again when one of `answers` has an id without a name."""
        ids = {label for answer in answers for label in answer.get("labelIds", ())}
        wanted = {label for label in ids if is_user_label(label)}
        fresh = self._names_read is not None and self._clock() - self._names_read < NAMES_KEPT
        if wanted and not (fresh and wanted <= self._names.keys()):
            self._read_names()
        return self._names

    @staticmethod
    def _named(answer: Any, names: dict[str, str]) -> set[str]:
        return {names[label] for label in answer.get("labelIds", ()) if label in names}


def _readable(answer: Any, needs: str = "") -> Any:
    """`answer`, unless it is the bare text that googleapiclient makes of broken JSON, or lacks a
    field that Gmail always sends: what is taken for an empty page would be passed over for good."""
    if not isinstance(answer, dict) or (needs and needs not in answer):
        raise ValueError("no such JSON object")
    return answer
