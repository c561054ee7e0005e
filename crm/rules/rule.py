"""What a rule is: a test over values, and the words that people read about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from crm.model import Context, Headers

Test: TypeAlias = Callable[[Headers, Context], bool]


class Part(StrEnum):
    """Which messages a rule is about."""

    INCOMING = "incoming"
    SENT = "sent"
    LOGGING = "logging"  # at the account's logging address
    TEAM = "team"
    COPY = "copy"
    FILES = "files"  # of logged ones


class Effect(StrEnum):
    """What it means for a message when a rule's test is true."""

    REFUSES = "refuses"
    LOGS = "logs"
    JOINS = "joins"  # no refusal: an entry exists, this copy is added to it
    LIMITS = "limits"  # no refusal: less of the e-mail is kept, or shown at first


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its id.

    `sentence` says what happened when the test was true, `otherwise` when it was not; both may
    name values in braces (`crm.rules.words.values`). `summary` needs no values. `remedy` is what
    a person can do about it. `switches` are those that the test reads; `test` is None where the
    store or a later step decides.
    """

    id: str
    part: Part
    effect: Effect
    title: str
    summary: str
    sentence: str
    otherwise: str
    remedy: str
    switches: tuple[str, ...] = ()
    test: Test | None = None
