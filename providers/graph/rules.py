"""Inbox rules of one mailbox: where they put mail, and which of them Graph does not show."""

from collections.abc import Iterator

from crm.model import Dropped
from providers.graph.errors import About
from providers.graph.requests import Requests
from providers.graph.transport import Json, Transport

ACTIONS = ("moveToFolder", "copyToFolder")


class Rules:
    """The rules as they were read last."""

    def __init__(self, transport: Transport, requests: Requests) -> None:
        self._transport = transport
        self._requests = requests
        self._rules: list[Json] = []

    def targets(self) -> dict[str, str]:
        """Reads the rules. Folders into which enabled rules move or copy mail, by an id of theirs,
        and the name of the first such rule. One that has an error counts too: following a folder
        too many costs little, a reply that lies in one not followed is lost."""
        rules = self._transport.all_values(self._requests.rules(), About.MAILBOX)
        self._rules = sorted(rules, key=lambda rule: rule.get("sequence") or 0)
        found: dict[str, str] = {}
        for rule in self._rules:
            for target in _targets(rule):
                found.setdefault(target, name_of(rule))
        return found

    def hidden(self) -> list[str]:
        """Names of enabled rules that come without actions: Graph leaves them out of a read-only
        rule, one with something in it that Graph does not know."""
        return [name_of(rule) for rule in self._rules if _is_on(rule) and _is_hidden(rule)]

    def dropped(self, name: str) -> Dropped:
        """Why the rule of this name fills its folder no more, where the folder is still there."""
        named = [rule for rule in self._rules if name_of(rule) == name]
        if not named:
            return Dropped.RULE_GONE
        on = [rule for rule in named if _is_on(rule)]
        if not on:
            return Dropped.RULE_OFF
        return Dropped.RULE_HIDDEN if any(map(_is_hidden, on)) else Dropped.RULE_CHANGED


def name_of(rule: Json) -> str:
    return rule.get("displayName") or ""


def _is_on(rule: Json) -> bool:
    return bool(rule.get("isEnabled"))


def _is_hidden(rule: Json) -> bool:
    return bool(rule.get("isReadOnly")) and not rule.get("actions")


def _targets(rule: Json) -> Iterator[str]:
    actions = rule.get("actions") or {}
    if _is_on(rule):
        yield from (actions[action] for action in ACTIONS if actions.get(action))
