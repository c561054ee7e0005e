"""The tables that are made while modules are imported: rules and their words, marks of subjects.

`make mutants` credits whatever runs at import to the first test of all, so this one comes first.
"""

import re
from pathlib import Path

from crm.kinds import kind
from crm.model import Address, Headers, Kind, Place, Ref
from crm.rules.registry import RULES
from crm.rules.rule import Effect, Part
from crm.rules.team import is_forward
from crm.subject_marks import MARKS
from crm.subjects import base_subject

MANUAL = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^### `([a-z-]+)`: (.+)\n((?:(?!^#).*\n)*)", re.MULTILINE)
UNUSUAL = {
    "reply": Effect.LOGS,
    "not-ticked": Effect.REFUSES,
    "forward-unreadable": Effect.REFUSES,
}


def test_the_tables_are_whole(now):
    sections = {
        rule: (title, " ".join(text.split())) for rule, title, text in SECTION.findall(MANUAL)
    }
    for rule in RULES:
        title, text = sections[rule.id]
        assert rule.title == title
        assert text.startswith(rule.summary), rule.id
        assert (
            not rule.remedy
            or rule.remedy == "Nothing to do."
            or f"What to do: {rule.remedy}" in text
        )
        assert rule.sentence.endswith(".")
        assert rule.otherwise.endswith(".")
        if rule.test:
            assert rule.id.replace("-", "_") == rule.test.__name__
        if rule.part in {Part.INCOMING, Part.SENT}:
            usual = Effect.LOGS if rule.part is Part.SENT else Effect.REFUSES
            assert rule.effect is UNUSUAL.get(rule.id, usual)
    for marks in MARKS.values():
        for word in filter(None, ", ".join(marks).split(", ")):
            assert base_subject(f"{word}: Offer") == "offer", word
        for word in filter(None, marks.reply.split(", ")):
            assert is_forward(f"{word}: FW: Offer"), word
        for word in filter(None, marks.automatic.split(", ")):
            mail = Headers(Ref("1"), Place.FOLLOWED, now, Address("a@b.test"), subject=f"{word}: x")
            assert kind(mail) is Kind.AUTO_REPLY, word
