"""Sizes that keep the code readable: short files, short functions, empty `__init__.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("crm", "infra", "providers", "replylog", "sandbox", "scripts", "tests", "web")
FOLDERS += ("webhooks", "workers")
FILE_LINES = 400
FUNCTION_LINES = 40
WRITTEN_BY_ALEMBIC = "crm/migrations/versions"  # each is one long list of columns
LONG_FUNCTIONS: dict[str, str] = {}  # "file:function": the reason why it may be longer


def ours() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.is_relative_to(ROOT / WRITTEN_BY_ALEMBIC):
                yield path


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file with its number of lines, docstring and decorators left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield f"{named(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_no_file_is_long():
    sizes = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ours()}

    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_no_function_is_long():
    sizes = {name: size for path in ours() for name, size in functions(path)}

    long = {name for name, size in sizes.items() if size > FUNCTION_LINES}
    assert long == set(LONG_FUNCTIONS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_package_says_what_it_is_and_does_nothing(folder: str):
    for path in (ROOT / folder).rglob("__init__.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        assert len(module.body) == 1, named(path)
        assert (ast.get_docstring(module) or "").strip(), named(path)
