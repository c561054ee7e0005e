"""What a search looks through and for: text without capitals, accents and lines. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from crm.text import clean

LONGEST = 20_000  # characters of an e-mail that are searched
MOST_WORDS = 8
LONGEST_WORD = 60
AROUND = 70  # characters of an excerpt on each side of what was found
_DROPPED = frozenset({"Mn", "Cf"})  # accents; soft hyphens, joiners, marks of direction


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text, and whether it is what was looked for."""

    text: str
    found: bool


def fold(text: str) -> str:
    """`text` as it is compared: no capitals, no accents, every run of white space one space."""
    return " ".join(_plain(text[:LONGEST]).split())[:LONGEST]


def searchable(texts: Iterable[str]) -> str:
    """The text that a search looks through, of those an e-mail consists of: the first first."""
    return fold("\n".join(each[:LONGEST] for each in texts if each))


def wanted(query: str) -> tuple[str, ...]:
    """The words that somebody looks for, all of which are to occur; a few of them, none too long."""
    words = fold(clean(query[: 2 * MOST_WORDS * LONGEST_WORD])).split()
    return tuple(dict.fromkeys(word[:LONGEST_WORD] for word in words))[:MOST_WORDS]


def marked(text: str, words: Iterable[str]) -> tuple[Piece, ...]:
    """`text` in pieces, those that are one of `words` marked."""
    pattern = "|".join(re.escape(each) for each in sorted(words, key=len, reverse=True))
    text = text[:LONGEST]
    plain, places = _with_places(text)
    pieces, end = [], 0
    for hit in re.finditer(pattern, plain) if pattern else ():
        start, stop = places[hit.start()], places[hit.end() - 1] + 1
        pieces += [Piece(text[end:start], False), Piece(text[start:stop], True)]
        end = stop
    pieces.append(Piece(text[end:], False))
    return tuple(each for each in pieces if each.text)


def excerpt(text: str, words: tuple[str, ...]) -> tuple[Piece, ...]:
    """What is around the first of `words` in `text`, in pieces; the beginning where there is none."""
    text = " ".join(text[:LONGEST].split())
    plain, places = _with_places(text)
    at = min((place for each in words if (place := plain.find(each)) >= 0), default=0)
    middle = places[at] if places else 0
    start = max(0, middle - AROUND)
    if start:
        start = text.find(" ", start, middle) + 1 or start
    stop = min(len(text), start + 3 * AROUND)
    cut = text[start:stop]
    before, after = "… " if start else "", " …" if stop < len(text) else ""
    return marked(f"{before}{cut}{after}", words)


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(each for each in decomposed if unicodedata.category(each) not in _DROPPED)


@lru_cache(maxsize=4096)
def _plain_character(character: str) -> str:
    return _plain(character)


def _with_places(text: str) -> tuple[str, list[int]]:
    """`text` as it is compared, and for each of its characters the place in `text`."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    plain, places = [], []
    for place, each in enumerate(text):
        folded = _plain_character(each)
        plain.append(folded)
        places += [place] * len(folded)
    return "".join(plain), places
