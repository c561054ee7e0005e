"""Gmail's search language, as far as programs use it."""

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from sandbox import mail
from sandbox.google.errors import invalid
from sandbox.google.message import GmailMessage

Test = Callable[[GmailMessage], bool]
_TOKEN = re.compile(
    r'-?[a-z0-9_]+:(?=[({"])|[(){}]|-(?=[({])|-?(?:[a-z0-9_]+:)?"[^"]*"|[^\s(){}"]+', re.IGNORECASE
)
_PACIFIC = ZoneInfo("America/Los_Angeles")
_UNITS = {"d": 86_400, "m": 30 * 86_400, "y": 365 * 86_400, "h": 3_600}
_HEADS = {
    "from": ("From",),
    "to": ("To", "Cc", "Bcc"),
    "cc": ("Cc",),
    "bcc": ("Bcc",),
    "subject": ("Subject",),
    "list": ("List-Id",),
    "deliveredto": ("Delivered-To",),
}
_PLACES = {
    "inbox": "INBOX",
    "sent": "SENT",
    "spam": "SPAM",
    "trash": "TRASH",
    "draft": "DRAFT",
    "drafts": "DRAFT",
    "unread": "UNREAD",
    "starred": "STARRED",
    "important": "IMPORTANT",
    "chats": "CHAT",
}


class Query:
    """A parsed query; `everywhere` when it names spam, trash or anywhere itself."""

    def __init__(self, text: str, now: datetime, label_ids: dict[str, str]) -> None:
        self._now = now.timestamp()
        self._labels = label_ids  # lower-case name -> id
        self._tokens = _TOKEN.findall(text)
        self.everywhere = bool(
            re.search(r"\b(in|label):(anywhere|spam|trash)\b", text, re.IGNORECASE)
        )
        self._test = self._group(None, "")
        if self._tokens:
            raise invalid("Invalid query")

    def matches(self, message: GmailMessage) -> bool:
        return self._test(message)

    def _group(self, end: str | None, operator: str) -> Test:
        """All terms up to `end`; `{}` and OR mean any, else every one must hold."""
        alternatives: list[list[Test]] = [[]]
        any_of = end == "}"
        while self._tokens:
            token = self._tokens.pop(0)
            if token == end:
                break
            if token.upper() == "OR":
                continue
            test = self._term(token, operator)
            after_or = self._tokens[:1] and self._tokens[0].upper() == "OR"
            alternatives[-1].append(test)
            if not any_of and not after_or:
                alternatives.append([])
        groups = [g for g in alternatives if g]
        if any_of:
            flat = [t for g in groups for t in g]
            return lambda m: any(t(m) for t in flat)
        return lambda m: all(any(t(m) for t in g) for g in groups)

    def _term(self, token: str, operator: str) -> Test:
        if token.startswith("-") and len(token) > 1:
            inner = self._term(token[1:], operator)
            return lambda m: not inner(m)
        if token == "-":
            inner = self._term(self._tokens.pop(0), operator)
            return lambda m: not inner(m)
        if token in "({":
            return self._group(")" if token == "(" else "}", operator)
        name, colon, value = token.partition(":")
        if not colon or not re.fullmatch(r"[a-z0-9_]+", name, re.IGNORECASE):
            return self._leaf(operator, token.strip('"'))
        if not value:
            if not self._tokens or self._tokens[0] not in "({":
                raise invalid("Invalid query")
            return self._term(self._tokens.pop(0), name.lower())
        return self._leaf(name.lower(), value.strip('"'))

    def _leaf(self, operator: str, value: str) -> Test:
        if operator in ("after", "newer", "before", "older", "newer_than", "older_than"):
            return self._time(operator, value)
        if operator in ("in", "label", "is"):
            return self._place(operator, value.lower())
        if operator == "rfc822msgid":
            return lambda m: mail.message_id(m.raw).strip("<>") == value.strip("<>")
        low = value.lower()
        if operator == "has":
            return lambda m: b"attachment" in m.raw.lower() and low == "attachment"
        names = _HEADS.get(operator, ())
        if operator:  # Gmail finds nothing for an operator it does not know
            return lambda m: any(low in mail.header(m.raw, n).lower() for n in names)
        return lambda m: low in m.searchable

    def _time(self, operator: str, value: str) -> Test:
        if operator.endswith("_than"):
            found = re.fullmatch(r"(\d+)([dmyh])", value)
            if not found:
                return lambda _: False
            edge = self._now - int(found[1]) * _UNITS[found[2]]
        elif value.isdigit() and len(value) > 4:
            edge = float(value)
        else:
            edge = _midnight(value)
        later = operator in ("after", "newer", "newer_than")
        return lambda m: (m.internal_date >= edge * 1000) == later

    def _place(self, operator: str, value: str) -> Test:
        if operator == "is" and value == "read":
            return lambda m: "UNREAD" not in m.labels
        if value == "anywhere":
            return lambda _: True
        label = (
            _PLACES.get(value)
            or self._labels.get(value.replace("-", " "))
            or self._labels.get(value)
        )
        return lambda m: label in m.labels


def _midnight(value: str) -> float:
    for shape in ("%Y/%m/%d", "%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(value, shape).replace(tzinfo=_PACIFIC).timestamp()
        except ValueError:
            continue
    return 0.0
