"""People with a mailbox at the pretend Microsoft 365.

`Mailbox` is the world's `Backend` (`sandbox.world`): receive, send, items, folders, move, label,
delete, add_rule, cut. What Microsoft has beyond that, for the control API and the page:

    set_switch(name, value)         a switch of `sandbox.microsoft.switches` for this mailbox alone
    add_read_only_rule(rule)        a rule that Graph shows without conditions and actions
    set_categories(item_id, names)  replaces the categories
    mark_read(item_id, read)
    change_password()               the subscriptions are removed, tokens stay good
    revoke_consent()                refreshing fails with AADSTS65001
    revoke_sessions()               refreshing fails with AADSTS50173
    expire_tokens()                 access tokens end now
    expire_delta()                  every deltaLink and nextLink given so far is too old
    silence()                       the subscriptions there are tell of no mail any more
    fill(name, count, received)     many old messages in a folder, told to nobody
    delete_rule, move_folder        by name
    lifecycle(kind)                 "reauthorizationRequired", "subscriptionRemoved" or "missed"
    finish_scan()                   Dynamic Delivery puts the real attachments in place
    add_link(item_id, name, url)    a cloud attachment
    rename_folder, delete_folder    by display name

All are called with the world's lock held, as `Backend` says.
"""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from sandbox import mail
from sandbox.microsoft.delta import Links
from sandbox.microsoft.rules import Rules
from sandbox.microsoft.service import service_of, tenant_of
from sandbox.microsoft.store import Folder, Store, Stored
from sandbox.microsoft.subscriptions import Announcer
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.wire import GraphError, Json
from sandbox.world import Item, Missing, Rule, World

PLACES = {
    "inbox": "inbox",
    "sent": "sentitems",
    "junk": "junkemail",
    "trash": "deleteditems",
    "drafts": "drafts",
    "archive": "archive",
}
_NAMES = {known: place for place, known in PLACES.items()}


class Mailbox:
    """One person's mailbox."""

    def __init__(self, world: World, address: str, name: str) -> None:
        self.world = world
        self.address = address.lower()
        self.name = name
        self.oid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"user {self.address}"))
        self.tenant = tenant_of(self.address)
        self.switches = Switches(world)
        self.store = Store(world, self.address, self.switches)
        self.rules = Rules(self.store)
        self.links = Links()
        self.categories: dict[str, tuple[str, str]] = {}  # master list: id -> name, colour
        self.running = 0  # requests under way
        self.recent: deque[datetime] = deque()
        self.service = service_of(world)
        self.announcer = Announcer(self.service, self)
        self.store.listeners.append(self.announcer.changed)

    # mail that comes and goes

    def receive(self, raw: bytes, place: str = "inbox") -> str:
        """Take an arriving message; inbox rules apply to what the filter lets through."""
        target = self._folder(place)
        effects = self._effects(raw, target)
        wait = self.switches.number("graph.rule_inbox_first")
        landing = target if wait > 0 else self._landing(effects, target)
        message = self.store.put(raw, landing)
        self._scan(message)
        self._mark(message, effects)
        if wait > 0 and effects:
            self._later(wait, lambda: self._follow(message, effects))
        return self.store.id_of(message, immutable=True)

    def _effects(self, raw: bytes, target: Folder) -> list[Json]:
        if target.well_known != "inbox" or not self.rules.rules:
            return []
        return self.rules.effects(Stored(0, raw, target.id, self.world.now()))

    def _landing(self, effects: Sequence[Json], default: Folder) -> Folder:
        for actions in effects:
            if actions.get("delete"):
                return self.store.known("deleteditems")
            folder = self.rules.target(actions.get("moveToFolder") or "")
            if folder is not None:
                return folder
        return default

    def _mark(self, message: Stored, effects: Sequence[Json]) -> None:
        for actions in effects:
            message.categories += actions.get("assignCategories") or []
            message.read = message.read or bool(actions.get("markAsRead"))
            folder = self.rules.target(actions.get("copyToFolder") or "")
            if folder is not None:
                self.store.copy(message, folder)

    def _follow(self, message: Stored, effects: Sequence[Json]) -> None:
        here = self.store.folders[message.folder]
        if message.number in self.store.messages and here.well_known == "inbox":
            self.store.move(message, self._landing(effects, here))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        def run() -> None:
            with self.world.lock:
                person = self.world.people.get(self.address)
                if person is not None and person.backend is self:
                    act()

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        timer.start()

    def _scan(self, message: Stored) -> None:
        """Dynamic Delivery: attachments come later, if the message is still in the Inbox then."""
        seconds = self.switches.number("graph.dynamic_delivery")
        if seconds <= 0 or all(part.inline for part in message.parsed.parts):
            return
        message.placeholder = self.switches.text("graph.placeholder_name")
        self._later(seconds, lambda: self._scanned(message))

    def _scanned(self, message: Stored) -> None:
        live = message.number in self.store.messages and message.placeholder
        if live and self.store.folders[message.folder].well_known == "inbox":
            message.placeholder = ""
            self.store.touch(message)

    def send(self, raw: bytes, label: str | None = None) -> str:
        """As Outlook does: a Sent copy that keeps Bcc, with a category if given; then delivery."""
        if not mail.message_id(raw):
            made = f"<{uuid.uuid4().hex[:24]}@{self.address.partition('@')[2]}>"
            raw = mail.with_headers(raw, [("Message-ID", made)])
        first = "outbox" if self.switches.on("graph.send_through_outbox") else "sentitems"
        message = self.store.put(raw, self.store.known(first), read=True, sent=True)
        if label:
            message.categories.append(label)
        return self.finish_send(message)

    def finish_send(self, message: Stored, keep: bool = True) -> str:
        """Out of the Outbox: to Sent Items (`keep`) or nowhere, and to the recipients."""
        message.draft, message.sent, message.read = False, True, True
        message.received = self.world.now()
        self.store.move(message, self.store.known("sentitems"))
        key = self.store.id_of(message, immutable=True)
        if not keep:
            self.store.purge(message)
        self.world.post(message.raw)
        return key

    # what a person sees and does

    def _folder(self, place: str) -> Folder:
        return self.store.known(PLACES[place]) if place in PLACES else self._named(place)

    def _named(self, name: str, make: bool = False) -> Folder:
        for folder in self.store.folders.values():
            if folder.name.lower() == name.lower() and folder.parent:
                return folder
        if not make:
            raise Missing(f"no folder {name}")
        return self.store.make_folder(name, self.store.known("msgfolderroot"))

    def _message(self, item_id: str) -> Stored:
        try:
            return self.store.message(item_id)
        except GraphError:
            raise Missing(f"no message {item_id}") from None

    def items(self) -> list[Item]:
        found = sorted(self.store.messages.values(), key=lambda m: (m.received, m.number))
        return [self._item(message) for message in found]

    def _item(self, message: Stored) -> Item:
        folder = self.store.folders[message.folder]
        return Item(
            self.store.id_of(message, immutable=True),
            _NAMES.get(folder.well_known, folder.name),
            tuple(message.categories),
            message.raw,
            message.read,
            message.received,
        )

    def folders(self) -> list[str]:
        own = [
            f for f in self.store.folders.values() if f.parent and f.well_known != "msgfolderroot"
        ]
        return [_NAMES.get(folder.well_known, folder.name) for folder in own]

    def move(self, item_id: str, to: str) -> str:
        message = self._message(item_id)
        folder = self._folder(to) if to in PLACES else self._named(to, make=True)
        self.store.move(message, folder)
        return self.store.id_of(message, immutable=True)

    def label(self, item_id: str, name: str, on: bool = True) -> None:
        message = self._message(item_id)
        kept = [category for category in message.categories if category != name]
        self.set_categories(item_id, [*kept, name] if on else kept)

    def set_categories(self, item_id: str, names: Sequence[str]) -> None:
        message = self._message(item_id)
        message.categories = list(names)
        self.store.touch(message)

    def mark_read(self, item_id: str, read: bool = True) -> None:
        message = self._message(item_id)
        message.read = read
        self.store.touch(message, "read")

    def delete(self, item_id: str) -> None:
        self.store.purge(self._message(item_id))

    def add_link(self, item_id: str, name: str, url: str) -> None:
        message = self._message(item_id)
        message.links.append({"name": name, "url": url})
        self.store.touch(message)

    def finish_scan(self) -> None:
        for message in list(self.store.messages.values()):
            self._scanned(message)

    def rename_folder(self, name: str, to: str) -> None:
        self._named(name).name = to

    def delete_folder(self, name: str) -> None:
        self.store.drop_folder(self._named(name))

    # rules

    def add_rule(self, rule: Rule) -> str:
        """Add or replace by name; "inbox" and the like are folders too."""
        self.rules.rules = [old for old in self.rules.rules if old.name != rule.name]
        target = rule.target_folder
        folder = self._folder(target) if target in PLACES else self._named(target, make=True)
        alias = self.switches.on("graph.rule_folder_alias")
        action = "copyToFolder" if rule.copy else "moveToFolder"
        conditions: Json = {"senderContains": [rule.from_contains]} if rule.from_contains else {}
        actions = {action: folder.alias if alias else folder.id, "stopProcessingRules": True}
        added = self.rules.add(rule.name, conditions, actions)
        added.enabled = rule.enabled
        return added.id

    def add_read_only_rule(self, rule: Rule) -> str:
        key = self.add_rule(rule)
        self.rules.find(key).read_only = True
        return key

    # switches and accidents

    def set_switch(self, name: str, value: object) -> None:
        self.switches.set(name, value)

    def cut(self, cause: str) -> None:
        """ "password", "consent", "sessions", "tokens" or "history"; raises Missing for others."""
        causes: dict[str, Callable[[], None]] = {
            "password": self.change_password,
            "consent": self.revoke_consent,
            "sessions": self.revoke_sessions,
            "tokens": self.expire_tokens,
            "history": self.expire_delta,
        }
        if cause not in causes:
            raise Missing(f"cause is one of {', '.join(causes)}")
        causes[cause]()

    def change_password(self) -> None:
        """Exchange removes the subscriptions; a confidential client's tokens survive."""
        self.announcer.lifecycle("subscriptionRemoved")

    def revoke_consent(self) -> None:
        ends = self.switches.on("entra.consent_ends_tokens")
        self.service.revoke(self.address, "65001", ends)

    def revoke_sessions(self) -> None:
        self.service.revoke(self.address, "50173", self.switches.on("entra.consent_ends_tokens"))

    def expire_tokens(self) -> None:
        self.service.expire_access(self.address)

    def expire_delta(self) -> None:
        self.links.expire()

    def silence(self) -> None:
        self.announcer.silence()

    def fill(self, name: str, count: int, received: datetime) -> None:
        """Many small messages at once into a folder of this name, received then, as if they had
        always been there: nobody is told of them."""
        folder = self._named(name, make=True)
        self.store.fill(folder, count, received)

    def move_folder(self, name: str, to: str) -> None:
        """Into another folder, by name or place."""
        self._named(name).parent = self._folder(to).id

    def delete_rule(self, name: str) -> None:
        self.rules.rules = [rule for rule in self.rules.rules if rule.name != name]

    def lifecycle(self, kind: str) -> None:
        self.announcer.lifecycle(kind)


def new_backend(world: World, address: str, name: str) -> Mailbox:
    """A mailbox of the pretend Microsoft 365 for `address`; the caller puts it into the world."""
    return Mailbox(world, address, name)
