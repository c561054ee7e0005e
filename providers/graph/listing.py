"""Listings of a Graph mailbox: what changed in each folder, and what came since a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from kiota_abstractions.request_information import RequestInformation

from crm.model import Folder, Place
from providers.client import CursorExpired, Item, Page
from providers.graph import cursor as cursors
from providers.graph import messages
from providers.graph.cursor import Spot, Spots
from providers.graph.errors import About, NotThere, UnexpectedAnswer
from providers.graph.folders import PLACES, Folders
from providers.graph.requests import Requests
from providers.graph.transport import NEXT, Json, Transport, entries, follow_link

DELTA = "@odata.deltaLink"


class Listing:
    """Pages of one mailbox. See `providers.client.MailClient` for what each method promises."""

    def __init__(self, transport: Transport, requests: Requests, folders: Folders) -> None:
        self._transport = transport
        self._requests = requests
        self._folders = folders
        self.bare = False  # whether items come without headers

    def baseline(self, folders: Sequence[Folder], since: datetime) -> Spots:
        """Every folder's changes read to their end and dropped, from `since` on."""
        spots: Spots = {}
        waiting = {folder.id: self._requests.delta(folder.id, since) for folder in folders}
        places = {folder.id: PLACES[folder.reason] for folder in folders}
        while waiting:
            answers = self._transport.ask_all(list(waiting.values()), About.CHANGES)
            further: dict[str, RequestInformation] = {}
            for folder, answer in zip(waiting, answers, strict=True):
                if isinstance(answer, Exception):
                    raise answer
                link, more = self._onward(answer)
                if more:
                    further[folder] = self._linked(link)
                else:
                    spots[folder] = Spot(places[folder], link)
            waiting = further
        return spots

    def from_start(self, folders: Sequence[Folder], since: datetime) -> Spots:
        """Every folder at `since`, without a request: what was received since then is to come."""
        root = self._transport.base_url
        return {
            folder.id: Spot(
                PLACES[folder.reason], root + self._requests.delta_path(folder.id, since)
            )
            for folder in folders
        }

    def changes(self, spots: Spots) -> Iterator[Page]:
        """Pages with something in them, then one that closes the round if the last had nothing.

        The first page of all folders is asked for at once: mostly there is no second one. A
        folder that fails is an error only after the pages of those before it were yielded; those
        whose links have expired, after the pages of all others.
        """
        spots = dict(spots)
        self._folders.learn({folder: spot.place for folder, spot in spots.items()})
        order = list(spots)
        answers = self._transport.ask_all(
            [self._linked(spots[folder].link, kept=True) for folder in order], About.CHANGES
        )
        kept, expired = False, []
        for folder, first in zip(order, answers, strict=True):
            try:
                for raw in self._pages(folder, first, spots):
                    items = tuple(self._changed(raw, spots[folder].place, folder))
                    kept = bool(items)
                    if items:
                        yield Page(items, cursors.write(spots))
            except CursorExpired:
                expired.append(folder)
        if not kept:
            yield Page((), cursors.write(spots))
        if expired:
            raise CursorExpired("links of folders", tuple(expired))

    def _pages(self, folder: str, answer: Json | Exception, spots: Spots) -> Iterator[Json]:
        """Pages of one folder from the first on; `spots` is moved before each is yielded."""
        while True:
            if isinstance(answer, Exception):
                raise answer
            link, more = self._onward(answer)
            spots[folder] = Spot(spots[folder].place, link)
            yield answer
            if not more:
                return
            answer = self._transport.ask(self._linked(link), About.CHANGES)

    def since(self, when: datetime, folders: Sequence[str] = ()) -> Iterator[Page]:
        """Whole mailbox, or some folders, oldest first. The cursor starts every followed folder at
        `when`.

        Such a cursor costs no request and shows the same messages once more, which do no harm;
        and a message of that time that is taken out of junk later shows, too.
        """
        cursor = cursors.write(self.from_start(self._folders.followed(), when))
        firsts = [self._requests.received(when, folder=folder) for folder in folders or ("",)]
        while firsts:
            try:
                answer = self._transport.ask(
                    firsts.pop(0), About.FOLDER if folders else About.MAILBOX
                )
            except NotThere:
                raise CursorExpired("a folder to be listed has gone") from None
            if link := answer.get(NEXT):
                firsts.insert(0, self._linked(self._transport.checked(link)))
            yield Page(tuple(self._listed(answer)), "" if firsts else cursor)

    def arrived(self, since: datetime, until: datetime) -> Iterator[int]:
        """How many messages of followed folders each page of a listing of ids alone has."""
        info: RequestInformation | None = self._requests.arrived(since, until)
        while info is not None:
            answer = self._transport.ask(info, About.MAILBOX)
            places = (self._folders.place(raw["parentFolderId"]) for raw in answer.get("value", ()))
            yield sum(place is Place.FOLLOWED for place in places)
            link = answer.get(NEXT)
            info = follow_link(self._transport.checked(link)) if link else None

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Item, ...]]:
        """Whole mailbox, oldest first."""
        info: RequestInformation | None = self._requests.received(since, until=until)
        while info is not None:
            answer = self._transport.ask(info, About.MAILBOX)
            link = answer.get(NEXT)
            info = self._linked(self._transport.checked(link)) if link else None
            yield tuple(self._listed(answer))

    def _listed(self, answer: Json) -> Iterator[Item]:
        for raw in _merged(answer):
            place = self._folders.place(raw.get("parentFolderId") or "")
            yield self._item(raw, place)

    def _changed(self, answer: Json, place: Place, folder: str) -> Iterator[Item]:
        """Items worth a look. An entry without a Message-ID tells of a change: of categories, or of
        nothing that matters (read and unread). A removed message shows where it went. Junk is not
        watched."""
        watch = "" if place is Place.JUNK else folder
        for raw in _merged(answer):
            if "@removed" not in raw and ("internetMessageId" in raw or "categories" in raw):
                item = self._item(raw, place)
                if watch and messages.is_whole(raw):
                    item = replace(item, watch=watch, received_at=messages.received(raw))
                yield item

    def _item(self, raw: Json, place: Place) -> Item:
        place = messages.place_of(raw, place)
        told = messages.is_whole(raw) and (
            messages.has_fields(raw) or place in {Place.SENT, Place.DRAFT}
        )
        headers = messages.headers(raw, place) if told and not self.bare else None
        return Item(messages.ref_of(raw), place, headers)

    def _linked(self, link: str, kept: bool = False) -> RequestInformation:
        """The request for `link`; `kept`: it comes out of a stored cursor."""
        if kept and not self._transport.is_ours(link):
            raise CursorExpired("the cursor is for another Graph host")
        return self._requests.paged(follow_link(link))

    def _onward(self, answer: Json) -> tuple[str, bool]:
        """The link a page ends with, and whether more pages follow."""
        if NEXT in answer:
            return self._transport.checked(answer[NEXT]), True
        if DELTA in answer:
            return self._transport.checked(answer[DELTA]), False
        raise UnexpectedAnswer("a page of changes without a link to go on from")


def _merged(answer: Json) -> list[Json]:
    """Entries of a page, each message once at its first mention: Graph may repeat one, and the
    last mention of each property holds."""
    found: dict[str, Json] = {}
    for raw in entries(answer):
        held = found.setdefault(raw["id"], {})
        if "internetMessageId" in raw:
            held.pop("@removed", None)
        held.update(raw)
    return list(found.values())
