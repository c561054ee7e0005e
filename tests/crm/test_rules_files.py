"""The rules about files and long bodies."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from crm.model import AccountSettings, Attachment, Content, FileState
from crm.rules.files import CUT, MIB, RULES, is_long, next_look, shown, state

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OFF = AccountSettings(log_attachments=False)
SMALL = AccountSettings(attachment_limit=1)
DEFAULT = AccountSettings()


@dataclass(frozen=True)
class Case:
    name: str
    becomes: FileState
    size: int = 1000
    message: int = 2000
    content: Content = Content.BYTES
    settings: AccountSettings = DEFAULT


# fmt: off
CASES = [
    Case("a file of a small message is read", FileState.WAITING),
    Case("an empty file is read", FileState.WAITING, size=0),
    Case("no file is read where attachments are off", FileState.OFF, settings=OFF),
    Case("off comes before too large", FileState.OFF, message=51 * MIB, settings=OFF),
    Case("a link is not kept either where attachments are off", FileState.OFF, content=Content.LINK, settings=OFF),
    Case("a message of exactly the limit keeps its files", FileState.WAITING, message=50 * MIB),
    Case("a message of a byte more does not", FileState.TOO_LARGE, message=50 * MIB + 1),
    Case("a small file of a large message is too large as well", FileState.TOO_LARGE, size=1, message=60 * MIB),
    Case("a file of exactly the limit is read", FileState.WAITING, size=50 * MIB, message=0),
    Case("a file over it is not, whatever the message is said to have", FileState.TOO_LARGE, size=50 * MIB + 1, message=0),
    Case("an account may keep less", FileState.TOO_LARGE, message=MIB + 1, settings=SMALL),
    Case("and keeps what is within that", FileState.WAITING, message=MIB, settings=SMALL),
    Case("a placeholder is looked at again", FileState.PENDING, content=Content.SCANNED),
    Case("a placeholder of a large message is too large", FileState.TOO_LARGE, message=51 * MIB, content=Content.SCANNED),
    Case("a link to a cloud has nothing to keep", FileState.LINK, content=Content.LINK),
    Case("a link in a large message is a link", FileState.LINK, message=60 * MIB, content=Content.LINK),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_becomes_of_a_file(case):
    file = Attachment("2", "a.pdf", "application/pdf", case.size, content=case.content)
    assert state(file, case.message, case.settings) is case.becomes


def test_a_scanned_file_is_looked_for_after_two_five_and_ten_minutes():
    waits = [next_look(NOON, looks) for looks in range(3)]
    assert waits == [NOON + timedelta(minutes=minutes) for minutes in (2, 5, 10)]
    assert next_look(NOON, 3) is None


@pytest.mark.parametrize(
    ("body", "long"),
    [("x" * CUT, False), ("x" * (CUT + 1), True), ("ü" * (CUT // 2), False), ("ü" * CUT, True)],
    ids=["100 KiB", "a byte more", "100 KiB of umlauts", "twice that"],
)
def test_a_body_over_100_kib_is_long(body, long):
    assert is_long(body) is long
    assert (shown(body) != body) is long
    assert body.startswith(shown(body))


def test_a_body_is_cut_between_characters():
    assert shown("x" + "ü" * CUT).endswith("ü")
    assert len(shown("x" + "ü" * CUT).encode()) == CUT - 1


def test_every_state_that_says_why_a_file_is_missing_is_a_rule():
    ids = {rule.id for rule in RULES} - {"view-entire"}
    assert ids == {each.value for each in FileState} - {"waiting", "stored", "link"}


def test_a_body_that_no_charset_can_hold_is_cut_all_the_same():
    assert shown("a\ud800b") == "a?b"
    assert is_long("\ud800" * (CUT + 1))
    assert not is_long("\ud800" * CUT)
