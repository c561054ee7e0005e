"""Which part of a plain text is new, and which is the history below it. Quotes are hidden, never lost.

The patterns are those of `mailparser_reply`. They are tried on a few short lines at a time: on some
whole texts of two kilobytes they take minutes. Beside them stand signs that need no language.
"""

import re

from mailparser_reply.constants import MAIL_LANGUAGES
from mailparser_reply.parser import EmailMessage

_LINES = 3  # that an introduction may be wrapped over
_LONGEST = 250  # characters of them
_MOST_TRIED = 100
_MOST_LINES = 20_000  # a history that begins further down is shown

_HEADER: re.Pattern[str] = EmailMessage("", list(MAIL_LANGUAGES)).HEADER_REGEX
_FIELD = re.compile(r"[\s>*]*\w[^:：<(@]{0,25}[:：][ \t*]*\S")
_SEPARATOR = re.compile(r"\s*(?:-{3,} ?[^-].{0,60}-{3,}|_{20,})\s*$")
_SIGNATURE = re.compile(r"^-- ?$")


def fold(text: str) -> tuple[str, str]:
    """`text` as (what is new, quoted history); joined they are `text` again.

    Where nothing new would be left (answers between the quoted lines, or forwarded text alone),
    all of it is new.
    """
    lines = text.splitlines(keepends=True)
    cut = min(_first_header(lines), _trailing_quote(lines))
    new = "".join(lines[:cut])
    return (new, "".join(lines[cut:])) if new.strip() else (text, "")


def snippet(text: str, length: int = 200) -> str:
    """The first characters of what is new in `text`, in one line, without quotes and signature."""
    words: list[str] = []
    size = 0
    for line in fold(text)[0].splitlines():
        if _SIGNATURE.match(line) and words:
            break
        if not line.lstrip().startswith(">"):
            words += line[: length + 1].split()
            size += len(line) + 1
        if size > 2 * length:
            break
    line = " ".join(words)
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _first_header(lines: list[str]) -> int:
    """Index of the first line above a history, or how many lines there are."""
    last, tried = _last_new_line(lines), 0
    for index, line in enumerate(lines[:_MOST_LINES]):
        if not line.strip() or len(line) > _LONGEST:
            continue
        following = [other.strip("\ufeff \t\r\n") for other in lines[index : index + _LINES]]
        before_fields = any(_FIELD.match(other[:_LONGEST]) for other in following[1:])
        if before_fields and _SEPARATOR.match(line):
            return index
        in_fields = before_fields and _FIELD.match(line)
        if not in_fields and not any(other.endswith((":", "：")) for other in following):
            continue
        tried += 1
        if tried > _MOST_TRIED:
            break
        found = _HEADER.match("\n".join(following)[:_LONGEST])
        if found and (in_fields or _quote_follows(lines, index + found[0].count("\n"), last)):
            return index
    return len(lines)


def _quote_follows(lines: list[str], index: int, last_new: int) -> bool:
    """Whether the rest is quotation: answers between quoted lines are not cut."""
    near = [line.lstrip() for line in lines[index + 1 : index + 4] if line.strip()]
    return last_new <= index or not (near and near[0].startswith(">"))


def _last_new_line(lines: list[str]) -> int:
    """Index of the last line above the signature that is neither empty nor quoted, or -1."""
    end = next((index for index, line in enumerate(lines) if _SIGNATURE.match(line)), len(lines))
    new = (
        index
        for index in range(end - 1, -1, -1)
        if lines[index].strip(" \t\r\n")[:1] not in {"", ">"}
    )
    return next(new, -1)


def _trailing_quote(lines: list[str]) -> int:
    """Where quoted lines begin that go on to the end, with the line that introduces them."""
    cut = len(lines)
    while cut and (not lines[cut - 1].strip() or lines[cut - 1].lstrip().startswith(">")):
        cut -= 1
    if not any(line.lstrip().startswith(">") for line in lines[cut:]):
        return len(lines)
    introduction = lines[cut - 1].strip() if cut else ""
    named = re.search(r"\d|@", introduction)
    return cut - 1 if named and introduction.endswith((":", "：")) else cut
