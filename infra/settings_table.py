"""The settings for people: the table in the documents, and `.env.example`. Made from the code.

`python -m infra.settings_table` writes both anew; a test holds them to the code.
"""

from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from infra.documents import put
from infra.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "docs/settings.md")
EXAMPLE = ".env.example"
IN_WORDS = {  # defaults that depend on something
    "var": "`./var`",
    "database_url": "SQLite file under `./var`",
    "redis_url": "the embedded Redis under `./var`",
    "secret_keys": "made on first start under `./var` for one machine, demanded otherwise",
    "smtp_url": "none: no mail is sent",
    "files_url": "folder `files` under `./var`",
    "files_s3_endpoint": "Amazon's",
    "files_s3_region": "`us-east-1`",
    "files_s3_access_key_id": "none: the machine's own role",
    "files_s3_path_style": "`false`",
    "google_client_id": "none: Gmail is off",
    "microsoft_client_id": "none: Microsoft is off",
    "webhooks_to_private_addresses": "`false`",
    "dns_server": "the system's resolver",
}
_INTRODUCTION = """\
# Settings of replylog, also read from a file `.env` in the working folder.
# Every line is optional; a line that is commented out shows the default, or is empty for none.
"""


def _default(field: FieldInfo) -> str:
    value = field.default
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| name | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        plain = _default(field)
        default = IN_WORDS.get(name) or (f"`{plain}`" if plain else "none")
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def example() -> str:
    """The text of `.env.example`."""
    parts = [_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        words = f" (default: {IN_WORDS[name]})" if name in IN_WORDS else ""
        value = "" if name in IN_WORDS else _default(field)
        parts.append(f"# {field.description}{words}\n#{PREFIX}{name.upper()}={value}\n")
    return "\n".join(parts)


def inserted(document: str) -> str:
    """`document` with the table in its place."""
    return put(document, "settings", table())


def main() -> None:
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(inserted(path.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / EXAMPLE).write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main()
