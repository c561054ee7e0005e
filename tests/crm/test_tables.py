"""The tables that are made while modules are imported: rules and their words, marks of subjects.

They are made anew here, for `make mutants` changes the code that makes them after it is imported.
"""

import importlib
import re
from collections import Counter
from pathlib import Path

from crm import kinds, subjects
from crm.model import Address, Headers, Kind, Place, Ref
from crm.rules import files, registry, team
from crm.rules.rule import Effect, Part
from crm.subject_marks import MARKS

MANUAL = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^### `([a-z-]+)`: (.+)\n((?:(?!^#).*\n)*)", re.MULTILINE)
EFFECTS = {
    Part.INCOMING: Effect.REFUSES,
    Part.SENT: Effect.LOGS,
    Part.LOGGING: Effect.REFUSES,
    Part.TEAM: Effect.REFUSES,
    Part.COPY: Effect.JOINS,
    Part.FILES: Effect.LIMITS,
}
UNUSUAL = {
    "reply": Effect.LOGS,
    "team": Effect.LOGS,
    "not-ticked": Effect.REFUSES,
    "forward-unreadable": Effect.REFUSES,
}
UNTESTED = {"reply", "sent-crm", "forward-unreadable", "duplicate"} | {
    rule.id for rule in registry.RULES if rule.part is Part.FILES
}


def made_anew():
    importlib.reload(files)
    return importlib.reload(registry).RULES


def test_rules_and_their_words_are_those_of_the_manual():
    rules = made_anew()
    sections = {
        rule: (title, " ".join(text.split())) for rule, title, text in SECTION.findall(MANUAL)
    }
    assert [*sections] == [rule.id for rule in rules]
    for rule in rules:
        title, text = sections[rule.id]
        assert rule.title == title
        assert text.startswith(rule.summary), rule.id
        assert rule.remedy in {"", "Nothing to do."} or f"What to do: {rule.remedy}" in text
        assert rule.sentence.endswith(".")
        assert rule.otherwise.endswith(".")
        assert (rule.test is None) is (rule.id in UNTESTED)
        if rule.test:
            assert rule.id.replace("-", "_") == rule.test.__name__
        assert rule.effect is UNUSUAL.get(rule.id, EFFECTS[rule.part])
    assert Counter(rule.part for rule in rules) == {
        Part.INCOMING: 15, Part.SENT: 8, Part.LOGGING: 1, Part.TEAM: 2, Part.COPY: 1, Part.FILES: 5,
    }  # fmt: skip


def test_rules_name_the_switches_that_turn_them():
    switches = {rule.id: rule.switches for rule in made_anew() if rule.switches}
    assert switches == {
        "automatic": ("skip_automatic",),
        "internal": ("log_internal",),
        "not-a-reply": ("log_all_known", "log_parent", "subject_changes_allowed"),
        "unknown-thread": ("log_all_known", "log_parent", "subject_changes_allowed"),
        "not-owner": ("any_connected_user",),
        "subject-changed": ("subject_changes_allowed",),
        "unknown-sender": ("log_unknown_sender", "log_all_known"),
        "sent-known": ("log_all_known",),
        "sent-in-thread": ("log_own_replies",),
        "not-ticked": ("log_all_known", "log_own_replies"),
    }


def test_marks_are_known_wherever_they_are_looked_for(now):
    for module in (subjects, kinds, team):
        importlib.reload(module)
    for marks in MARKS.values():
        for word in filter(None, ", ".join(marks).split(", ")):
            assert subjects.base_subject(f"{word}: Offer") == "offer", word
        for word in filter(None, marks.reply.split(", ")):
            assert team.is_forward(f"{word}: FW: Offer"), word
        for word in filter(None, marks.automatic.split(", ")):
            mail = Headers(Ref("1"), Place.FOLLOWED, now, Address("a@b.test"), subject=f"{word}: x")
            assert kinds.kind(mail) is Kind.AUTO_REPLY, word
