"""E-mail addresses: one form to compare them in, and reading them out of headers."""

import re
import unicodedata
from collections.abc import Iterable

import idna

from crm.model import Address, NeverLog

LONGEST = 512  # characters; a database index over longer ones fails


def normalise(text: str) -> str:
    """The form in which addresses are stored and compared; '' when `text` is no address.

    Lower case, ASCII (IDNA) domain, no trailing dot. Plus tags and Unicode local parts stay.
    """
    raise NotImplementedError


def parse_list(values: str | Iterable[str]) -> tuple[Address, ...]:
    """The addresses in one or several header values, in order. Never raises."""
    raise NotImplementedError


def in_domains(address: str, domains: Iterable[str]) -> bool:
    """Whether a normalised address belongs to one of `domains` itself (not to a sub-domain)."""
    raise NotImplementedError


def listed(address: str, never_log: NeverLog) -> bool:
    """Whether a normalised address is on a Never Log list (rule `never-log`)."""
    raise NotImplementedError
