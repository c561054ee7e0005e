"""Message-IDs out of the headers that carry them, in one form: no angle brackets, no white space."""

import re
from collections.abc import Iterable, Iterator

from crm.text import clean, decode_words

MOST = 1000  # ids kept of one header; the newest are the last
MADE_BY_GMAIL = "SMTPIN_ADDED_"  # in the id that Gmail gives a copy that came without a good one
LONGEST = 998  # characters of an id: a line of mail (RFC 5322 section 2.1.1)

_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_COMMENT = r"\([^()]{0,500}+\)"
_BRACKETED = r'<((?:"[^"]{0,200}+"|[^<>"])*+|[^<>]*+)>'  # a quoted local part may hold brackets
_PIECE = re.compile(rf"{_COMMENT}|{_BRACKETED}")
_WORD = re.compile(r'[^\s<>,;"()]+')


def message_id(value: str) -> str:
    """The id in a Message-ID header, '' when there is none. The first in brackets counts; where there
    are no brackets, the first with an '@', or else all of it."""
    value = _readable(value)
    for match in _PIECE.finditer(value):
        if match[1] is not None:
            return _normal(match[1])
    return next(_ids(value), _normal(re.sub("[<>]", "", value)))


def message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """All ids of In-Reply-To or References headers in order, each once, at most `MOST` newest.

    Comments and words around them are dropped; an id without brackets counts when it has an '@'.
    """
    found: dict[str, None] = {}
    for value in values:
        for one in _ids(_readable(value)):
            found.pop(one, None)
            found[one] = None
    return tuple(found)[-MOST:]


def _readable(value: str) -> str:
    """Some programs encode a long header of ids like words of a subject (RFC 2047)."""
    return decode_words(clean(value))


def _ids(value: str) -> Iterator[str]:
    position = 0
    for match in _PIECE.finditer(value):
        yield from _bare(value[position : match.start()])
        if match[1] is not None and (one := _normal(match[1])):
            yield one
        position = match.end()
    yield from _bare(value[position:])


def _bare(text: str) -> Iterator[str]:
    return (one for one in _WORD.findall(text) if "@" in one[1:-1] and len(one) <= LONGEST)


def _normal(text: str) -> str:
    text = _SPACE.sub("", text)
    return text if len(text) <= LONGEST else ""
