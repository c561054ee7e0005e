"""Which folders are followed (rule `folder`), and what a folder id says of a message's place."""

from collections.abc import Iterable, Iterator, Sequence, Set

from crm.model import Dropped, Folder, Place
from providers.graph.by_hand import Tree
from providers.graph.errors import About, NotThere, UnexpectedAnswer
from providers.graph.requests import Requests
from providers.graph.rules import Rules
from providers.graph.transport import Json, Transport

WELL_KNOWN = {
    "inbox": Place.FOLLOWED,
    "sentitems": Place.SENT,
    "junkemail": Place.JUNK,
    "deleteditems": Place.TRASH,
    "drafts": Place.DRAFT,
    "outbox": Place.DRAFT,
    "scheduled": Place.DRAFT,
    "msgfolderroot": Place.ELSEWHERE,
}
REACHES_DOWN = frozenset({Place.JUNK, Place.TRASH, Place.DRAFT})  # holds for folders below, too
PLACES = {
    "inbox": Place.FOLLOWED,
    "rule": Place.FOLLOWED,
    "hand": Place.FOLLOWED,
    "sent": Place.SENT,
    "junk": Place.JUNK,
}


class Folders:
    """Folders of one mailbox. Well-known ids never change and are read once; rules every time."""

    def __init__(self, transport: Transport, requests: Requests) -> None:
        self._transport = transport
        self._requests = requests
        self._tree = Tree(transport, requests)
        self._rules = Rules(transport, requests)
        self._by_hand: tuple[str, ...] = ()
        self._well_known: dict[str, Json] = {}  # by well-known name
        self._places: dict[str, Place] = {}  # by folder id, as far as it was asked for
        self._learned = False  # whether `_places` knows all folders that are followed

    def follow_by_hand(self, names: Sequence[str]) -> None:
        """Names or paths of folders that are followed as well, from now on."""
        self._by_hand = tuple(names)

    def followed(self) -> list[Folder]:
        """Inbox, folders of enabled rules, those by hand, Sent Items, Junk Email, in this order."""
        special = self._special()
        folders = [_folder(special["inbox"], "inbox"), *self._of_rules()]
        folders += self._of_hands({folder.id for folder in folders})
        for name, reason in (("sentitems", "sent"), ("junkemail", "junk")):
            if name in special:
                folders.append(_folder(special[name], reason))
        self.learn({folder.id: PLACES[folder.reason] for folder in folders})
        return folders

    def learn(self, places: dict[str, Place]) -> None:
        """`places` are all folders that are followed now; what was thought before is forgotten."""
        self._places = dict(places)
        self._learned = True

    def place(self, folder: str) -> Place:
        """The place of messages in `folder`. Asks Graph for folders it does not know yet."""
        if not self._learned:
            self.followed()
        if folder not in self._places:
            self._places[folder] = self._look_up(folder)
        return self._places[folder]

    def _look_up(self, folder: str) -> Place:
        by_id = self._places_by_id()
        if folder in by_id:
            return by_id[folder]
        above = [by_id.get(one, Place.ELSEWHERE) for one in self._ancestors(folder)]
        return next((place for place in above if place in REACHES_DOWN), Place.ELSEWHERE)

    def _of_rules(self) -> list[Folder]:
        """Targets of enabled rules that exist, each once and named for its first rule."""
        targets = self._rules.targets()
        found = self._get(targets)
        special = self._places_by_id()
        folders: dict[str, Folder] = {}
        for target, rule_name in targets.items():
            folder = found.get(target)
            if folder and folder["id"] not in special and not self._is_below_junk(folder):
                folders.setdefault(folder["id"], _folder(folder, "rule", rule_name))
        return list(folders.values())

    def dropped(self, folder: Folder) -> Dropped:
        """Why `folder` is not followed any more; asks Graph what became of it."""
        found = self._get([folder.id]).get(folder.id)
        if found is None:
            return Dropped.FOLDER_GONE
        by_id = self._places_by_id()
        above = {by_id.get(one) for one in self._above(found, by_id)} | {by_id.get(found["id"])}
        if Place.TRASH in above:
            return Dropped.FOLDER_GONE
        if Place.JUNK in above:
            return Dropped.FOLDER_JUNK
        return Dropped.SETTING if folder.reason == "hand" else self._rules.dropped(folder.rule_name)

    def hidden_rules(self) -> list[str]:
        """Enabled rules whose actions Graph does not show, as they were read last."""
        return self._rules.hidden()

    def _of_hands(self, known: Set[str]) -> list[Folder]:
        if not self._by_hand:
            return []
        by_id = self._places_by_id()
        shut = {each for each, place in by_id.items() if place in REACHES_DOWN}
        return [
            _folder(folder, "hand")
            for folder in self._tree.named(self._by_hand, shut)
            if folder["id"] not in by_id and folder["id"] not in known
        ]

    def _is_below_junk(self, folder: Json) -> bool:
        by_id = self._places_by_id()
        return any(by_id.get(one) in REACHES_DOWN for one in self._above(folder, by_id))

    def _ancestors(self, folder: str) -> Iterator[str]:
        found = self._get([folder]).get(folder)
        return self._above(found, self._places_by_id()) if found else iter(())

    def _above(self, folder: Json, known: dict[str, Place]) -> Iterator[str]:
        """Ids of the folders above `folder`, nearest first, until one that is well known."""
        passed = {folder["id"]}
        while True:
            parent = folder.get("parentFolderId") or ""
            if not parent or parent in passed:
                return
            yield parent
            passed.add(parent)
            above = None if parent in known else self._get([parent]).get(parent)
            if above is None:
                return
            folder = above

    def _special(self) -> dict[str, Json]:
        if not self._well_known:
            self._well_known = self._get(WELL_KNOWN)
            if "inbox" not in self._well_known:
                raise UnexpectedAnswer("a mailbox without an Inbox")
        return self._well_known

    def _places_by_id(self) -> dict[str, Place]:
        return {folder["id"]: WELL_KNOWN[name] for name, folder in self._special().items()}

    def _get(self, names: Iterable[str]) -> dict[str, Json]:
        """Folders by the id or name they were asked for; those that do not exist are left out."""
        asked = list(names)
        answers = self._transport.batch(
            [self._requests.folder(name) for name in asked], About.FOLDER
        )
        found: dict[str, Json] = {}
        for name, answer in zip(asked, answers, strict=True):
            if isinstance(answer, NotThere):
                continue
            if isinstance(answer, Exception):
                raise answer
            found[name] = answer
        return found


def _folder(found: Json, reason: str, rule_name: str = "") -> Folder:
    return Folder(found["id"], found.get("displayName") or "", reason, rule_name)
