"""Text out of bytes that strangers wrote: charsets, RFC 2047 words, characters we cannot store."""

import codecs
import re
import unicodedata
from email.errors import MessageError
from email.header import decode_header

_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores neither
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_ESCAPED = re.compile("[\udc80-\udcff]")  # what is left of raw 8-bit bytes (PEP 383)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\u200e\u200f\u2028-\u202e\u2066-\u2069]')
# Up to 100 neighbours, for the library's time grows with the square of their number.
_WORDS = re.compile(
    r"=\?[^?\s]{1,80}\?[bq]\?[^?]*+\?=(?:\s*+=\?[^?\s]{1,80}\?[bq]\?[^?]*+\?=){0,99}+",
    re.IGNORECASE,
)

# They take no room: soft hyphens, joiners, marks of direction. Right-to-left mail is full of them.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)

LONGEST_NAME = 200  # characters of a file name; a file system allows 255 bytes, mostly ASCII here

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
    """`text` with its RFC 2047 encoded words decoded; broken ones stay as they are."""
    return clean(_WORDS.sub(lambda run: _decoded(run[0]), text)) if "=?" in text else text


def comparable(text: str) -> str:
    """`text` in the form that texts are compared in: NFKC, case folded, nothing invisible, every run
    of white space one space. Capitals with a dot (Turkish) are like those without."""
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    text = _INVISIBLE.sub("", text).replace("i\u0307", "i")
    return " ".join(unicodedata.normalize("NFKC", text).split())


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


def _decoded(words: str) -> str:
    """Encoded words, neighbours of one charset joined: many mailers cut inside a character."""
    try:
        found = decode_header(words.encode("utf-8", "replace").decode("latin-1"))
    except (MessageError, ValueError):  # broken base64
        return words
    return "".join(
        decode(data, (charset or "").partition("*")[0]) if isinstance(data, bytes) else data
        for data, charset in found
    )


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
