"""The header fields in whatever people paste: whole messages, copies of web pages, quotations.

Never raises, whatever the text. What follows the headers is dropped here and not looked at.
"""

import base64
import binascii
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from crm.text import decode

LONGEST = 1_000_000  # characters or bytes that are read: the headers of a message are at its start
_MOST_LINES = 20_000
_SAMPLE = 200  # lines that show how a text was quoted or numbered
_MOST = 0.6  # of them, to be sure

_USED = frozenset(
    """from sender to cc bcc subject date message-id in-reply-to references received return-path
    auto-submitted list-id list-unsubscribe precedence content-type x-auto-response-suppress
    authentication-results delivered-to mime-version x-received x-gmail-labels""".split()
)
_FIELD = re.compile(r"[ \t]*+([A-Za-z][A-Za-z0-9-]{0,60}|Created at)[ \t]{0,3}:(?!//)(.*)")
_SHORT_TABLE = re.compile(r"[ \t]*+Message[ -]ID[ \t]{0,9}[:\t]?[ \t]{0,9}(<.*)", re.IGNORECASE)
_QUOTE = re.compile(r"[ \t]{0,8}(?:[>|] ?)++")
_NUMBER = re.compile(r"[ \t]{0,8}(\d{1,5})[:.)\]|]?(?=[ \t]|$)[ \t]?")
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u00ad\0"))
_TAG_NAMES = (
    "html|head|body|title|meta|link|table|thead|tbody|tr|td|th|div|span|p|pre|br|hr|a|b|i|u|em"
    "|strong|font|code|tt|img|ul|ol|li|h[1-6]|section|main|header|footer|button|label|wbr"
)
_TAG = re.compile(rf"<(/?)({_TAG_NAMES})\b[^<>]{{0,4000}}>", re.IGNORECASE)
_NEW_LINE = frozenset({"br", "p", "div", "tr", "pre", "li", "hr", "h1", "h2", "h3", "h4"})
_ESCAPED = re.compile(r"&lt;[^&\s]{1,500}&gt;")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{60,}={0,3}")
_RUN_TOGETHER = re.compile(
    r"\s(?=(?:Message-ID|In-Reply-To|References|From|To|Cc|Subject|Date|Received|Return-Path"
    r"|[A-Z][A-Za-z0-9]{0,30}-[A-Za-z-]{1,40}): )",
    re.IGNORECASE,
)

QUOTED = "quoted"
NUMBERED = "numbered"
WEB_PAGE = "web-page"
ENCODED = "base64"
ONE_LINE = "one-line"


@dataclass(frozen=True, slots=True)
class Pasted:
    """Header fields in order, unfolded; `mended` says what had to be undone to find them."""

    fields: tuple[tuple[str, str], ...] = ()
    mended: tuple[str, ...] = ()

    def has(self, *names: str) -> bool:
        """Whether one of these fields (lower case) is there with a value."""
        return any(name.lower() in names and value for name, value in self.fields)

    def first(self, name: str) -> str:
        """The topmost value of a field (lower case), '' where there is none."""
        return next((value for each, value in self.fields if each.lower() == name and value), "")


def read_pasted(given: str | bytes) -> Pasted:
    """The header fields of the first message in `given`."""
    text = _text(given[:LONGEST]).translate(_INVISIBLE).replace("\xa0", " ")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "\n".join(text.split("\n", _MOST_LINES)[:_MOST_LINES])
    mended: list[str] = []
    for name, mend in _MENDING:
        changed = mend(text)
        if changed != text:
            mended.append(name)
            text = changed
    return Pasted(tuple(_chosen(text)), tuple(mended))


def _text(given: str | bytes) -> str:
    if isinstance(given, str):
        return given
    if given.startswith((b"\xff\xfe", b"\xfe\xff")):
        return decode(given, "utf-16")
    return decode(given)


def _without_encoding(text: str) -> str:
    packed = "".join(text.split())
    if not _BASE64.fullmatch(packed):
        return text
    packed = packed.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        found = decode(base64.b64decode(packed[: len(packed) // 4 * 4]))
    except (binascii.Error, ValueError):
        return text
    found = found.replace("\r\n", "\n").replace("\r", "\n")
    return found if _starts_of_fields(found) else text


def _without_tags(text: str) -> str:
    """A copy of a web page's source as text; a mail whose body is HTML stays as it is."""
    tag = _TAG.search(text)
    starts = _starts_of_fields(text)
    if tag and (not starts or tag.start() < starts[0]):
        text = html.unescape(_TAG.sub(_instead_of_tag, text))
        return text.replace("\xa0", " ").replace("\r", "\n")
    if _ESCAPED.search(text):
        return html.unescape(text)
    return text


def _instead_of_tag(tag: "re.Match[str]") -> str:
    name = tag[2].lower()
    if name in _NEW_LINE:
        return "\n"
    return "\t" if name in {"td", "th"} and tag[1] else ""


def _without_quotes(text: str) -> str:
    lines = text.split("\n")
    shown = [line for line in lines[:_SAMPLE] if line.strip()]
    quoted = sum(1 for line in shown if _QUOTE.match(line))
    if quoted < 2 or quoted < _MOST * len(shown):
        return text
    return "\n".join(_QUOTE.sub("", line, count=1) for line in lines)


def _without_numbers(text: str) -> str:
    lines = text.split("\n")
    shown = [line for line in lines[:_SAMPLE] if line.strip()]
    numbers = [int(found[1]) for found in map(_NUMBER.match, shown) if found]
    rising = sum(1 for one, two in pairwise(numbers) if two == one + 1)
    if rising < 2 or rising + 1 < _MOST * len(shown):
        return text
    return "\n".join(_NUMBER.sub("", line, count=1) for line in lines)


def _in_lines(text: str) -> str:
    """Fields that were run together into one line, each in its own."""
    if len(_starts_of_fields(text)) > 1:
        return text
    apart = _RUN_TOGETHER.sub("\n", text)
    return apart if len(_starts_of_fields(apart)) > 2 else text


_MENDING = (
    (ENCODED, _without_encoding),
    (WEB_PAGE, _without_tags),
    (QUOTED, _without_quotes),
    (NUMBERED, _without_numbers),
    (ONE_LINE, _in_lines),
)


def _starts_of_fields(text: str) -> list[int]:
    """Where lines begin that look like fields we know; the first few."""
    starts, position = [], 0
    for line in text.split("\n"):
        if _used(line):
            starts.append(position)
            if len(starts) > 4:
                break
        position += len(line) + 1
    return starts


def _used(line: str) -> bool:
    found = _FIELD.match(line)
    return bool(found and found[1].lower() in _USED) or bool(_SHORT_TABLE.match(line))


def _chosen(text: str) -> Iterator[tuple[str, str]]:
    """The fields of the first block that is a message's head; else of the one that knows most."""
    best: list[tuple[str, list[str]]] = []
    for block in _blocks(_flush(text.split("\n"))):
        names = _names(block)
        if names & {"message-id", "from"} and names & {"date", "received"}:
            best = block
            break
        if len(names) > len(_names(best)):
            best = block
    for name, lines in best:
        yield name, " ".join(lines).strip()


def _names(block: Iterable[tuple[str, list[str]]]) -> set[str]:
    return {name.lower() for name, _ in block} & _USED


def _flush(lines: list[str]) -> list[str]:
    """Lines without the indentation that all fields have."""
    margin = min((_margin(line) for line in lines if _used(line)), default=0)
    if not margin:
        return lines
    return [line[min(margin, _margin(line)) :] for line in lines]


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _blocks(lines: list[str]) -> Iterator[list[tuple[str, list[str]]]]:
    """Runs of fields between empty lines. In a copy with an empty line after each line, those
    between two fields do not count."""
    apart = _double_spaced(lines)
    block: list[tuple[str, list[str]]] = []
    for index, line in enumerate(lines):
        if not line.strip():
            follows = lines[index + 1] if index + 1 < len(lines) else ""
            if block and not (apart and (_field(follows) or follows[:1] in {" ", "\t"})):
                yield block
                block = []
        elif found := _field(line):
            block.append((found[0], [found[1].strip()]))
        elif block:
            block[-1][1].append(line.strip())
    if block:
        yield block


def _field(line: str) -> tuple[str, str] | None:
    """Name and value of a line that begins a field; None for one that goes on with it."""
    if line[:1] in {" ", "\t"}:
        return None
    if found := _SHORT_TABLE.match(line):
        return "Message-ID", found[1]
    found = _FIELD.match(line)
    return (found[1], found[2]) if found else None


def _double_spaced(lines: list[str]) -> bool:
    first = next((index for index, line in enumerate(lines) if _used(line)), len(lines))
    some = lines[first : first + 8]
    return len(some) > 5 and not any(line.strip() for line in some[1::2])
