"""Parameters of Content-Type and Content-Disposition (RFC 2045, RFC 2231), and safe file names."""

import re
import unicodedata
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from crm.text import clean, decode, decode_words, one_line

Params: TypeAlias = dict[str, str]

LONGEST_NAME = 200  # characters of a file name; a file system allows 255 bytes, mostly ASCII here
_LONGEST_VALUE = 20_000

_KIND = re.compile(r"\s*([a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127})", re.IGNORECASE)
_PARAM = re.compile(r';\s*+([^\s=;"]{1,100})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))', re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?$")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\u200e\u200f\u2028-\u202e\u2066-\u2069]')


def params(value: str, default: str = "text/plain") -> tuple[str, Params]:
    """A Content-Type header as (type in lower case, parameters); `default` where it is none."""
    match = _KIND.match(value)
    return (match[1].lower() if match else default), _params(value)


def filename(disposition: str, content_type: str) -> str:
    """The name of a file, '' when it has none: no path, no control characters, no reserved ones."""
    name = _params(disposition).get("filename") or _params(content_type).get("name", "")
    return safe_name(decode_words(name))


def safe_name(name: str) -> str:
    """`name` fit for a file: its last path segment, bounded, without leading dots; maybe ''."""
    name = unicodedata.normalize("NFC", one_line(name)).replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("", name).strip(" .")
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        return name[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"


def _params(value: str) -> Params:
    """Parameters by lower-case name; RFC 2231 pieces joined and decoded; the first one counts."""
    plain: Params = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAM.finditer(clean(value)[:_LONGEST_VALUE]):
        text = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3].strip()
        section = _SECTION.match(match[1].lower())
        if section is None or (section[2] is None and not section[3]):
            plain.setdefault(match[1].lower(), text)
        else:
            pieces.setdefault(section[1], {}).setdefault(
                int(section[2] or 0), (text, bool(section[3]))
            )
    return plain | {name: _joined(found) for name, found in pieces.items()}


def _joined(pieces: dict[int, tuple[str, bool]]) -> str:
    charset, data = "", b""
    for index in sorted(pieces):
        text, encoded = pieces[index]
        if encoded and index == min(pieces) and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw = text.encode("utf-8", "replace")
        data += unquote_to_bytes(raw) if encoded else raw
    return decode(data, charset)
