"""The forwarded message in the text of the one it was forwarded with.

The first thing in the text that looks like another message counts, and nothing below it: that is
the one that was forwarded, what is below was in it. Read line by line, each once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crm.addresses import normalise
from crm.forwards import words
from crm.forwards.head import Head, attribution, head_at, inline_head
from crm.forwards.lines import Line, lines_of, unquoted
from crm.forwards.marks import Mark
from crm.forwards.words import Field

_MOST_LINES = 2000  # above the head of the forwarded message
_ENOUGH = 2  # fields beside From that make a head without a separator

_IN_BRACKETS = re.compile(r"[<\[]\s?([^\s<>\[\]]{1,64}@[^\s<>\[\]]{1,255})")
_UNKNOWN_SEPARATOR = re.compile(r"[-=_]{3,}\s?\w[^-=_]{2,80}[-=_]{3,}$")


@dataclass(frozen=True, slots=True)
class Quoted:
    """A message as it stands in the text of another."""

    head: Head
    body: str


def find(text: str, mark: Mark, forwarder: str) -> Quoted | None:
    """The message that was forwarded in `text`, None where there is none or it is not sure.

    `mark` is what the subject around it begins with: an answer quotes in the same way as some
    programs forward. `forwarder`: whose address in a signature means nothing.
    """
    lines = lines_of(text)
    strange = _Strange(forwarder)
    for index, line in enumerate(lines[:_MOST_LINES]):
        if not line.text:
            continue
        head, final = _look(lines, index, mark)
        if head is not None:
            return (
                None if strange.seen else Quoted(head, unquoted(lines[head.body_at :], head.depth))
            )
        if final:
            return None
        strange.look(line.text)
    return None


class _Strange:
    """Watches for another message in a form that is not known: what comes below was in that."""

    def __init__(self, forwarder: str) -> None:
        self.seen = False
        self._forwarder = forwarder
        self._fields = 0
        self._named = False

    def look(self, text: str) -> None:
        if _UNKNOWN_SEPARATOR.match(text[:120]):
            self.seen = True
        if not words.is_field_like(text):
            self._fields, self._named = 0, False
            return
        self._fields += 1
        found = _IN_BRACKETS.search(text[:1000].replace("mailto:", ""))
        self._named |= bool(found) and normalise(found[1] if found else "") != self._forwarder
        self.seen |= self._named and self._fields > _ENOUGH


def _look(lines: Sequence[Line], index: int, mark: Mark) -> tuple[Head | None, bool]:
    """(the head that begins at this line, whether to look no further)."""
    text = lines[index].text
    rest = words.after_separator(text)
    if rest is not None:
        return _after_separator(lines, index, rest), True
    below = index + 1 if words.is_original(text) else index
    head = head_at(lines, below)
    if head is not None and len(head.fields.keys() & _TELLING) >= _ENOUGH:
        return (None if mark is Mark.REPLY else head), True
    if below > index and not text.startswith("___"):
        return None, True  # it says so, but what follows cannot be read
    introduced = attribution(lines, index)
    if introduced is not None:
        return (introduced if mark is Mark.FORWARD else None), True
    return None, False


_TELLING = {Field.DATE, Field.SUBJECT, Field.TO}


def _after_separator(lines: Sequence[Line], index: int, rest: str) -> Head | None:
    if rest:
        inline = inline_head(rest, index + 1)
        if inline is not None:
            return inline
        lines = [*lines[:index], Line(rest, lines[index].depth), *lines[index + 1 :]]
        return head_at(lines, index)
    head = head_at(lines, index + 1)
    if head is not None and len(head.fields) > 1:
        return head
    following = next((at for at in range(index + 1, len(lines)) if lines[at].text), len(lines))
    return attribution(lines, following, introduced=True)
