"""Rule ids are the same in the specification, in the code, in the manual and in the tables of tests."""

import re
from pathlib import Path

import pytest

from crm.rules import files
from crm.rules.registry import RULES
from crm.store.settings import PLAIN, SWITCHES
from tests.crm import test_rules, test_rules_elsewhere

ROOT = Path(__file__).parents[2]
SPEC = ROOT.parent / "shared" / "spec" / "logging-rules.md"
MANUAL = ROOT / "docs" / "rules.md"

NEEDS_SPEC = pytest.mark.skipif(not SPEC.is_file(), reason="no ../shared/spec beside the project")

IN_SENTENCES = {  # ids that the specification names outside of its tables
    "duplicate",
    "not-ticked",
    "forward-unreadable",
    "not-authentic",
    "denied",
    "attachment-unavailable",
}
OURS = {  # what the specification describes without an id: the journal needs one for each verdict
    "reply": "part A, after the table: passed, the reply is logged",
    "forwarded": "part B, forwarding address: logged as received from the original sender",
    "team": "part C: becomes part of a conversation and is logged",
}
DECIDED_ELSEWHERE = {  # no row in the tables of `decide`
    "sent-crm": "known by its Message-ID when its copy is read (store)",
    "duplicate": "known by its Message-ID or its text (store)",
    "forward-unreadable": "known when the body was read (tests of forwards)",
} | {rule.id: "about files and bodies: test_rules_files.py" for rule in files.RULES}
IDS = [rule.id for rule in RULES]


def test_ids_are_unique():
    assert len(set(IDS)) == len(IDS)


@NEEDS_SPEC
def test_settings_have_the_names_of_the_specification():
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", SPEC.read_text(encoding="utf-8")))
    assert len(named) == 10
    assert named <= {*SWITCHES, *PLAIN}


@NEEDS_SPEC
def test_the_code_has_the_ids_of_the_specification():
    text = SPEC.read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    assert {rule for rule in IN_SENTENCES if f"`{rule}`" in text} == IN_SENTENCES
    assert named | IN_SENTENCES | set(OURS) == set(IDS)
    assert not named & set(OURS)


def test_the_manual_has_the_ids_in_the_order_of_the_code():
    text = MANUAL.read_text(encoding="utf-8")
    assert re.findall(r"^### `([a-z-]+)`", text, re.MULTILINE) == IDS


def test_every_rule_decides_a_row_of_a_table():
    rows = {case.rule for case in (*test_rules.CASES, *test_rules_elsewhere.CASES)}
    assert rows | set(DECIDED_ELSEWHERE) == set(IDS)
    assert not rows & set(DECIDED_ELSEWHERE)
