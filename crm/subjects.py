"""The base subject: what is left of a subject when reply and forward marks are taken off.

RFC 5256 section 2.1, widened to the marks of mail clients in other languages (rule
`subject-changed`).
"""

import re
import unicodedata

from crm.text import clean, decode_words

_REPLY = (
    "re aw antw antwort antwoord sv vs odp r rif res rép rep ynt yanıt yanit atb ats bls balas"
    " απ σχετ ответ отв відп відповідь 回复 回覆 答复 答覆 返信 답장 회신 השב תשובה رد trả_lời"
)
_FORWARD = (
    "fw fwd wg vb vl fs doorst pd i rv tr enc i̇lt ilt ılt trs yml továbbítás továbbítva πρθ"
    " пересл 转发 轉寄 轉發 転送 전달 העבר הועבר إعادة_توجيه chuyển_tiếp"
)
_TAGS = "ext extern external"  # words that mail gateways put in front, like [EXT]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


_WORDS = sorted(
    {_folded(word).replace("_", " ") for word in f"{_REPLY} {_FORWARD} {_TAGS}".split()},
    key=lambda word: (-len(word), word),
)
_BLOB = r"(?:\[[^\[\]]*+\]|【[^【】]*+】)"
# `Re:`, `Re :`, `Re[2]:`, `Re(2):`, `Re^2:`, `Atb.:`
_MARK = re.compile(
    rf"(?:{'|'.join(map(re.escape, _WORDS))})\.?(?: ?(?:{_BLOB}|\(\d{{1,4}}\)|[\^*]\d{{1,4}}))? ?: ?"
)
_TAG = re.compile(rf"{_BLOB} ?")
_TRAILER = "(fwd)"
_WRAPPER = "[fwd:"


def base_subject(subject: str) -> str:
    """`subject` as threads compare it: marks and tags off, NFKC, case folded, white space collapsed.

    Idempotent. A subject of marks alone gives ''.
    """
    while True:
        stripped = _strip(" ".join(_folded(decode_words(clean(subject))).split()))
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
