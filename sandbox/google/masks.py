"""Partial answers: the `fields` parameter of Google's APIs."""

import re

from sandbox.google.errors import GoogleError, invalid

Mask = dict[str, "Mask"]  # name -> mask below it; empty = all of it
_TOKEN = re.compile(r"[A-Za-z0-9_]+|[,/()*]")


def parse(text: str) -> Mask:
    """`a,b(c,d/e),f/*` as a tree; raises the 400 that Google answers."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", "") or not tokens:
        raise _bad(text)
    mask, rest = _parse_list(tokens, text)
    if rest:
        raise _bad(text)
    return mask


def _bad(text: str) -> GoogleError:
    return invalid(f"Invalid field selection {text}", "invalidParameter")


def _parse_list(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        if not tokens or tokens[0] in ",/()":
            raise _bad(text)
        name, tokens = tokens[0], tokens[1:]
        below: Mask = {}
        if tokens[:1] == ["/"]:
            below, tokens = _parse_path(tokens[1:], text)
        elif tokens[:1] == ["("]:
            below, tokens = _parse_list(tokens[1:], text)
            if tokens[:1] != [")"]:
                raise _bad(text)
            tokens = tokens[1:]
        mask.setdefault(name, {}).update(below)
        if tokens[:1] != [","]:
            return mask, tokens
        tokens = tokens[1:]


def _parse_path(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    if not tokens or tokens[0] in ",/()":
        raise _bad(text)
    name, tokens = tokens[0], tokens[1:]
    below: Mask = {}
    if tokens[:1] == ["/"]:
        below, tokens = _parse_path(tokens[1:], text)
    elif tokens[:1] == ["("]:
        below, tokens = _parse_list(tokens[1:], text)
        if tokens[:1] != [")"]:
            raise _bad(text)
        tokens = tokens[1:]
    return {name: below}, tokens


def check(mask: Mask, known: frozenset[str], text: str) -> None:
    """Refuse names that no answer of the API has."""
    for name, below in mask.items():
        if name != "*" and name not in known:
            raise invalid(f"Invalid field selection {name}", "invalidParameter")
        check(below, known, text)


def apply(mask: Mask, value: object) -> object:
    """The chosen parts of a JSON value."""
    if not mask:
        return value
    if isinstance(value, list):
        return [apply(mask, one) for one in value]
    if isinstance(value, dict):
        if "*" in mask:
            return {k: apply({**mask["*"], **mask.get(k, {})}, v) for k, v in value.items()}
        return {k: apply(mask[k], v) for k, v in value.items() if k in mask}
    return value
