"""Counts of what is read right in forwarded mail: by us, and by the library that we started from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from emailforwardparser.forward_parser import get_forwarded_metadata

from crm.forwards.original import Forwarded, original
from crm.messages import plain_text
from crm.model import Message
from tests.forwards import corpus
from tests.forwards.cases import CASES, Case
from tests.forwards.corpus import DAYS, SUBJECT, addresses, around


@dataclass
class Figures:
    """Of `files`, `wanted` have a sender to be found. Fields are counted where the sender is right."""

    files: int = 0
    wanted: int = 0
    right: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def judge(self, name: str, wanted: str, got: str) -> bool:
        """Count a sender; whether it is the one that was wanted."""
        self.files += 1
        self.wanted += bool(wanted)
        if got and got != wanted:
            self.wrong.append(name)
        elif wanted and not got:
            self.missed.append(name)
        elif wanted:
            self.right["sender"] += 1
        return bool(wanted) and got == wanted


def of_corpus() -> Figures:
    """Ours, on the corpus."""
    figures = Figures()
    for name, message, expected in corpus.files():
        found = original(message)
        if figures.judge(name, expected.sender, found.sender.address if found else "") and found:
            figures.right.update(
                {
                    "subject": found.subject == SUBJECT,
                    "date": found.date is not None and found.date.date() in DAYS,
                    "to": addresses(found.to) == expected.to,
                    "cc": addresses(found.cc) == expected.cc,
                    "body": found.text.startswith("Aenean quis diam urna."),
                }
            )
    return figures


def of_library(messages: Iterator[tuple[str, Message, str]]) -> Figures:
    """The library's, on (name, message, sender)."""
    figures = Figures()
    for name, message, sender in messages:
        found = get_forwarded_metadata(message.text, message.headers.subject)
        figures.judge(name, sender, found.email.from_.address if found.forwarded else "")
    return figures


def of_cases() -> Figures:
    """Ours, on our own cases."""
    figures = Figures()
    for case in CASES:
        found = original(message_of(case))
        figures.judge(case.name, case.sender, found.sender.address if found else "")
    return figures


def message_of(case: Case) -> Message:
    """The message that a case describes."""
    if case.html:
        return around(plain_text(case.text), case.subject, case.text)
    return around(case.text, case.subject)


def differences(case: Case, found: Forwarded) -> list[str]:
    """What of `found` is not as the case has it."""
    day = found.date.date().isoformat() if found.date else "none"
    checks = {
        "name": case.display is None or found.sender.name == case.display,
        "subject": found.subject == case.about,
        "day": not case.day or day == case.day,
        "to": case.to is None or tuple(each.address for each in found.to) == case.to,
        "body": found.text.startswith(("We take twelve.", "------", "From: ")),
        "end": not found.text.endswith("---"),
    }
    return [name for name, same in checks.items() if not same]
