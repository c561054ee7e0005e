"""The corpus of email-forward-parser (tests/mail/forwards/README.md), and what it should give."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from crm.model import Address, Headers, Message, Place, Ref

FOLDER = Path(__file__).parents[1] / "mail" / "forwards" / "corpus"
ME = Address("ana@ourcompany.test", "Ana")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SUBJECT = "Integer consequat non purus"
HEAD = 1500  # characters from the head on that hold its addresses
DAYS = frozenset(
    date(*each)
    for each in [
        (2021, 7, 16), (2021, 10, 25), (2021, 10, 26), (2021, 10, 27), (2021, 10, 28),
        (2021, 11, 2), (2021, 11, 3), (2022, 7, 1), (2022, 7, 19), (2022, 8, 17), (2022, 9, 19),
        (2023, 2, 10), (2023, 4, 6),
    ]
)  # fmt: skip
TO = ("bessie.berry@acme.com", "suzanne@globex.corp")
CC = ("walter.sheltan@acme.com", "nicholas@globex.corp")


def around(text: str, subject: str = "", html: str = "", sender: Address = ME) -> Message:
    """A message with this text, as the forwarder sent it."""
    headers = Headers(Ref("m1"), Place.SENT, NOON, sender, subject=subject)
    return Message(headers, text, html)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file should give. `sender` '' stands for nothing: an answer, or no address is there."""

    sender: str = "john.doe@acme.com"
    to: frozenset[str] = frozenset()
    cc: frozenset[str] = frozenset()


def files() -> Iterator[tuple[str, Message, Expected]]:
    """(name, message, what is expected) of each body."""
    for path in sorted(FOLDER.glob("*_body*.txt")):
        text = path.read_text(encoding="utf-8")
        yield path.name, around(text, _subject(path.name)), _expected(path.name, text)


def _subject(name: str) -> str:
    client = name.split("_body")[0]
    wanted = [name.replace("_body", "_subject")]
    if "_variant_4" not in name:  # those are answers
        wanted += [f"{client}_subject.txt", f"{client.rpartition('_')[0]}_subject.txt"]
    paths = (FOLDER / each for each in wanted)
    found = (path.read_text(encoding="utf-8").strip() for path in paths if path.exists())
    return next(found, "Re: x" if "_variant_4" in name else f"Fwd: {SUBJECT}")


def _expected(name: str, text: str) -> Expected:
    if "_variant_4" in name or name.startswith("unknown"):
        return Expected(sender="")
    if name.startswith("outlook_2019"):  # one sentence, without recipients
        return Expected()
    start = text.find("john.doe@acme.com")
    head = text[max(0, start - 300) : start + HEAD].partition("Aenean quis")[0]
    return Expected(
        to=frozenset(each for each in TO if each in head),
        cc=frozenset(each for each in CC if each in head),
    )


def addresses(people: tuple[Address, ...]) -> frozenset[str]:
    return frozenset(each.address for each in people)
