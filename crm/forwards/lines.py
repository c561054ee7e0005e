"""A text as lines, with how deep each is quoted."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from textwrap import dedent

_MOST = 50_000
_LONGEST = 20_000  # characters of a line that are looked at
_QUOTES = re.compile(r"[ \t]{0,8}(?:>[ \t]{0,4}){1,50}")
_END = re.compile(
    r"[-=]{3,} ?(?:end of|end forwarded|конец|ende der|fin du|fin del|fine)\b[^-=]{0,60}[-=]{3,}$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `text` without quotation marks and white space around it."""

    text: str
    depth: int = 0
    raw: str = ""


def lines_of(text: str) -> list[Line]:
    """The lines of `text`."""
    return list(islice(_lines(text), _MOST))


def _lines(text: str) -> Iterator[Line]:
    for raw in text.replace("\ufeff", "").replace("\xa0", " ").replace("\r", "").split("\n"):
        quotes = _QUOTES.match(raw[:1000])
        depth = quotes[0].count(">") if quotes else 0
        bare = raw[quotes.end() if quotes else 0 :][:_LONGEST]
        yield Line(bare.strip(), depth, raw)


def unquoted(lines: Sequence[Line], depth: int) -> str:
    """`lines` as text without the quotation marks that all of them have, or as many as the head
    above them had, and without the margin that all of them have."""
    common = min((line.depth for line in lines if line.text), default=0)
    body = dedent("\n".join(_without(line.raw, max(depth, common)) for line in lines)).strip()
    rest, _, last = body.rpartition("\n")
    return rest.rstrip() if _END.match(last.strip()[:200]) else body


def _without(raw: str, depth: int) -> str:
    for _ in range(depth):
        bare = raw.lstrip(" \t")
        if not bare.startswith(">"):
            break
        raw = bare[1:].removeprefix(" ")
    return raw.rstrip()
