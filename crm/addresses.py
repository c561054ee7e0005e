"""E-mail addresses: one form to compare them in, and reading them out of headers.

The standard library cuts the headers, by `getaddresses`: the parser of its newer policies raises on
some real To headers and its time grows with the square of their length.
"""

import email.utils
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

import idna

from crm.model import Address, NeverLog
from crm.text import clean, decode_words, one_line

LONGEST = 512  # characters; PostgreSQL cannot index a much longer text
_LONGEST_DOMAIN = 255
_LONGEST_HEADER = 400_000  # characters that are read of one

_BAD_LOCAL = re.compile(r'[\s<>()\[\]:;@\\,"\x00-\x1f\x7f]')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"')
_BAD_DOMAIN = re.compile(r'[\s<>()\[\]:;@\\,"\x00-\x1f\x7f/]|\.\.|^\.|^$')
_OPENING = re.compile(r'["(\[]')
_PHRASE = re.compile(r'(?:^|(?<=[,;:]))([^",;:<>()]*+)(?=<)')
_COMMENT = re.compile(r"\([^()]{0,1000}+\)")
_LITERAL = re.compile(r"\[[0-9a-zA-Z.:]+\]")

# Newer versions give up on a whole header for one odd address in it, unless they are told.
_NOT_STRICT = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
_DEEPEST = 50  # comments and groups, or thousands of characters: the library recurses, and its
# time grows with the square of a group's length


def normalise(text: str) -> str:
    """The form in which addresses are stored and compared; '' when `text` is no address.

    Lower case, ASCII (IDNA) domain, no trailing dot. Plus tags and Unicode local parts stay.
    """
    text = clean(text).strip()
    local, at, domain = text.rpartition("@")
    if not at or len(text) > LONGEST:
        return ""
    local, domain = _local(local.strip()), _domain(domain.strip())
    address = f"{local}@{domain}"
    return address if local and domain and len(address) <= LONGEST else ""


def normalise_domain(text: str) -> str:
    """A domain in lower case and ASCII (IDNA), '' when `text` is none."""
    return _domain(clean(text).strip())


def parse_list(values: str | Iterable[str]) -> tuple[Address, ...]:
    """The addresses in one or several header values, in order, each once. Never raises.

    Groups are opened, comments dropped, RFC 2047 names decoded. What has no address is left out.
    """
    found: dict[str, Address] = {}
    for value in (values,) if isinstance(values, str) else values:
        for address in _parse(clean(value[:_LONGEST_HEADER])):
            known = found.get(address.address)
            if known is None or not known.name:
                found[address.address] = address
    return tuple(found.values())


def in_domains(address: str, domains: Iterable[str]) -> bool:
    """Whether a normalised address belongs to one of `domains` itself (not to a sub-domain)."""
    return address.rpartition("@")[2] in domains if "@" in address else False


def listed(address: str, never_log: NeverLog) -> bool:
    """Whether a normalised address is on a Never Log list (rule `never-log`)."""
    if not never_log.entries or not address:
        return False
    exact, above = _compiled(never_log)
    domain = address.rpartition("@")[2]
    if address in exact or domain in exact:
        return True
    labels = domain.split(".")
    return any(".".join(labels[start:]) in above for start in range(1, len(labels)))


def never_log_entry(text: str) -> str:
    """A Never Log entry in the form it is compared in, '' when `text` is none.

    `example.com` and `*@example.com` mean that domain alone, `*.example.com` its sub-domains.
    """
    text = clean(text).strip()
    if text.startswith("*."):
        domain = _domain(text[2:])
        return f"*.{domain}" if domain else ""
    if text.startswith(("*@", "@")):
        return _domain(text.partition("@")[2])
    return normalise(text) if "@" in text else _domain(text)


@lru_cache(maxsize=256)
def _compiled(never_log: NeverLog) -> tuple[frozenset[str], frozenset[str]]:
    """(addresses and domains as they are, domains whose sub-domains are meant)."""
    entries = {never_log_entry(entry) for entry in never_log.entries} - {""}
    above = {entry for entry in entries if entry.startswith("*.")}
    return frozenset(entries - above), frozenset(entry[2:] for entry in above)


def _local(local: str) -> str:
    local = unicodedata.normalize("NFC", local.lower())
    if _QUOTED.fullmatch(local):
        bare = re.sub(r"\\(.)", r"\1", local[1:-1])
        if bare and not _BAD_LOCAL.search(bare) and ".." not in f".{bare}.":
            return bare
        return local if bare.isprintable() else ""
    local = local.rstrip(".")
    return "" if _BAD_LOCAL.search(local) else local


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    domain = domain.rstrip(".")
    if len(domain) > _LONGEST_DOMAIN:
        return ""
    if not domain.isascii():
        domain = _ascii(domain).rstrip(".")
    domain = domain.lower()
    if _LITERAL.fullmatch(domain):
        return domain
    return "" if _BAD_DOMAIN.search(domain) or len(domain) > _LONGEST_DOMAIN else domain


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:  # emoji domains exist, though IDNA 2008 has none
        return ".".join(_label(part) for part in re.split("[.。．｡]", domain))


def _label(label: str) -> str:
    label = unicodedata.normalize("NFKC", label).casefold()
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def _parse(value: str) -> Iterator[Address]:
    found = list(_cut(value))
    if "=?" in value and (not found or any("=?" in one.name for one in found)):
        found = list(_cut(decode_words(value))) or found  # encoded together with its name
    if not found and "@" in value and _OPENING.search(value):  # one that is never closed
        found = list(_cut(_OPENING.sub(" ", value)))
    yield from found


def _cut(value: str) -> Iterator[Address]:
    """Addresses out of one header value; the first half of `Doe, Jane <jane@g.test>` is a name."""
    if max(len(value) // 1000, value.count("("), value.count(":")) > _DEEPEST:
        value = _COMMENT.sub(" ", value).replace("(", ",").replace(")", ",").replace(":", ",")
    # What stands before brackets is a name even if it looks like an address, or anybody could
    # write in the name of others.
    value = _PHRASE.sub(lambda match: f'"{match[1]}" ' if "@" in match[1] else match[1], value)
    before = ""
    for name, text in email.utils.getaddresses([value], **_NOT_STRICT):
        address = normalise(text) or normalise(text.split()[-1] if text.strip() else "")
        if address:
            name = name or text.rpartition(" ")[0]
            yield Address(address, _name(f"{before}, {name}"))
        before = "" if address or name or "@" in text else text


def _name(text: str) -> str:
    text = one_line(decode_words(one_line(text))).strip(" ,")
    for quote in ('"', "'"):
        if len(text) > 1 and text[0] == text[-1] == quote:
            text = text[1:-1]
    return text.strip()[:LONGEST]
