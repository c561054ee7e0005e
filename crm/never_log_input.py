"""Never Log entries as people paste them: out of an address book, a spreadsheet, a mail.

Nothing that was pasted is lost: what became no entry comes back with the reason.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from crm.addresses import never_log_entry, normalise, normalise_domain
from crm.text import one_line

MOST = 5000  # entries in one paste
LONGEST_SHOWN = 80  # characters of what was not understood

_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]+")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_BRACKETS = re.compile(r"<([^<>]*)>")
_BETWEEN = re.compile(r"[,;\t]")
_QUOTED = re.compile(r'"[^"]*"')


class NotAnEntry(ValueError):
    """Why a text is no entry, in words for whoever typed it."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A piece that was not understood, and why."""

    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Read:
    """What was found, each entry once, in order."""

    entries: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def read_domain(text: str) -> str:
    """A domain in the form it is stored in. Raises NotAnEntry."""
    domain = normalise_domain(text).lower()
    if not _DOMAIN.fullmatch(domain):
        raise NotAnEntry("That is not a domain. One looks like example.com.")
    return domain


def read_entry(text: str) -> str:
    """One entry in the form it is stored in: an address, `example.com`, `*@example.com` or
    `*.example.com`, the domain in ASCII. Raises NotAnEntry."""
    text = text.strip().removeprefix("mailto:").strip().lower()
    for start in ("*@", "*."):
        if text.startswith(start):
            return start + _covered(text.removeprefix(start))
    if "*" in text:
        raise NotAnEntry("A * may only stand for all of a domain: *@example.com, *.example.com.")
    if "://" in text:
        raise NotAnEntry("That is a web address. The domain alone will do: example.com.")
    if "@" not in text.removeprefix("@"):
        return _covered(text.removeprefix("@"))
    address = normalise(text)
    if not address:
        raise NotAnEntry("That is not an e-mail address.")
    read_domain(address.rpartition("@")[2])
    return address


def read_entries(text: str) -> Read:
    """Many entries at once, between commas, semicolons, tabs or on lines of their own, with names
    ("Bob <bob@example.com>") and comments after #."""
    entries: dict[str, str] = {}  # by the form they are compared in
    wrong: list[Wrong] = []
    for piece in _pieces(text):
        try:
            entry = read_entry(piece)
        except NotAnEntry as error:
            wrong.append(Wrong(one_line(piece)[:LONGEST_SHOWN], str(error)))
            continue
        if len(entries) == MOST and never_log_entry(entry) not in entries:
            wrong.append(Wrong(entry, f"At most {MOST} entries can be added at once."))
        else:
            entries.setdefault(never_log_entry(entry), entry)
    return Read(tuple(entries.values()), tuple(wrong))


def _covered(text: str) -> str:
    try:
        return read_domain(text)
    except NotAnEntry:
        if text and "." not in text and normalise_domain(text):
            raise NotAnEntry(
                "That is neither an address nor a domain: a domain has a dot, as example.com."
            ) from None
        raise NotAnEntry(
            "That is neither an address nor a domain. Examples: bob@example.com, example.com."
        ) from None


def _pieces(text: str) -> Iterator[str]:
    for line in text.splitlines():
        line = _COMMENT.sub("", line)
        if "<" in line:
            yield from _with_names(line)
        else:
            for piece in _BETWEEN.split(line):
                yield from _by_spaces(piece)


def _with_names(line: str) -> Iterator[str]:
    """What stands in brackets; before each its name, in which commas may stand, and perhaps further
    entries: what reads as one, or has an @."""
    end = 0
    for match in _BRACKETS.finditer(line):
        *others, _name = _BETWEEN.split(_QUOTED.sub("", line[end : match.start()]))
        for each in others:
            if "@" in each or _is_entry(each):
                yield from _by_spaces(each)
        yield match[1]
        end = match.end()
    for each in _BETWEEN.split(line[end:]):
        yield from _by_spaces(each)


def _by_spaces(piece: str) -> Iterator[str]:
    """A piece, or the entries that only spaces divide."""
    words = piece.split()
    if len(words) > 1 and all(_is_entry(word) for word in words):
        yield from words
    elif words:
        yield piece.strip()


def _is_entry(text: str) -> bool:
    try:
        return bool(read_entry(text))
    except NotAnEntry:
        return False
