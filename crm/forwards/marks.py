"""Whether a subject says of its message that it was answered or forwarded."""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from crm.subject_marks import MARKS
from crm.text import one_line

_LONGEST = 1000
_TAGS = re.compile(r"(?:\[[^\[\]]*+\] ?|【[^【】]*+】 ?)*+")
_COUNT = re.compile(r" ?(?:\[\d{1,4}\]|\(\d{1,4}\)|[\^*]?\d{1,4})?\.?$")


class Mark(StrEnum):
    """What a subject begins with."""

    REPLY = "reply"
    FORWARD = "forward"
    NEITHER = ""  # no mark, or one that means either in some language


def first_mark(subject: str) -> Mark:
    """The mark that the last program put in front: `FW: Re: Offer` was forwarded."""
    text = _folded(one_line(subject[:_LONGEST]))
    if text.startswith(("[fwd:", "[fw:")) or text.endswith("(fwd)"):
        return Mark.FORWARD
    word, colon, _ = text[_TAGS.match(text).end() :][:40].partition(":")  # type: ignore[union-attr]
    replies, forwards = _words()
    bare = _COUNT.sub("", word.strip())
    if not colon or (bare in replies) == (bare in forwards):
        return Mark.NEITHER
    return Mark.REPLY if bare in replies else Mark.FORWARD


@lru_cache(maxsize=1)
def _words() -> tuple[frozenset[str], frozenset[str]]:
    replies = ",".join(marks.reply for marks in MARKS.values())
    forwards = ",".join(marks.forward for marks in MARKS.values())
    return _split(replies), _split(forwards)


def _split(words: str) -> frozenset[str]:
    return frozenset(_folded(word).strip(" .") for word in words.split(",")) - {""}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("i\u0307", "i")
