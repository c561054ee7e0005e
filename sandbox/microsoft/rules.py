"""Inbox rules: what Graph shows of them, and what they do to arriving mail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.microsoft.store import Folder, Store, Stored
from sandbox.microsoft.wire import Call, GraphError, Json, bad_request, not_found

_TESTS: dict[str, Callable[[Stored, Any], bool]] = {
    "senderContains": lambda m, v: any(_has(_addresses(m, "from"), x) for x in v),
    "fromAddresses": lambda m, v: any(_has(_addresses(m, "from"), _address(x)) for x in v),
    "subjectContains": lambda m, v: any(_has(m.parsed.subject, x) for x in v),
    "bodyContains": lambda m, v: any(_has(m.parsed.plain, x) for x in v),
    "bodyOrSubjectContains": lambda m, v: any(
        _has(m.parsed.subject + m.parsed.plain, x) for x in v
    ),
    "recipientContains": lambda m, v: any(_has(_addresses(m, "to", "cc"), x) for x in v),
    "sentToAddresses": lambda m, v: any(_has(_addresses(m, "to", "cc"), _address(x)) for x in v),
    "hasAttachments": lambda m, v: bool(m.parsed.parts) == v,
    "headerContains": lambda m, v: any(_has(_headers(m), x) for x in v),
    "isAutomaticReply": lambda m, v: ("auto-replied" in m.parsed.header("Auto-Submitted")) == v,
}
_ACTIONS = {
    "moveToFolder", "copyToFolder", "delete", "permanentDelete", "assignCategories", "markAsRead",
    "markImportance", "stopProcessingRules", "forwardTo", "redirectTo", "forwardAsAttachmentTo",
}  # fmt: skip


@dataclass
class InboxRule:
    """`read_only`: uses something Graph does not know, so it shows neither conditions nor actions."""

    id: str
    name: str
    sequence: int
    conditions: Json = field(default_factory=dict)
    actions: Json = field(default_factory=dict)
    exceptions: Json = field(default_factory=dict)
    enabled: bool = True
    read_only: bool = False
    error: bool = False


def _has(text: str, wanted: str) -> bool:
    return wanted.lower() in text.lower()


def _address(recipient: Json) -> str:
    return str(recipient.get("emailAddress", {}).get("address", ""))


def _addresses(message: Stored, *fields: str) -> str:
    pairs = [pair for name in fields for pair in message.parsed.addresses[name]]
    return " ".join(f"{name} {address}" for name, address in pairs)


def _headers(message: Stored) -> str:
    return "\n".join(f"{name}: {value}" for name, value in message.parsed.headers)


class Rules:
    """The inbox rules of one mailbox, in their sequence."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rules: list[InboxRule] = []
        self._last = 0

    def add(self, name: str, conditions: Json, actions: Json) -> InboxRule:
        self._last += 1
        sequence = max((rule.sequence for rule in self.rules), default=0) + 1
        rule = InboxRule(f"AQAAA{self._last:07d}=", name, sequence, conditions, actions)
        self.rules.append(rule)
        return rule

    def find(self, key: str) -> InboxRule:
        for rule in self.rules:
            if rule.id == key:
                return rule
        raise not_found()

    def target(self, key: str) -> Folder | None:
        """A rule's folder; None when it is gone or on its way out."""
        try:
            folder = self.store.folder(key)
        except GraphError:
            return None
        return None if self.store.under(folder, "deleteditems") else folder

    def effects(self, message: Stored) -> list[Json]:
        """Actions of the rules that match an arriving message, in order."""
        found = []
        for rule in sorted(self.rules, key=lambda r: r.sequence):
            if not rule.enabled or rule.error or not self._matches(rule, message):
                continue
            found.append(rule.actions)
            if rule.actions.get("stopProcessingRules"):
                break
        return found

    def _matches(self, rule: InboxRule, message: Stored) -> bool:
        def holds(predicates: Json) -> list[bool]:
            known = [(n, v) for n, v in predicates.items() if n in _TESTS and v is not None]
            return [_TESTS[name](message, value) for name, value in known]

        return all(holds(rule.conditions)) and not any(holds(rule.exceptions))

    # Graph's view

    def show(self, rule: InboxRule) -> Json:
        gone = [rule.actions[n] for n in ("moveToFolder", "copyToFolder") if rule.actions.get(n)]
        shown: Json = {
            "id": rule.id,
            "displayName": rule.name,
            "sequence": rule.sequence,
            "isEnabled": rule.enabled,
            "hasError": rule.error or any(self.target(key) is None for key in gone),
            "isReadOnly": rule.read_only,
        }
        if not rule.read_only:
            shown["conditions"] = rule.conditions or None
            shown["actions"] = rule.actions
            if rule.exceptions:
                shown["exceptions"] = rule.exceptions
        return shown

    def create(self, call: Call) -> Json:
        body = call.json()
        if not body.get("displayName") or not body.get("actions"):
            raise bad_request("displayName and actions are required.", "ErrorInvalidRequest")
        _check(body)
        rule = self.add(body["displayName"], body.get("conditions") or {}, body["actions"])
        self._apply(rule, body)
        return self.show(rule)

    def change(self, rule: InboxRule, call: Call) -> Json:
        if rule.read_only:
            text = "The rule is read-only and cannot be modified."
            raise bad_request(text, "ErrorInvalidRequest")
        body = call.json()
        _check(body)
        self._apply(rule, body)
        return self.show(rule)

    def _apply(self, rule: InboxRule, body: Json) -> None:
        names = {
            "displayName": "name",
            "sequence": "sequence",
            "isEnabled": "enabled",
            "conditions": "conditions",
            "actions": "actions",
            "exceptions": "exceptions",
        }
        for key, attribute in names.items():
            if key in body:
                setattr(rule, attribute, body[key] if body[key] is not None else {})


def _check(body: Json) -> None:
    actions: dict[str, Any] = body.get("actions") or {}
    unknown = set(actions) - _ACTIONS
    if unknown:
        raise bad_request(f"Could not find a property named '{min(unknown)}'.")
