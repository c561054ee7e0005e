"""The documents name the settings that the code has, word for word."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from infra import settings_table
from infra.settings import PREFIX, Settings, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", settings_table.DOCUMENTS)
def test_the_table_in_a_document_is_the_codes(name: str):
    text = (ROOT / name).read_text(encoding="utf-8")

    assert settings_table.inserted(text) == text, "run `make docs`"


def test_the_example_file_is_the_codes():
    text = (ROOT / settings_table.EXAMPLE).read_text(encoding="utf-8")

    assert settings_table.example() == text, "run `make docs`"


def test_the_example_file_with_every_line_in_force_changes_nothing(tmp_path: Path):
    lines = (ROOT / settings_table.EXAMPLE).read_text(encoding="utf-8").splitlines()
    file = tmp_path / "all.env"
    file.write_text("\n".join(line.removeprefix("#") for line in lines if line.startswith("#R")))

    assert len(dotenv_values(file)) == len(Settings.model_fields)
    assert load(file) == load(None)


def test_every_setting_says_what_it_is_for():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_names_in_the_documents_exist():
    words = (ROOT / "README.md").read_text(encoding="utf-8").replace("`", " ").split()
    named = {word.strip(".,:;()|") for word in words if word.startswith(PREFIX)}

    assert {name.partition("=")[0].lower().removeprefix("replylog_") for name in named} <= set(
        Settings.model_fields
    )


def test_a_document_without_markers_is_refused():
    with pytest.raises(ValueError, match="no <!-- settings -->"):
        settings_table.inserted("# Nothing here\n")
