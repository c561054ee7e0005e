"""Which part of a plain text is new, and which is the history below it. Quotes are hidden, never lost."""

import re

_LONGEST_LINE = 400  # a line that introduces a quotation is short
_INTRODUCTION = re.compile(
    r"^\s*(?:on|am|le|el|il|op|em|den|dnia|pada|kl|vào|ons?|tor|fre|man|tis|tir|lør|søn)\b.{4,}"
    r"(?:wrote|schrieb|[ée]crit|escribi[óo]|ha scritto|schreef|escreveu|skrev|napisał(?:\(a\))?"
    r"|kirjoitti|menulis|đã viết)"
    r".{0,80}:\s*$"
    r"|^\s*\S.{3,}(?:wrote|schrieb|skrev|kirjoitti|写道|寫道|написал(?:а|\(а\))?|пише|yazdı|のメール)\s*[:：]\s*$",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"^\s*(?:-{2,}\s*(?:original|forwarded|urspr|weitergeleitet|message d|messaggio|mensaje|mensagem"
    r"|oorspronkelijk|originele?|opprinnelig|oprindelig|alkuper|пересыл|исходн|原始|转发|轉寄).{0,60}"
    r"|_{20,}\s*)$",
    re.IGNORECASE,
)
# The header block Outlook puts above a quotation: From, then Sent or To soon after.
_FROM = re.compile(
    r"^[\s*>]*(?:from|von|de|da|van|fra|från|od|kimden|lähettäjä|от|发件人|寄件者|差出人)\s?[*]?\s*[:：]",
    re.IGNORECASE,
)
_SENT = re.compile(
    r"^[\s*>]*(?:sent|date|gesendet|datum|envoyé|enviado|inviato|verzonden|sendt|skickat|wysłano"
    r"|gönderme tarihi|lähetetty|отправлено|发送时间|寄件日期|送信日時|to|an|à|para|a|aan|til|till|do)\s?[*]?\s*[:：]",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^-- ?$")


def fold(text: str) -> tuple[str, str]:
    """`text` as (what is new, quoted history); joined they are `text` again.

    Where nothing new would be left (answers between the quoted lines, or forwarded text alone),
    all of it is new.
    """
    lines = text.splitlines(keepends=True)
    last = _last_new_line(lines)
    cut = next(
        (index for index in range(len(lines)) if _starts_history(lines, index, last)), len(lines)
    )
    if cut == len(lines):
        cut = _before_trailing_quote(lines)
    new = "".join(lines[:cut])
    return (new, "".join(lines[cut:])) if new.strip() else (text, "")


def snippet(text: str, length: int = 200) -> str:
    """The first characters of what is new in `text`, in one line, without quotes and signature."""
    words: list[str] = []
    size = 0
    for line in fold(text)[0].splitlines():
        if _SIGNATURE.match(line) and words:
            break
        if not line.lstrip().startswith(">"):
            words += line[: length + 1].split()
            size += len(line) + 1
        if size > 2 * length:
            break
    line = " ".join(words)
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _starts_history(lines: list[str], index: int, last: int) -> bool:
    line = lines[index]
    if len(line) > _LONGEST_LINE or not line.strip():
        return False
    if _SEPARATOR.match(line):
        return True
    if _FROM.match(line):
        return any(_SENT.match(other[:_LONGEST_LINE]) for other in lines[index + 1 : index + 4])
    if _ends_with_colon(line) and _INTRODUCTION.match(line):
        return _quote_follows(lines, index, last)
    if index + 1 < len(lines) and _ends_with_colon(lines[index + 1]):
        both = line.rstrip("\r\n") + " " + lines[index + 1][:_LONGEST_LINE]
        return bool(_INTRODUCTION.match(both)) and _quote_follows(lines, index + 1, last)
    return False


def _ends_with_colon(line: str) -> bool:
    return line.rstrip().endswith((":", "："))


def _quote_follows(lines: list[str], index: int, last_new: int) -> bool:
    """Whether the rest is quotation: answers between quoted lines are not cut."""
    near = [line.lstrip() for line in lines[index + 1 : index + 4] if line.strip()]
    return last_new <= index or not (near and near[0].startswith(">"))


def _last_new_line(lines: list[str]) -> int:
    """Index of the last line above the signature that is neither empty nor quoted, or -1."""
    end = next((index for index, line in enumerate(lines) if _SIGNATURE.match(line)), len(lines))
    new = (
        index
        for index in range(end - 1, -1, -1)
        if lines[index].strip(" \t\r\n")[:1] not in {"", ">"}
    )
    return next(new, -1)


def _before_trailing_quote(lines: list[str]) -> int:
    cut = len(lines)
    while cut and (not lines[cut - 1].strip() or lines[cut - 1].lstrip().startswith(">")):
        cut -= 1
    quoted = any(line.lstrip().startswith(">") for line in lines[cut:])
    return cut if quoted else len(lines)
