"""The runbook names every metric that the code has, and is the same everywhere."""

import ast
import re
from pathlib import Path

from web import runbook
from web.runbook import ENTRIES

ROOT = Path(__file__).parents[2]
FOLDERS = ("crm", "infra", "providers", "replylog", "web", "webhooks", "workers")
MAKERS = {"counter", "gauge", "histogram"}


def metrics():
    """The names of all metrics, as they are made."""
    found = []
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name in MAKERS and node.args and isinstance(node.args[0], ast.Constant):
                        found.append(str(node.args[0].value))
    return found


def test_every_metric_stands_in_the_runbook_once_with_what_it_tells():
    told = [name for each in ENTRIES for name, notice in each.metrics if notice]

    assert len(metrics()) > 20, "the search finds none"
    assert sorted(told) == sorted(set(metrics()))


def test_every_entry_says_what_it_means_and_what_to_do():
    assert all(each.means and each.do and each.title for each in ENTRIES)
    assert len({each.id for each in ENTRIES}) == len(ENTRIES)


def test_the_file_is_what_the_page_shows():
    assert runbook.FILE.read_text(encoding="utf-8") == runbook.markdown(), "run `make docs`"


def test_the_file_has_an_anchor_for_each_row():
    text = runbook.FILE.read_text(encoding="utf-8")

    assert re.findall(r'<a id="([\w-]+)"></a>', text) == [each.id for each in ENTRIES]
