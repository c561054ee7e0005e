"""E-mail addresses: one form to compare them in, and reading them out of headers.

Header values are cut by a scanner of our own: the standard library raises on some real To
headers and takes seconds for thousands of addresses. Its parser is the second opinion.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from email.utils import getaddresses
from functools import lru_cache

import idna

from crm.model import Address, NeverLog
from crm.text import clean, decode_words, one_line

LONGEST = 512  # characters; PostgreSQL cannot index a much longer text
_LONGEST_DOMAIN = 255

_BAD_LOCAL = re.compile(r'[\s<>()\[\]:;@\\,"\x00-\x1f\x7f]')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"')
_BAD_DOMAIN = re.compile(r'[\s<>()\[\]:;@\\,"\x00-\x1f\x7f/]|\.\.|^\.|^$')
_LITERAL = re.compile(r"\[[0-9a-zA-Z.:]+\]")

# A comment, a quoted string, an angle address, a separator, or anything else.
_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*+"?)'
    r'|(?P<angle><(?:[^<>"]|"(?:[^"\\>]|\\.)*+"?)*+>?)'
    r"|(?P<open>\()|(?P<close>\))|(?P<comma>[,;])|(?P<colon>:)"
    r'|(?P<rest>[^"<(),;:]++)',
    re.DOTALL,
)
_ROUTE = re.compile(r"^(?:@[^,:]*,?)+:")


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
        for address in _parse(clean(value)):
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
    plain = normalise(value) if "," not in value and "<" not in value else ""
    if plain:
        yield Address(plain)
        return
    found = list(_scan(value))
    if not found and "=?" in value:  # some mailers encode the address with the name
        found = list(_scan(decode_words(value)))
    if not found and "@" in value:
        found = list(_second_opinion(value[: 4 * LONGEST]))
    yield from found


def _second_opinion(value: str) -> Iterator[Address]:
    try:
        pairs = getaddresses([value])
    except (ValueError, IndexError, AttributeError, TypeError, RecursionError):
        return
    for name, address in pairs:
        normal = normalise(address)
        if normal:
            yield Address(normal, _name(name))


class _Entry:
    """What was read of one address so far."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comments: list[str] = []
        self.angle = ""

    def finish(self) -> Address | None:
        """The address, None when there is none (yet)."""
        if self.angle:
            normal = normalise(_ROUTE.sub("", self.angle.strip("<> \t\r\n")))
            if normal:
                return Address(normal, _name("".join(self.words) or " ".join(self.comments)))
        text = "".join(self.words).strip()
        normal = normalise(text)
        if normal:
            return Address(normal, _name(" ".join(self.comments)))
        return self._without_brackets(text)

    def going_on(self) -> "_Entry":
        """What to begin the next one with: the first half of `Doe, Jane <jane@example.com>`."""
        after, words = _Entry(), "".join(self.words)
        if words.strip() and "@" not in words:
            after.words = [words[-LONGEST:], ","]
        return after

    def _without_brackets(self, text: str) -> Address | None:
        for word in reversed(text.split()) if "@" in text else ():
            normal = normalise(word.strip("<>'\"`"))
            if normal:
                return Address(normal, _name(text.replace(word, " ", 1)))
        return None


def _scan(value: str) -> Iterator[Address]:
    entry = _Entry()
    for kind, text in _tokens(value):
        if kind == "comma":
            address = entry.finish()
            if address:
                yield address
            entry = _Entry() if address or text == ";" else entry.going_on()
        elif kind == "colon":
            entry = _Entry()  # what came before is the name of a group
        elif kind == "comment":
            entry.comments.append(text)
        elif kind == "angle":
            entry.angle = text if "@" in text or not entry.angle else entry.angle
        else:
            entry.words.append(text)
    address = entry.finish()
    if address:
        yield address


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """(kind, text), with each comment as one token of the kind 'comment'."""
    depth, comment = 0, list[str]()
    for match in _TOKEN.finditer(value):
        kind = match.lastgroup or ""
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif depth:
            comment.append(match[0])
        else:
            yield kind, match[0]
        if comment and not depth:
            yield "comment", "".join(comment)
            comment = []


def _name(text: str) -> str:
    text = one_line(decode_words(one_line(text))).strip(" ,<>")
    for quote in ('"', "'"):
        if len(text) > 1 and text[0] == text[-1] == quote:
            text = text[1:-1]
    return re.sub(r"\\(.)", r"\1", text).strip()[:LONGEST]
