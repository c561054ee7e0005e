"""Changes of an account's settings as people and programs send them: checked by name, pure.

Values are those of JSON. What is wrong is told for each name, and then nothing should be stored.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from crm.addresses import normalise
from crm.model import AccountSettings, Switches
from crm.never_log_input import NotAnEntry, read_domain, read_entry
from crm.text import one_line

Value: TypeAlias = bool | int | str | tuple[str, ...]

OWN_DOMAINS = "own_domains"  # a list of its own in the database, one of the settings for people
LONGEST_LABEL = 100
LONGEST_FOLDER = 255
MOST_FOLDERS = 50
MOST_DOMAINS = 200
MOST_SERVERS = 20
MOST_LISTED = 1000
LARGEST_LIMIT = 150  # MiB; Microsoft sends no larger message, Gmail none near it

_SYSTEM_LABELS = frozenset(
    "inbox sent spam trash draft drafts unread starred important chat chats all muted".split()
)
_SERVER = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?")
_PUBLIC_HOSTS = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com icloud.com me.com "
    "aol.com gmx.de gmx.net web.de proton.me protonmail.com".split()
)


@dataclass(frozen=True, slots=True)
class Change:
    """Values to store, and for each name whose value is wrong what is wrong with it."""

    values: dict[str, Value] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def read_change(given: Mapping[str, object], current: AccountSettings) -> Change:
    """Check `given`, a part of all settings by name; `current` is what the rest is."""
    values: dict[str, Value] = {}
    errors: dict[str, str] = {}
    for name, value in given.items():
        reader = _READERS.get(name)
        if reader is None:
            errors[one_line(str(name))[:60]] = "There is no setting of this name."
            continue
        try:
            values[name] = reader(value)
        except ValueError as error:
            errors[name] = str(error)
    bcc = values.get("bcc_address", current.bcc_address)
    forwarding = values.get("forwarding_address", current.forwarding_address)
    if bcc and bcc == forwarding:
        for name in {"bcc_address", "forwarding_address"} & given.keys():
            errors.setdefault(name, "The BCC and the forwarding address must be two addresses.")
    return Change({name: values[name] for name in values if name not in errors}, errors)


def shown(settings: AccountSettings, own_domains: frozenset[str]) -> dict[str, Any]:
    """All settings by name, as `read_change` takes them."""
    plain = {each.name: getattr(settings, each.name) for each in fields(settings)}
    switches = plain.pop("switches")
    every = {each.name: getattr(switches, each.name) for each in fields(switches)} | plain
    every[OWN_DOMAINS] = tuple(sorted(own_domains))
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in every.items()
    }


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("This is either on or off: true or false.")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("This must be a text.")
    return one_line(value).strip()


def _label(value: object) -> str:
    label = " ".join(_text(value).split())
    if not label or len(label) > LONGEST_LABEL:
        raise ValueError(f"The label needs a name of at most {LONGEST_LABEL} characters.")
    if label.casefold() in _SYSTEM_LABELS:
        raise ValueError("The mailbox itself has a label of this name. Choose another one.")
    return label


def _address(value: object) -> str:
    text = _text(value)
    address = normalise(text)
    if text and not address:
        raise ValueError("This is not an e-mail address.")
    return address


def _limit(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("The limit must be a whole number of MiB.")
    if not 1 <= value <= LARGEST_LIMIT:
        raise ValueError(f"The limit must be between 1 and {LARGEST_LIMIT} MiB.")
    return value


def _each(read: Callable[[str], str], most: int) -> Callable[[object], tuple[str, ...]]:
    """A list of texts, each once whatever its case; the first wrong one is named."""

    def read_all(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise ValueError("This must be a list of texts.")
        found: dict[str, str] = {}
        for one in value:
            text = one_line(one).strip()
            if not text:
                continue
            try:
                entry = read(text)
            except NotAnEntry as error:
                raise ValueError(f"“{text[:60]}”: {error}") from None
            found.setdefault(entry.casefold(), entry)
        if len(found) > most:
            raise ValueError(f"At most {most} are possible; these are {len(found)}.")
        return tuple(found.values())

    return read_all


def _folder(text: str) -> str:
    if len(text) > LONGEST_FOLDER:
        raise NotAnEntry(f"A folder's name has at most {LONGEST_FOLDER} characters.")
    names = [name.strip() for name in text.strip("/").split("/")]
    if not all(names):
        raise NotAnEntry("A folder is named by its name or its path, as Customers/Old.")
    return "/".join(names)


def _server(text: str) -> str:
    if not _SERVER.fullmatch(text.lower()):
        raise NotAnEntry("This is not the name of a mail server, as mx.example.com.")
    return text.lower()


def _own_domain(text: str) -> str:
    domain = read_domain(text)
    if domain in _PUBLIC_HOSTS:
        raise NotAnEntry("Everybody can have an address there: it cannot be your own domain.")
    return domain


_SWITCHES = frozenset(each.name for each in fields(Switches))
_READERS: dict[str, Callable[[object], Value]] = {
    **dict.fromkeys(sorted(_SWITCHES), _switch),
    "log_attachments": _switch,
    "attachment_limit": _limit,
    "log_label": _label,
    "bcc_address": _address,
    "forwarding_address": _address,
    "followed_folders": _each(_folder, MOST_FOLDERS),
    "trusted_authserv_ids": _each(_server, MOST_SERVERS),
    "team_allow": _each(read_entry, MOST_LISTED),
    "team_deny": _each(read_entry, MOST_LISTED),
    OWN_DOMAINS: _each(_own_domain, MOST_DOMAINS),
}
