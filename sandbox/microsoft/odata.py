"""The part of OData that Graph's mail understands: $select, $expand, $filter, $orderby.

What Exchange refuses is refused: unknown properties, and a $orderby that the $filter does not
begin with ("InefficientFilter").
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sandbox.microsoft.wire import GraphError, Json, bad_request, read_time

Test: TypeAlias = Callable[[Json], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[\w./@:+-]+)|(?P<sign>[(),]))", re.UNICODE
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and bool(a > b),
    "ge": lambda a, b: a is not None and bool(a >= b),
    "lt": lambda a, b: a is not None and bool(a < b),
    "le": lambda a, b: a is not None and bool(a <= b),
}
_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "startswith": lambda a, b: a.lower().startswith(b.lower()),
    "contains": lambda a, b: b.lower() in a.lower(),
    "endswith": lambda a, b: a.lower().endswith(b.lower()),
}


def parse_error(message: str) -> GraphError:
    return bad_request(message, "RequestBroker--ParseUri")


def split(text: str, separator: str = ",") -> list[str]:
    """At separators outside of parentheses and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if letter == separator and depth == 0:
                parts.append(text[start:place])
                start = place + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def select(text: str, known: dict[str, str], kind: str) -> list[str]:
    """The names in $select as Graph writes them (`known`: lower case -> name); [] = all."""
    names = []
    for name in split(text):
        if name.lower() not in known:
            raise parse_error(f"Could not find a property named '{name}' on type '{kind}'.")
        names.append(known[name.lower()])
    return names


@dataclass(frozen=True)
class Expand:
    name: str
    options: dict[str, str] = field(default_factory=dict)  # "select", "filter", "expand", "top"


def expand(text: str) -> list[Expand]:
    """The parts of $expand with their own options."""
    found = []
    for part in split(text):
        name, bracket, rest = part.partition("(")
        options = {}
        for option in split(rest.removesuffix(")"), ";") if bracket else []:
            key, _, value = option.partition("=")
            options[key.strip().lstrip("$").lower()] = value.strip()
        found.append(Expand(name.strip(), options))
    return found


def value_of(item: Json, path: str) -> Any:
    """A property by its path ("from/emailAddress/address"); raises GraphError 400 when unknown."""
    value: Any = item
    for step in path.split("/"):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise parse_error(f"Could not find a property named '{step}'.")
        matches = [key for key in value if key.lower() == step.lower()]
        if not matches:
            raise parse_error(f"Could not find a property named '{step}'.")
        value = value[matches[0]]
    if isinstance(value, str) and path.lower().endswith("datetime"):
        return read_time(value)
    return value.lower() if isinstance(value, str) and "address" in path.lower() else value


class _Parser:
    """Recursive descent over `a op b`, functions, any(), not, and, or, parentheses."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        self.properties: list[str] = []  # in order of their first use
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if not found:
                raise parse_error(f"Syntax error at position {place} in '{text}'.")
            self.tokens.append(found.group().strip())
            place = found.end()
        self.at = 0
        self.text = text

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token.lower() != expected):
            raise parse_error(f"Syntax error at position {self.at} in '{self.text}'.")
        self.at += 1
        return token

    def either(self) -> Test:
        tests = [self.both()]
        while self.peek().lower() == "or":
            self.take()
            tests.append(self.both())
        return lambda item: any(test(item) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.peek().lower() == "and":
            self.take()
            tests.append(self.one())
        return lambda item: all(test(item) for test in tests)

    def one(self) -> Test:
        token = self.take()
        if token.lower() == "not":
            inner = self.one()
            return lambda item: not inner(item)
        if token == "(":
            inner = self.either()
            self.take(")")
            return inner
        if token.lower() in _FUNCTIONS and self.peek() == "(":
            return self.function(_FUNCTIONS[token.lower()])
        if token.lower().endswith("/any") and self.peek() == "(":
            return self.any_of(token[:-4])
        return self.comparison(token)

    def name(self, path: str) -> str:
        self.properties.append(path)
        return path

    def function(self, call: Callable[[str, str], bool]) -> Test:
        self.take("(")
        path = self.name(self.take())
        self.take(",")
        wanted = literal(self.take())
        self.take(")")
        return lambda item: call(str(value_of(item, path) or ""), str(wanted))

    def any_of(self, path: str) -> Test:
        self.name(path)
        self.take("(")
        self.take()
        self.take("eq")
        wanted = literal(self.take())
        self.take(")")
        return lambda item: wanted in (value_of(item, path) or [])

    def comparison(self, path: str) -> Test:
        self.name(path)
        operator = self.take().lower()
        if operator not in _COMPARE:
            raise parse_error(f"Syntax error: '{operator}' is not a comparison.")
        wanted = literal(self.take())
        if path.lower().endswith("datetime") and not isinstance(wanted, datetime):
            raise parse_error(
                "A binary operator with incompatible types was detected. Found operand types "
                "'Edm.DateTimeOffset' and 'Edm.String'."
            )
        if isinstance(wanted, str) and "address" in path.lower():
            wanted = wanted.lower()
        return lambda item: _COMPARE[operator](value_of(item, path), wanted)


def literal(token: str) -> Any:
    """A value in a filter: quoted text, true, false, null, a number or a bare time."""
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    constants = {"true": True, "false": False, "null": None}
    if token.lower() in constants:
        return constants[token.lower()]
    if token.isdigit():
        return int(token)
    try:
        return read_time(token)
    except ValueError:
        raise parse_error(f"Unrecognised literal '{token}'.") from None


@dataclass(frozen=True)
class Filter:
    test: Test
    properties: tuple[str, ...]


def read_filter(text: str) -> Filter:
    """A $filter; raises GraphError 400. An empty one lets everything through."""
    if not text.strip():
        return Filter(lambda _: True, ())
    parser = _Parser(text)
    test = parser.either()
    if parser.peek():
        raise parse_error(f"Syntax error at position {parser.at} in '{text}'.")
    return Filter(test, tuple(name.lower() for name in parser.properties))


def paths_of(orderby: str) -> list[str]:
    """The properties of an $orderby, in lower case."""
    return [part.split()[0].lower() for part in split(orderby)]


def order(items: list[Json], text: str, kept: Filter) -> list[Json]:
    """Sorted by $orderby, whose properties must lead the $filter in the same order, if there is one."""
    wanted = [part.split() for part in split(text)]
    names = paths_of(text)
    if names and kept.properties:
        leading = list(dict.fromkeys(kept.properties))[: len(names)]
        if leading != names:
            message = "The restriction or sort order is too complex for this operation."
            raise bad_request(message, "InefficientFilter")
    for words in reversed(wanted):
        down = len(words) > 1 and words[1].lower() == "desc"
        items = sorted(items, key=_by(words[0]), reverse=down)
    return items


def _by(path: str) -> Callable[[Json], tuple[bool, Any]]:
    def rank(item: Json) -> tuple[bool, Any]:
        value = value_of(item, path)
        return (value is not None, "" if value is None else value)

    return rank
