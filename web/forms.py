"""What forms and search boxes send, made tidy."""

from flask import request

from crm.addresses import normalise

LONGEST = 200
LONGEST_ID = 9  # digits
MOST = 1_000_000  # rows that can be paged through


def line(name: str) -> str:
    """One line of text, of a form or a search: without white space around and repeated in it."""
    text = request.form.get(name, request.args.get(name, ""))
    return " ".join(text.split())[:LONGEST]


def row_id(name: str) -> int | None:
    """The id in a form's field, None where it is empty; 0, which no row has, for what is no id."""
    text = request.form.get(name, "").strip()
    if not text:
        return None
    known = text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID
    return int(text) if known else 0


def page_start() -> int:
    """Where a list of numbered pages goes on."""
    return min(max(request.args.get("start", 0, type=int), 0), MOST)


def domain_of(text: str) -> str:
    """A domain in its ASCII form, '' where it is none."""
    domain = normalise(f"someone@{text.rstrip('.')}").rpartition("@")[2]
    return domain if "." in domain else ""
