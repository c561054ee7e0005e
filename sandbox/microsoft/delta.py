"""messages/delta of one folder: rounds, pages, tokens, and what is lost on the way."""

import uuid
from dataclasses import dataclass, field, replace

from sandbox.microsoft import odata, view
from sandbox.microsoft.graph import Context
from sandbox.microsoft.store import Change, Store, Stored
from sandbox.microsoft.wire import Answer, Call, GraphError, Json, bad_request

_ALLOWED = {"ge", "gt"}


@dataclass(frozen=True)
class Step:
    """One thing to tell: the message in full, its read state, or that it is gone."""

    kind: str  # "full", "read" or "removed"
    number: int
    id: str = ""  # for "removed"


@dataclass(frozen=True)
class Asked:
    """The parameters of the first request, which its links carry on."""

    folder: str
    select: str = ""
    filter: str = ""
    expand: str = ""
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """What a link stands for: in the middle of a round, or (steps None) between two rounds."""

    asked: Asked
    seq: int  # where in the log the next round begins
    steps: tuple[Step, ...] | None = None
    at: int = 0
    before: tuple[Step, ...] = ()  # what the last round told, for replays
    serial: int = 0


@dataclass
class Links:
    """The links given out by one mailbox; those up to `expired` are too old."""

    places: dict[str, Place] = field(default_factory=dict)
    given: int = 0
    expired: int = 0

    def give(self, place: Place) -> str:
        self.given += 1
        text = uuid.uuid4().hex + uuid.uuid4().hex
        self.places[text] = replace(place, serial=self.given)
        return text

    def expire(self) -> None:
        """All links given so far are too old from now on."""
        self.expired = self.given


def messages_delta(context: Context, key: str) -> Answer:
    """GET mailFolders/{key}/messages/delta."""
    call, store = context.call, context.mailbox.store
    folder = store.folder(key)
    token = call.option("skiptoken") or call.option("deltatoken")
    place = _resume(context, token, folder.id) if token else _begin(call, store, folder.id)
    look = view.Wanted(
        _names(context, place.asked.select),
        odata.expand(place.asked.expand),
        call.immutable,
        view.wanted(Call("GET", "", "", call.headers)).body_type,
    )
    if look.body:
        context.count("graph.delta.body")
    page = place if place.steps is not None else _round(context, place)
    asked_size = call.preferences().get("odata.maxpagesize", "")
    size = int(asked_size) if asked_size.isdigit() else call.number("top", 10)
    if token == "" and context.mailbox.switches.on("graph.delta_empty_page"):
        return _page(context, folder.id, look, replace(page, at=-1), 0)
    return _page(context, folder.id, look, page, max(1, min(size, 1000)))


def _begin(call: Call, store: Store, folder: str) -> Place:
    if call.option("search"):
        raise bad_request("$search is not supported with delta.", "ErrorInvalidUrlQuery")
    order = call.option("orderby").lower()
    if order not in ("", "receiveddatetime desc"):
        raise bad_request("The $orderby is not supported with delta.", "ErrorInvalidUrlQuery")
    kept = call.option("filter")
    words = kept.split()
    if kept and (
        len(words) != 3 or words[0].lower() != "receiveddatetime" or words[1] not in _ALLOWED
    ):
        raise bad_request("The $filter is not supported with delta.", "ErrorInvalidUrlQuery")
    odata.read_filter(kept)
    view.wanted(call)
    expand = call.option("expand")
    if any(part.name.lower() != "attachments" for part in odata.expand(expand)):
        raise bad_request("The $expand is not supported with delta.", "ErrorInvalidUrlQuery")
    kinds = frozenset(filter(None, call.options.get("changetype", "").split(",")))
    asked = Asked(folder, call.option("select"), kept, expand, kinds)
    return Place(asked, len(store.log), _first(store, asked))


def _first(store: Store, asked: Asked) -> tuple[Step, ...]:
    kept = odata.read_filter(asked.filter)
    within = store.within(asked.folder)
    found = [m for m in within if kept.test(view.facts(store, m, kept.properties))]
    found.sort(key=lambda m: m.received, reverse=True)
    if asked.filter:
        found = found[:5000]  # a filtered delta returns no more
    return tuple(Step("full", m.number) for m in found)


def _resume(context: Context, token: str, folder: str) -> Place:
    links = context.mailbox.links
    place = links.places.get(token)
    if place is None or place.asked.folder != folder:
        raise bad_request("The sync state data is invalid.", "ErrorInvalidSyncStateData")
    if place.serial <= links.expired:
        raise expired(context, folder)
    return place


def expired(context: Context, folder: str) -> GraphError:
    """Too old: start again where Location says."""
    switches = context.mailbox.switches
    status = int(switches.number("graph.delta_expired_status"))
    code = switches.text("graph.delta_expired_code")
    text = "The sync state generation is not found; a full resync is required."
    location = context.url(f"mailFolders('{folder}')/messages/delta?$skiptoken=")
    return GraphError(status, code, text, {"Location": location} if status == 410 else {})


def _names(context: Context, select: str) -> list[str]:
    names = odata.select(select, view.NAMES | {"attachments": "attachments"}, view.KIND)
    if not context.mailbox.switches.on("graph.delta_headers"):
        names = [name for name in names if name != "internetMessageHeaders"] or ["id"]
    if context.basic and any(name in view.BODY for name in names):
        context.refuse_basic()
    return names


def _round(context: Context, place: Place) -> Place:
    """The changes since the last round, as steps in the order they happened."""
    store, asked = context.mailbox.store, place.asked
    since = [c for c in store.log[place.seq :] if c.folder == asked.folder]
    lost = context.call.immutable and context.mailbox.switches.on("graph.delta_loses_return")
    numbers = dict.fromkeys(change.number for change in since)
    steps: list[Step] = []
    for number in numbers:
        own = [change for change in since if change.number == number]
        steps += _steps(store, own, asked, context.call.immutable, lost)
    hide = context.mailbox.switches.on("graph.delta_filter_hides_moved")
    steps = [step for step in steps if not hide or _shown(store, step, asked)]
    if context.mailbox.switches.on("graph.delta_replays"):
        repeated = [step for step in place.before if step.number in store.messages]
        repeated = [s for s in repeated if store.messages[s.number].folder == asked.folder]
        steps = [*repeated, *steps]
    return replace(place, seq=len(store.log), steps=tuple(steps))


def _steps(
    store: Store, own: list[Change], asked: Asked, immutable: bool, lost: bool
) -> list[Step]:
    message = store.messages.get(own[0].number)
    here = message is not None and message.folder == asked.folder
    known = own[0].kind != "add"  # was in the folder when the round before ended
    left = [change for change in own if change.kind in ("remove", "purge")]
    steps = []
    if left and known and _wants(asked, "deleted") and not (immutable and here and not lost):
        first = left[0]
        steps.append(Step("removed", first.number, first.immutable if immutable else first.id))
    if not here or (immutable and left and known and lost):
        return steps
    if not known or left:
        return [*steps, Step("full", own[0].number)] if _wants(asked, "created") else steps
    kind = "read" if all(change.kind == "read" for change in own) else "full"
    return [*steps, Step(kind, own[0].number)] if _wants(asked, "updated") else steps


def _wants(asked: Asked, kind: str) -> bool:
    return not asked.kinds or kind in asked.kinds


def _shown(store: Store, step: Step, asked: Asked) -> bool:
    message = store.messages.get(step.number)
    if step.kind == "removed" or message is None or not asked.filter:
        return True
    return odata.read_filter(asked.filter).test(view.facts(store, message))


def _page(context: Context, folder: str, look: view.Wanted, place: Place, size: int) -> Answer:
    store, links = context.mailbox.store, context.mailbox.links
    steps = place.steps or ()
    start, end = max(place.at, 0), max(place.at, 0) + size
    value = [item for step in steps[start:end] if (item := _item(store, step, look, folder))]
    body: Json = {
        "@odata.context": context.note(f"mailFolders('{folder}')/messages/$delta"),
        "value": value,
    }
    base = context.url(f"mailFolders('{folder}')/messages/delta")
    if end < len(steps) or place.at < 0:
        token = links.give(replace(place, at=end))
        body["@odata.nextLink"] = f"{base}?$skiptoken={token}"
    else:
        full = tuple(step for step in steps if step.kind == "full")[-10:]
        token = links.give(Place(place.asked, place.seq, None, 0, full))
        body["@odata.deltaLink"] = f"{base}?$deltatoken={token}"
    return Answer(200, body, view.applied(look))


def _item(store: Store, step: Step, look: view.Wanted, folder: str) -> Json | None:
    if step.kind == "removed":
        return {
            "@odata.type": "#microsoft.graph.message",
            "id": step.id,
            "@removed": {"reason": "deleted"},
        }
    message: Stored | None = store.messages.get(step.number)
    if message is None or message.folder != folder:
        return None  # gone since the round was put together; the next one tells
    if step.kind == "read":
        return {
            "@odata.type": "#microsoft.graph.message",
            "@odata.etag": view.etag(message),
            "id": store.id_of(message, look.immutable),
            "isRead": message.read,
            "parentFolderId": message.folder,
        }
    shown = view.show(store, message, look)
    shown.setdefault("@odata.type", "#microsoft.graph.message")
    return shown
