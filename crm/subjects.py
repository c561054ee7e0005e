"""The base subject: what is left of a subject when what mail programs put in front is taken off.

RFC 5256 section 2.1, widened to the marks of other languages and of automatic replies (rule
`subject-changed`). The marks themselves: `crm.subject_marks`.
"""

import re
from collections.abc import Iterable

from crm.subject_marks import MARKS
from crm.text import clean, comparable, decode_words

_BLOB = r"(?:\[[^\[\]]*+\]|【[^【】]*+】)"
_COLON = "[:∶]"  # NFKC has made the full-width ones plain
_GATEWAY = "ext|extern|external|external (?:e-?mail|sender|message)"  # words of gateways: [EXT]


def _words(lists: Iterable[str]) -> list[str]:
    """The words of comma separated lists as patterns."""
    words = {comparable(word) for words in lists for word in words.split(",") if word}
    return [re.escape(word) for word in sorted(words)]


AUTOMATIC = "|".join(_words(marks.automatic for marks in MARKS.values()))
_NAMED = "|".join(_words(f"{marks.reply},{marks.forward}" for marks in MARKS.values()))
# `Re:`, `Re :`, `Re[2]:`, `Re(2):`, `Re^2:`, `Re2:`, `Atb.:`
_MARK = re.compile(
    rf"(?:(?:{_NAMED})\.?(?: ?(?:{_BLOB}|\(\d{{1,4}}\)|[\^*]\d{{1,4}}))?|re\d{{1,2}}"
    rf"|(?:{AUTOMATIC})\.?|{_GATEWAY}) ?{_COLON} ?"
    # Gmail puts the subject of its vacation settings before Re: without a colon.
    rf"|(?:{AUTOMATIC}|auto)\.? (?=re ?:)"
)
_TAG = re.compile(rf"(?:{_BLOB}|\*{{1,3}}(?:{_GATEWAY})\*{{1,3}}|[({{<](?:{_GATEWAY})[)}}>]) ?")
_TRAILER = "(fwd)"
_WRAPPER = "[fwd:"


def base_subject(subject: str) -> str:
    """`subject` as threads compare it: marks and tags off, NFKC, case folded, white space collapsed.

    Idempotent. A subject of marks alone gives ''.
    """
    while True:
        stripped = _strip(comparable(decode_words(clean(subject))))
        if stripped == subject:
            return stripped
        subject = stripped


def _strip(text: str) -> str:
    """One pass by positions, so that long rows of marks cost no copies."""
    start, end = 0, len(text)
    while True:
        before = (start, end)
        while end - start >= len(_TRAILER) and text.startswith(_TRAILER, end - len(_TRAILER)):
            end = _trimmed(text, start, end - len(_TRAILER))
        start = _after_marks(text, start, end)
        if text.startswith(_WRAPPER, start) and end > start and text[end - 1] == "]":
            start, end = start + len(_WRAPPER), _trimmed(text, start, end - 1)
            start += text.startswith(" ", start)
        if (start, end) == before:
            return text[start:end] if start < end else ""


def _after_marks(text: str, start: int, end: int) -> int:
    """Where the text begins behind its marks; a tag with nothing behind it is the subject."""
    while start < end:
        match = _MARK.match(text, start, end)
        if match is None:
            match = _TAG.match(text, start, end)
            if match is None or match.end() >= end:
                return start
        start = match.end()
    return start


def _trimmed(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] == " ":
        end -= 1
    return end
