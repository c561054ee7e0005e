"""The table of causes in docs/reconnect.md, made from `providers.causes`.

`python -m providers.causes_table` writes it anew; a test holds the document to the code.
"""

from pathlib import Path

from infra.documents import put
from providers import causes
from providers.causes import Cause

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "reconnect.md"


def table() -> str:
    """Both tables, as Markdown."""
    return "\n\n".join(
        (
            "For the mailbox's owner:",
            _rows(list(causes.OWNER_CAUSES.values())),
            "For who runs the installation (the mailbox is tried again every quarter of an hour):",
            _rows(list(causes.OPERATOR_CAUSES.values())),
        )
    )


def _rows(of: list[Cause]) -> str:
    lines = ["| cause | what the provider said | what the person reads | what to do |"]
    lines.append("|---|---|---|---|")
    lines += [f"| `{each.id}` | {each.said} | {each.sentence} | {each.action} |" for each in of]
    return "\n".join(lines)


def inserted(document: str) -> str:
    """`document` with the tables in their place."""
    return put(document, "causes", table())


def main() -> None:
    DOCUMENT.write_text(inserted(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
