"""Contacts in a CSV file: a row in, a contact or the reason why not out. Reads lines as they come.

The header may be in any letter case and order; other columns are ignored. The delimiter is the one
with which the header makes most sense.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crm.addresses import normalise
from crm.text import one_line

DELIMITERS = ",;\t|"
LONGEST = 300  # characters of a name or a company
_EMAIL = re.compile(r"e?mails?(address)?\d*(value)?")
_COMPANY = frozenset({"company", "companyname", "organisation", "organization"})
_NAME = frozenset({"name", "fullname", "contact", "contactname"})


class NotAContactFile(Exception):
    """Nothing (more) of the file can be read; the text says why, with the line."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A contact of the file. `line` is where its row begins, from 1."""

    line: int
    name: str
    addresses: tuple[str, ...]  # normalised, the first one first
    company: str


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a row things stand."""

    name: int | None
    company: int | None
    addresses: tuple[int, ...]
    number: int


def read(lines: Iterable[bytes]) -> Iterator[FileRow | BadRow]:
    """The rows of a file, given as the lines of a binary stream. Raises NotAContactFile."""
    texts = _texts(lines)
    skipped, header = next(
        ((number, text) for number, text in enumerate(texts, 1) if text.strip()), (0, "")
    )
    delimiter, columns = _header(header)
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(line, f"{error} (read up to line {skipped + reader.line_num})")
            continue
        if any(cell.strip() for cell in cells):
            yield _row(line, cells, columns)


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    """Physical lines, with whatever ends them: \\n, \\r\\n or \\r."""
    number = 0
    for raw in lines:
        try:
            text = raw.decode("utf-8-sig" if number == 0 else "utf-8")
        except UnicodeDecodeError as error:
            before = raw[: error.start].count(b"\r")
            message = f"line {number + before + 1} is not UTF-8: save the file as UTF-8"
            raise NotAContactFile(message) from None
        if "\x00" in text:
            message = f"line {number + 1} holds a NUL character: this is no text file"
            raise NotAContactFile(message)
        for one in io.StringIO(text, newline=""):
            number += 1
            yield one


def _header(text: str) -> tuple[str, _Columns]:
    if not text:
        raise NotAContactFile("the file is empty")
    found = [(_columns(_cells(text, each)), each) for each in DELIMITERS]
    columns, delimiter = max(found, key=lambda pair: _recognised(pair[0]))
    if not columns.addresses:
        raise NotAContactFile("the first line names no column `email`")
    return delimiter, columns


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text.strip(), newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def _columns(cells: Sequence[str]) -> _Columns:
    names = [re.sub(r"[\W_]", "", cell.casefold()) for cell in cells]
    return _Columns(
        next((at for at, name in enumerate(names) if name in _NAME), None),
        next((at for at, name in enumerate(names) if name in _COMPANY), None),
        tuple(at for at, name in enumerate(names) if _EMAIL.fullmatch(name)),
        len(names),
    )


def _recognised(columns: _Columns) -> int:
    named = (columns.name, columns.company)
    return len(columns.addresses) + sum(each is not None for each in named)


def _row(line: int, cells: Sequence[str], columns: _Columns) -> FileRow | BadRow:
    if any(cell.strip() for cell in cells[columns.number :]):
        return BadRow(line, "more cells than the header has columns")
    addresses: list[str] = []
    for cell in (_cell(cells, at) for at in columns.addresses):
        for part in filter(None, (each.strip() for each in re.split(r"[;,]", cell))):
            address = normalise(part)
            if not address:
                return BadRow(line, f"{part[:100]!r} is no e-mail address")
            addresses.append(address)
    if not addresses:
        return BadRow(line, "no e-mail address")
    name, company = _cell(cells, columns.name), _cell(cells, columns.company)
    if max(len(name), len(company)) > LONGEST:
        return BadRow(line, f"a name has more than {LONGEST} characters")
    return FileRow(line, name, tuple(dict.fromkeys(addresses)), company)


def _cell(cells: Sequence[str], at: int | None) -> str:
    return one_line(cells[at]) if at is not None and at < len(cells) else ""
