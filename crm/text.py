"""Text out of bytes that strangers wrote: charsets, RFC 2047 words, characters we cannot store."""

import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores neither
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_ESCAPED = re.compile("[\udc80-\udcff]")  # what is left of raw 8-bit bytes (PEP 383)

# Codecs of Python that are no charset of mail: slow for long input, or warning about it.
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
# Names that mean more than they say, as in browsers, and names Python does not know.
_CHARSETS = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "utf-8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
}

_WORD = re.compile(r"=\?([^?\s*]{1,64})(?:\*[^?\s]{0,32})?\?([bBqQ])\?([^?]*)\?=")
_QUOTED_BYTE = re.compile(rb"=([0-9A-Fa-f]{2})")


def decode(data: bytes, charset: str = "") -> str:
    """`data` as text: by the charset it names, else UTF-8, else Windows-1252. Never raises."""
    codec = _codec(charset)
    for name in filter(None, (codec, "utf-8")):
        try:
            return _storable(data.decode(name))
        except (UnicodeError, ValueError):
            continue
    fallback = codec if codec and codec != "utf-8" else "cp1252"
    return _storable(data.decode(fallback, errors="replace"))


def clean(text: str) -> str:
    """`text` without NUL and surrogates; raw 8-bit bytes kept as surrogates are decoded."""
    if text.isascii() and "\x00" not in text:
        return text
    if _ESCAPED.search(text):
        text = _LONE.sub("", text)
        text = decode(text.encode("utf-8", "surrogateescape"))
    return _storable(text)


def one_line(text: str) -> str:
    """`text` unfolded: every run of white space and control characters is one space."""
    return " ".join(_CONTROL.sub(" ", clean(text)).split())


def decode_words(text: str) -> str:
    """`text` with its RFC 2047 encoded words decoded; broken ones stay as they are.

    Neighbours of the same charset are joined before decoding: many mailers cut inside a character.
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    run: list[_Word] = []
    position = 0
    for match in _WORD.finditer(text):
        between = text[position : match.start()]
        if between.strip() or not run:
            out += [*_text_of(run), between]
            run = []
        data = _word_bytes(match[2], match[3])
        run.append(_Word(match[1].lower(), data, match[0]))
        position = match.end()
    out += [*_text_of(run), text[position:]]
    return clean("".join(out))


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(slots=True)
class _Word:
    charset: str
    data: bytes | None
    source: str


def _text_of(run: list[_Word]) -> Iterator[str]:
    charset, pieces = "", list[bytes]()
    for word in run:
        if word.data is None or word.charset != charset:
            yield decode(b"".join(pieces), charset)
            charset, pieces = word.charset, []
        if word.data is None:
            yield word.source
        else:
            pieces.append(word.data)
    yield decode(b"".join(pieces), charset)


def _word_bytes(encoding: str, payload: str) -> bytes | None:
    data = payload.encode("utf-8", "surrogatepass")
    if encoding in "qQ":
        return _QUOTED_BYTE.sub(lambda m: bytes([int(m[1], 16)]), data.replace(b"_", b" "))
    data = b"".join(data.split()).rstrip(b"=")
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return None


def _codec(charset: str) -> str:
    """Python's name of a charset, '' for none that we trust."""
    name = charset.strip(" \t\r\n\"'").lower()
    name = _CHARSETS.get(name, name)
    try:
        info = codecs.lookup(name) if name.isascii() and name.isprintable() else None
    except (LookupError, ValueError):
        return ""
    if info is None or not info._is_text_encoding or info.name in _NOT_CHARSETS:
        return ""
    return _CHARSETS.get(info.name, info.name)


def _storable(text: str) -> str:
    return _FORBIDDEN.sub("", text)
