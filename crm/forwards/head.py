"""The lines above a forwarded message that say from whom it was, when, about what and to whom."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crm.forwards import people, words
from crm.forwards.lines import Line
from crm.forwards.words import Field
from crm.model import Address

_MOST_LINES = 80
_LONGEST_INTRODUCTION = 400
_MOST_EMPTY = 4  # lines between a separator and the head

_NAMES = sorted((re.escape(name) for name in words.LABELS if len(name) > 1), key=len, reverse=True)
# Yahoo writes a head in one line: `From: A <a@b.test>To: ...Sent: ...Subject: ...`
_INLINE = re.compile(rf"({'|'.join(_NAMES)}|(?<=>)[ÀàAa])\s?[:：]|(?<=>)Dw ", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"[<\[(]{1,2}[^<>\[\]()\s]{1,320}@[^<>\[\]()\s]{1,320}[>\])]{1,2}")
_QUOTED_NAME = re.compile(r'[„"“«]([^"„“”«»]{1,200})[”"“»]$')
_VERBS = frozenset(
    "am pm heeft időpontban používateľ skrev schrieb użytkownik пользователь користувач uhr um at"
    " kl kl. klo от el le on den".split()
)


@dataclass(frozen=True, slots=True)
class Head:
    """Fields of a head as written, and the line at which the text below it begins."""

    fields: dict[Field, str]
    body_at: int
    depth: int = 0
    english: bool = False
    introduced: Address | None = None  # the sender, where a sentence says who wrote what follows

    @property
    def sender(self) -> Address | None:
        return self.introduced or people.sender(self.fields.get(Field.FROM, ""))


class _Reading:
    """A head while it is read, line by line."""

    def __init__(self) -> None:
        self.fields: dict[Field, str] = {}
        self.english = False
        self._last: Field | None = None

    def takes(self, line: str) -> bool:
        """Whether `line` belongs to the head; then it is in it."""
        found = words.label(line)
        if found is None:
            return self._continues(line)
        self._last, value = found
        if self._last in self.fields and self._last is not Field.OTHER:
            return False
        self.fields[self._last] = value
        self.english |= line.strip("*_ ").casefold().startswith("from")
        return True

    def skips(self, line: str, following: str) -> bool:
        """Whether an empty line, or a field with a label that is not known, has more of the head
        below it."""
        if line and not words.is_field_like(line):
            return False
        found = words.label(following)
        return bool(self.fields) and found is not None and found[0] not in self.fields

    def _continues(self, line: str) -> bool:
        """Long lists are folded, and an address may stand below its name."""
        if self._last is None:
            return False
        value = self.fields[self._last]
        if self._last in {Field.TO, Field.CC}:
            more = "@" in line and (not value or value.endswith((",", ";")) or line[0] in "<[")
        else:
            more = self._last is Field.FROM and "@" not in value and "@" in line
        if more:
            self.fields[self._last] = f"{value} {line}"
        return more


def head_at(lines: Sequence[Line], start: int) -> Head | None:
    """The head that begins at this line, or below a few empty ones. None without a From."""
    first = next((at for at in range(start, len(lines)) if lines[at].text), start)
    if first - start > _MOST_EMPTY:
        return None
    reading = _Reading()
    at = first
    while at < min(len(lines), first + _MOST_LINES):
        line = lines[at].text
        following = lines[at + 1].text if at + 1 < len(lines) else ""
        if not (line and reading.takes(line)) and not reading.skips(line, following):
            break
        at += 1
    if Field.FROM not in reading.fields:
        return None
    body_at = _past_separator(lines, at)
    return Head(reading.fields, body_at, lines[first].depth, reading.english)


def inline_head(text: str, body_at: int) -> Head | None:
    """A head that is written in one line."""
    fields: dict[Field, str] = {}
    found = list(_INLINE.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=False):
        name = words.LABELS.get((match[1] or "dw").casefold())
        if name is not None:
            fields.setdefault(name, text[match.end() : end].strip())
    return Head(fields, body_at) if Field.FROM in fields and len(fields) > 1 else None


def attribution(lines: Sequence[Line], at: int, introduced: bool = False) -> Head | None:
    """A sentence that says who wrote what follows, over up to three lines. `introduced`: it stands
    where such a sentence must."""
    text = ""
    for end in range(at, min(at + 3, len(lines))):
        text = f"{text} {lines[end].text}".strip()
        if len(text) > _LONGEST_INTRODUCTION or not lines[end].text:
            return None
        if words.is_wrote(text) or text.endswith(">>>") or (introduced and text.endswith(":")):
            return _introduced(text, lines, end)
    return None


def _introduced(text: str, lines: Sequence[Line], end: int) -> Head:
    """Without a sender where the sentence names no address, or several."""
    found = list(_IN_BRACKETS.finditer(text))
    sender = people.sender(found[0][0].strip("<([])>")) if len(found) == 1 else None
    if sender is None:
        return Head({}, end + 1)
    before = text[: found[0].start()].strip()
    when = f"{before} {text[found[0].end() :]}"
    named = Address(sender.address, _name(before))
    fields = {Field.DATE: when}
    return Head(fields, end + 1, lines[end].depth, introduced=named)


def _name(before: str) -> str:
    """The name at the end of `On 28/10/2021 12:46, "John Doe"`."""
    quoted = _QUOTED_NAME.search(before)
    if quoted:
        return quoted[1].strip()
    name: list[str] = []
    for word in reversed(before.split()):
        if any(letter.isdigit() for letter in word) or word.casefold().strip(",") in _VERBS:
            break
        name.insert(0, word)
    return " ".join(name).strip(" ,>")


def _past_separator(lines: Sequence[Line], at: int) -> int:
    """Some programs (Zoho) repeat the separator below the head."""
    following = next((index for index in range(at, len(lines)) if lines[index].text), at)
    repeated = following < len(lines) and lines[following].text.startswith("===")
    return following + 1 if repeated else at
