"""The demo plays itself from beginning to end, with nothing but what is in this folder."""

import os
import subprocess
import sys
from pathlib import Path

from crm.rules.registry import RULES
from crm.rules.rule import Part

ROOT = Path(__file__).parents[2]


def test_the_story_ends_as_it_must(tmp_path: Path) -> None:
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "replylog", "demo", "--once"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            **measured,
        },
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for words in (
        ("Ana's offer", "logged", "sent-label"),
        ("Ben's plan", "logged", "sent-bcc"),
        ("Bob answers", "logged", "reply"),
        ("junk", "refused", "junk"),
        ("new subject", "refused", "subject-changed"),
        ("stranger", "refused", "unknown-sender"),
        ("Joe's answer", "new subject:"),
        ("Would not be logged: its subject “invoice 7”",),
        ("✓", "never-log"),
        ("✗", "subject-changed"),
        ("Nothing of this was stored.",),
    ):
        assert any(all(word in line for word in words) for line in lines), words
    refused = {rule.id for rule in RULES if rule.part is Part.INCOMING} - {"reply"}
    shown = {line.split()[-2] for line in lines if " refused " in line}
    assert shown == refused
    assert any("duplicate" in line for line in lines)
    assert_nothing_private(next(tmp_path.rglob("log")).read_text())


def assert_nothing_private(log: str) -> None:
    """The log of a whole installation: no address, subject, token, code or state."""
    for word in ("@", "Offer 12", "Plan for May", "Invoice 7", "Good morning", "Fair", "ya29", "eyJ", "Bearer",
                 "code=", "state=", "oken=", "deltatoken"):  # fmt: skip
        assert word not in log, word
