"""A small Graph mailbox on a scripted server: folders, rules, pages of changes, subscriptions."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infra.settings import Settings
from providers.graph.client import GraphClient
from tests.providers.graph_stub import Asked, Reply, Stub

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TREE = {  # id: (name, parent)
    "ROOT": ("Top", "HIDDEN"),
    "IN": ("Posteingang", "ROOT"),
    "SENT": ("Gesendet", "ROOT"),
    "JUNK": ("Junk", "ROOT"),
    "BIN": ("Papierkorb", "ROOT"),
    "DRAFT": ("Entwürfe", "ROOT"),
    "OUT": ("Postausgang", "ROOT"),
    "CUST": ("Customers", "IN"),
    "GLOBEX": ("Globex", "CUST"),
    "OLD": ("Old", "BIN"),
    "OLDER": ("Older", "OLD"),
    "SPAM": ("Spam", "JUNK"),
}
NAMES = {
    "msgfolderroot": "ROOT",
    "inbox": "IN",
    "sentitems": "SENT",
    "junkemail": "JUNK",
    "deleteditems": "BIN",
    "drafts": "DRAFT",
    "outbox": "OUT",
    "CUST-alias": "CUST",
}


class Token:
    def token(self, fresh: bool = False) -> str:
        return "t"


@dataclass
class Mailbox:
    """Answers of a small mailbox; tests put pages of changes and rules into it."""

    stub: Stub
    rules: list = field(default_factory=list)
    pages: dict[str, Reply] = field(default_factory=dict)  # by the token of a delta link
    listing: list[list[dict]] = field(default_factory=lambda: [[]])
    messages: dict[str, dict] = field(default_factory=dict)
    subscriptions: dict[str, dict] = field(default_factory=dict)
    refusals: list[Reply] = field(default_factory=list)  # of the next requests for subscriptions
    made: int = 0

    def answer(self, asked: Asked) -> Reply:
        path, _, query = asked.path.removeprefix("/v1.0").removeprefix("/me").partition("?")
        if path.startswith("/subscriptions"):
            return self._subscription(asked, path.removeprefix("/subscriptions").strip("/"))
        if "/messages/delta" in path:
            return self._delta(path.split("/")[2], query)
        if path.endswith("/messageRules"):
            return Reply(200, {"value": self.rules})
        if path.endswith("/messages"):
            folder = path.split("/")[2] if path.startswith("/mailFolders/") else "IN"
            return (
                missing()
                if folder not in TREE
                else self._list(int(query.partition("page=")[2] or 0))
            )
        if path.startswith("/mailFolders/"):
            return self._folder(*path.split("/")[2:])
        if path.startswith("/messages/"):
            found = self.messages.get(path.split("/")[2])
            return Reply(200, found) if found else missing()
        raise AssertionError(path)

    def _folder(self, name: str, below: str = "") -> Reply:
        found = NAMES.get(name, name)
        if found not in TREE:
            return missing()
        if below:
            assert below == "childFolders", below
            return self._children(found)
        title, parent = TREE[found]
        return Reply(200, {"id": found, "displayName": title, "parentFolderId": parent})

    def _children(self, above: str) -> Reply:
        parents = [parent for _, parent in TREE.values()]
        below = [
            {"id": each, "displayName": title, "childFolderCount": parents.count(each)}
            for each, (title, parent) in TREE.items()
            if parent == above
        ]
        return Reply(200, {"value": below})

    def _delta(self, folder: str, query: str) -> Reply:
        token = query.partition("$deltatoken=")[2]
        if not token:
            return self.pages.get(f"{folder}:first") or self.end(folder, "0")
        return self.pages.get(token) or self.end(folder, token)

    def _list(self, number: int) -> Reply:
        body = {"value": self.listing[number]}
        if number + 1 < len(self.listing):
            body["@odata.nextLink"] = f"{self.stub.url}/me/messages?page={number + 1}"
        return Reply(200, body)

    def _subscription(self, asked: Asked, name: str) -> Reply:
        if self.refusals:
            return self.refusals.pop(0)
        if asked.method == "POST":
            return self._subscribe(asked.body)
        if not name:
            return Reply(
                200, {"value": [one | {"clientState": None} for one in self.subscriptions.values()]}
            )
        if name not in self.subscriptions:
            return Reply(404, {"error": {"code": "ResourceNotFound", "message": "x"}})
        if asked.method == "DELETE":
            del self.subscriptions[name]
            return Reply(204)
        self.subscriptions[name] |= asked.body
        return Reply(200, self.subscriptions[name])

    def _subscribe(self, body: dict) -> Reply:
        same = (body["resource"], body["changeType"])
        if same in {(one["resource"], one["changeType"]) for one in self.subscriptions.values()}:
            return Reply(409, {"error": {"code": "Conflict", "message": "x"}})
        self.made += 1
        made = {**body, "id": f"s{self.made}"}
        self.subscriptions[made["id"]] = made
        return Reply(201, made)

    def link(self, folder: str, token: str) -> str:
        return f"{self.stub.url}/me/mailFolders/{folder}/messages/delta?$deltatoken={token}"

    def end(self, folder: str, token: str, *items: dict) -> Reply:
        return Reply(200, {"value": list(items), "@odata.deltaLink": self.link(folder, token)})

    def more(self, folder: str, token: str, *items: dict) -> Reply:
        return Reply(200, {"value": list(items), "@odata.nextLink": self.link(folder, token)})

    @property
    def client(self) -> GraphClient:
        settings = Settings(graph_api_url=self.stub.url, public_url="http://127.0.0.1:8080")
        return GraphClient(Token(), settings, clock=lambda: NOW)

    def cursor(self, **places: str) -> str:
        return json.dumps(
            {
                folder: {"place": place, "link": self.link(folder, f"{folder}1")}
                for folder, place in places.items()
            }
        )

    def asked(self, part: str) -> list[Asked]:
        return [one for one in self.stub.asked if part in one.path]


def missing() -> Reply:
    return Reply(404, {"error": {"code": "ErrorItemNotFound", "message": "x"}})


def rule(name: str, *, enabled: bool = True, error: bool = False, **actions) -> dict:
    return {
        "id": name, "displayName": name, "sequence": 1, "isEnabled": enabled, "hasError": error,
        "isReadOnly": False, "actions": actions,
    }  # fmt: skip


def mail(number: int, folder: str = "IN", **more) -> dict:
    return {
        "id": f"m{number}", "parentFolderId": folder, "conversationId": "c",
        "internetMessageId": f"<{number}@x>", "receivedDateTime": "2026-03-02T09:00:00Z",
        "isDraft": False, "categories": [], "subject": "S",
        "internetMessageHeaders": [
            {"name": "From", "value": "Gina <gina@globex.test>"},
            {"name": "Message-ID", "value": f"<{number}@x>"},
        ],
        **more,
    }  # fmt: skip
