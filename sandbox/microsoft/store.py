"""One pretend Exchange mailbox: folders, messages, and the log of changes that all listing rests on."""

import base64
import hashlib
import re
import uuid
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache

from sandbox import mail
from sandbox.microsoft.mime import Parsed, parse
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.wire import GraphError, bad_request, not_found
from sandbox.world import World

WELL_KNOWN = {
    "msgfolderroot": "Top of Information Store",
    "inbox": "Inbox",
    "sentitems": "Sent Items",
    "drafts": "Drafts",
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "outbox": "Outbox",
    "archive": "Archive",
    "conversationhistory": "Conversation History",
}
FILLER = (
    b"From: old@filler.test\r\nSubject: Old\r\nMessage-ID: <filler@filler.test>\r\n\r\nOld.\r\n"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MALFORMED = "Id is malformed."
_ID = re.compile(r"A[AQ][A-Za-z][A-Za-z0-9_-]{30,}={0,2}")


@lru_cache(maxsize=100_000)
def make_id(prefix: str, *parts: object) -> str:
    """An opaque id in Exchange's alphabet; letter case matters."""
    seed = hashlib.sha512("/".join(map(str, parts)).encode()).digest()
    return prefix + base64.urlsafe_b64encode(seed).decode().rstrip("=") + "AAA="


@dataclass
class Folder:
    id: str
    alias: str  # another id that names the same folder
    name: str
    parent: str  # "" for the root of all
    well_known: str = ""


@dataclass
class Stored:
    """One copy of a message. `number` stays for its life, `generation` grows at every move."""

    number: int
    raw: bytes
    folder: str
    received: datetime
    read: bool = False
    draft: bool = False
    sent: bool = False  # written here: Exchange keeps no internetMessageHeaders for it
    categories: list[str] = field(default_factory=list)
    conversation: str = ""
    generation: int = 0
    version: int = 0
    created: datetime = EPOCH
    modified: datetime = EPOCH
    flag: str = "notFlagged"
    importance: str = ""  # "" = what the headers say
    placeholder: str = ""  # Dynamic Delivery: the name shown in place of the attachments
    links: list[dict[str, str]] = field(default_factory=list)  # cloud attachments: name, url
    had_files: bool = False

    @cached_property
    def parsed(self) -> Parsed:
        return parse(self.raw)

    def rewrite(self, raw: bytes) -> None:
        """Put other bytes in its place (a draft that is edited)."""
        self.raw = raw
        self.__dict__.pop("parsed", None)


@dataclass(frozen=True)
class Change:
    """`kind`: add, remove (moved away), purge (gone for ever), update, or read (only isRead)."""

    seq: int
    kind: str
    folder: str
    number: int
    id: str  # changing id of the message in that folder
    immutable: str


Listener = Callable[[Change], None]


class Store:
    """All methods are called with the world's lock held."""

    def __init__(self, world: World, address: str, switches: Switches) -> None:
        self.world = world
        self.address = address
        self.switches = switches
        self.guid = str(uuid.uuid5(uuid.NAMESPACE_DNS, address))
        self.folders: dict[str, Folder] = {}
        self.messages: dict[int, Stored] = {}
        self.log: list[Change] = []
        self.listeners: list[Listener] = []
        self._ids: dict[str, int] = {}  # every id that is good now, of both kinds
        self._talks: dict[str, str] = {}  # Message-ID or topic -> conversationId
        self._last = 0
        root = self._new_folder("Root", "", "root")
        for known, name in WELL_KNOWN.items():
            parent = root if known == "msgfolderroot" else self.known("msgfolderroot")
            self._new_folder(name, parent.id, known)

    # folders

    def _new_folder(self, name: str, parent: str, known: str = "") -> Folder:
        self._last += 1
        folder = Folder(
            make_id("AQMkAD", self.guid, "folder", self._last),
            make_id("AAMkAD", self.guid, "folder-alias", self._last),
            name,
            parent,
            known,
        )
        self.folders[folder.id] = folder
        return folder

    def known(self, name: str) -> Folder:
        """A well-known folder; raises GraphError 404."""
        for folder in self.folders.values():
            if folder.well_known == name.lower():
                return folder
        raise not_found()

    def folder(self, key: str) -> Folder:
        """By id, the other form of the id, or well-known name; raises GraphError 404 or 400."""
        if key in self.folders:
            return self.folders[key]
        for folder in self.folders.values():
            if folder.alias == key or folder.well_known == key.lower() != "":
                return folder
        if key.lower() in WELL_KNOWN or _ID.fullmatch(key):
            raise not_found()
        raise bad_request(MALFORMED, "ErrorInvalidIdMalformed")

    def children(self, parent: str) -> list[Folder]:
        return [f for f in self.folders.values() if f.parent == parent]

    def path(self, folder: Folder) -> list[Folder]:
        """The folder and what it lies in, upwards."""
        line = [folder]
        while line[-1].parent:
            line.append(self.folders[line[-1].parent])
        return line

    def under(self, folder: Folder, known: str) -> bool:
        return any(f.well_known == known for f in self.path(folder))

    def make_folder(self, name: str, parent: Folder) -> Folder:
        """A new folder; raises GraphError 409 when the name is taken."""
        if any(f.name.lower() == name.lower() for f in self.children(parent.id)):
            text = "A folder with the specified name already exists."
            raise GraphError(409, "ErrorFolderExists", text)
        return self._new_folder(name, parent.id)

    def drop_folder(self, folder: Folder) -> None:
        """Delete as Outlook does: the folder keeps its id and goes under Deleted Items; one that
        is there already is gone with everything in it."""
        if folder.well_known:
            text = "Distinguished folders cannot be deleted."
            raise GraphError(403, "ErrorDeleteDistinguishedFolder", text)
        if not self.under(folder, "deleteditems"):
            folder.parent = self.known("deleteditems").id
            return
        for child in self.children(folder.id):
            self.drop_folder(child)
        for message in self.within(folder.id):
            self.purge(message)
        del self.folders[folder.id]

    # messages

    def id_of(self, message: Stored, immutable: bool = False) -> str:
        if immutable:
            return make_id("AAkALgAAAAAA", self.guid, message.number)
        return make_id("AAMkAD", self.guid, message.number, message.generation)

    def message(self, key: str) -> Stored:
        """By either kind of id; raises GraphError 404 (also for the id from before a move) or 400."""
        if not _ID.fullmatch(key):
            raise bad_request(MALFORMED, "ErrorInvalidIdMalformed")
        number = self._ids.get(key)
        if number is None:
            raise not_found()
        return self.messages[number]

    def within(self, folder: str) -> list[Stored]:
        return [m for m in self.messages.values() if m.folder == folder]

    def put(
        self,
        raw: bytes,
        folder: Folder,
        read: bool = False,
        draft: bool = False,
        sent: bool = False,
    ) -> Stored:
        """A new message in `folder`."""
        self._last += 1
        now = self.world.now()
        message = Stored(self._last, raw, folder.id, now, read, draft, sent)
        message.created = message.modified = now
        message.conversation = self._conversation(message)
        self.messages[message.number] = message
        self._index(message)
        self._note("add", message)
        return message

    def fill(self, folder: Folder, count: int, received: datetime) -> None:
        """`count` messages that share their bytes, outside the log of changes."""
        first = Stored(0, FILLER, folder.id, received, read=True)
        first.parsed  # noqa: B018 - read once for all of them
        for _ in range(count):
            self._last += 1
            message = copy(first)
            message.number, message.conversation = self._last, f"filler {self._last}"
            self.messages[message.number] = message

    def _conversation(self, message: Stored) -> str:
        """The same for answers; for equal subjects too where Exchange goes by the topic alone."""
        topic = mail.base_subject(message.parsed.subject)
        answers = message.parsed.header("References") or message.parsed.header("In-Reply-To")
        refers = mail.refers_to(message.raw) if answers else []
        keys = [*reversed(refers), message.parsed.message_id]
        if topic and self.switches.on("graph.conversation_by_subject"):
            keys.append(f"topic {topic}")
        own = make_id("AAQkAD", self.guid, "conversation", message.number)
        found = next((self._talks[key] for key in keys if key in self._talks), own)
        for key in (message.parsed.message_id, f"topic {topic}"):
            if key:
                self._talks[key] = found
        return found

    def _index(self, message: Stored) -> None:
        for immutable in (False, True):
            self._ids[self.id_of(message, immutable)] = message.number

    def _unindex(self, message: Stored) -> None:
        for immutable in (False, True):
            self._ids.pop(self.id_of(message, immutable), None)

    def _note(self, kind: str, message: Stored) -> None:
        message.modified = self.world.now()
        message.version += 1
        change = Change(
            len(self.log) + 1,
            kind,
            message.folder,
            message.number,
            self.id_of(message),
            self.id_of(message, immutable=True),
        )
        self.log.append(change)
        for listener in self.listeners:
            listener(change)

    def touch(self, message: Stored, kind: str = "update") -> None:
        """Note that something of it changed; `kind` "read" when that is all."""
        self._note(kind, message)

    def move(self, message: Stored, folder: Folder) -> Stored:
        """To another folder: a new changing id; the copy in the old folder is gone."""
        if folder.id != message.folder:
            self._note("remove", message)
            self._unindex(message)
            message.folder = folder.id
            message.generation += 1
            self._index(message)
            self._note("add", message)
        return message

    def copy(self, message: Stored, folder: Folder) -> Stored:
        copied = self.put(message.raw, folder, read=message.read, sent=message.sent)
        copied.categories = list(message.categories)
        copied.received = message.received
        copied.conversation = message.conversation
        copied.links = list(message.links)
        return copied

    def drop(self, message: Stored) -> None:
        """Delete as a person does: to Deleted Items, from there for ever."""
        if self.under(self.folders[message.folder], "deleteditems"):
            self.purge(message)
        else:
            self.move(message, self.known("deleteditems"))

    def purge(self, message: Stored) -> None:
        """Delete for ever."""
        self._note("purge", message)
        self._unindex(message)
        del self.messages[message.number]
