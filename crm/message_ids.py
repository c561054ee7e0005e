"""Message-IDs out of the headers that carry them, in one form: no angle brackets, no white space."""

import re
from collections.abc import Iterable

from crm.text import clean

MOST = 1000  # ids kept of one header; the newest are the last
LONGEST = 998  # characters of an id: a line of mail (RFC 5322 section 2.1.1)

_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_BRACKETED = re.compile(r"<([^<>]*)>")
_BARE = re.compile(r'[^\s<>,;"()]+@[^\s<>,;"()]+')


def message_id(value: str) -> str:
    """The id in a Message-ID header, '' when there is none."""
    value = clean(value)
    match = _BRACKETED.search(value)
    return _normal(match[1] if match else value.strip("<> \t\r\n"))


def message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """All ids of In-Reply-To or References headers in order, each once, at most `MOST` newest.

    Comments and words around them are dropped; an id without brackets counts when it has an '@'.
    """
    found: dict[str, None] = {}
    for value in values:
        for one in _ids(clean(value)):
            found.pop(one, None)
            found[one] = None
    return tuple(found)[-MOST:]


def _ids(value: str) -> Iterable[str]:
    position = 0
    for match in _BRACKETED.finditer(value):
        yield from _BARE.findall(value[position : match.start()])
        one = _normal(match[1])
        if one:
            yield one
        position = match.end()
    rest = value[position:]
    yield from (one for one in _BARE.findall(rest) if len(one) <= LONGEST)


def _normal(text: str) -> str:
    text = _SPACE.sub("", text)
    return text if len(text) <= LONGEST else ""
