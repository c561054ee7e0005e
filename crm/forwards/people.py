"""Who is named in the lines above a forwarded message; mail programs write them in many ways."""

import re

from crm.addresses import normalise
from crm.forwards.words import on_behalf
from crm.model import Address
from crm.text import one_line

_LONGEST = 20_000  # characters of a list that are read
_LONGEST_SENDER = 1000
_LONGEST_NAME = 200
_MOST = 500

_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*+"')
_IN_BRACKETS = re.compile(r"[<\[(] ?([^\s<>()\[\]\"]{3,320})(?= ?[<>\])])")
_BRACKET = re.compile(r"[<\[(]")
_LINK = re.compile(r"<([^<>\s]{3,320})<[^<>\s]{3,320}>>?")  # <a@b.test<mailto:a@b.test>>
_ENTRY = re.compile(r"[<\[] ?([^<>\[\]\s]{3,320}) ?[>\]]")
_AROUND = " \t,;\"'*“”„«»"


def sender(value: str) -> Address | None:
    """The one person in a From line. None where there is no address, or more than one to choose."""
    if len(value) > _LONGEST_SENDER or on_behalf(value):
        return None
    value = _MAILTO.sub("", one_line(value))
    outside = _QUOTED.sub(" ", value)
    found = _addresses(_IN_BRACKETS.findall(outside)) or _addresses(outside.split())
    if not found and not outside.split():  # all of it in quotes
        found = _addresses(value.split())
    if len(found) != 1:
        return None
    (address,) = found
    quoted = _QUOTED.match(value.lstrip())
    return Address(address, _name(quoted[0] if quoted else _BRACKET.split(value)[0], address))


def recipients(value: str) -> tuple[Address, ...]:
    """The people in a To or Cc line, each once. What has no address is left out."""
    value = _LINK.sub(r"<\1>", _MAILTO.sub("", one_line(value[:_LONGEST])))
    found: dict[str, str] = {}
    position = 0
    for match in _ENTRY.finditer(value):
        *bare, name = _parted(value[position : match.start()])
        for one in (*bare, match[1]):
            for address in _addresses([one]):
                known = found.get(address)
                found[address] = known or _name(name if one is match[1] else "", address)
        position = match.end()
    for address in _addresses(re.split(r"[,;\s]", value[position:])):
        found.setdefault(address, "")
    return tuple(Address(*one) for one in list(found.items())[:_MOST])


def _parted(text: str) -> list[str]:
    """Addresses that stand alone before the last name in `text`, and that name."""
    bare: list[str] = []
    name: list[str] = []
    quoted = _QUOTED.sub(lambda match: match[0].replace(",", "\0").replace(";", "\0"), text)
    for part in re.split("[,;]", quoted):
        if name or not _addresses([part]):
            name.append(part.replace("\0", ","))
        else:
            bare.append(part)
    if not name and bare:
        name.append(bare.pop())  # what stands before the brackets is a name, like an address or not
    return [*bare, ",".join(name)]


def _addresses(words: list[str]) -> set[str]:
    """Those of `words` that are addresses, as they are compared."""
    found = (normalise(word.strip(_AROUND + "<>[]()")) for word in words if "@" in word)
    return {one for one in found if "." in one.rpartition("@")[2]}


def _name(text: str, address: str) -> str:
    name = text.strip(_AROUND)[:_LONGEST_NAME]
    return "" if normalise(name) == address else name
