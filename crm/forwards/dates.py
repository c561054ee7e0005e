"""The date above a forwarded message, as mail programs write it in the languages of their users."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from crm.text import one_line

_LONGEST = 120
# Beginnings of month names; the longest one counts. What means two months in two languages
# (listopad: October or November) is left out.
_MONTHS = (
    "jan jän janv ian ene gen led sij oca янв січ sty ιαν ian sau tam",
    "feb fév fev úno velj şub фев лют lut φεβ hel",
    "mar mär bře ožu мар бер μαρ maa mrt kov",
    "apr avr abr ápr dub travnj апр кві απρ huh nis kwi bal",
    "may mai maj mei mag máj maí mayı kvě svib tou мая май тра μαι μαΐ geg",
    "jun juin jún giu čvn červn červen lipnj kes июн чер haz ιουν cze birž",
    "jul juil júl lug čvc červenc srpnj lipc hei июл лип tem ιουλ liep",
    "aug aoû aou ágú ago srpna kolov elo авг сер ağu αυγ sie rugp",
    "sep set zář ruj syys szept сен вер eyl σεπ wrz rugs",
    "oct okt out ott říj lok окт жов eki οκτ paź spal",
    "nov noi marras stud listopadu ноя лис kas νοε lapk",
    "dec dez dic déc gru prosin jou дек гру ara δεκ",
)
_BEGINNINGS = sorted(
    ((start, number) for number, words in enumerate(_MONTHS, 1) for start in words.split()),
    key=lambda pair: -len(pair[0]),
)
_ZONES = {
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
    "gmt": 0, "utc": 0, "wet": 0, "bst": 1, "west": 1, "cet": 1, "mez": 1, "seč": 1, "cest": 2,
    "mesz": 2, "selč": 2, "eet": 2, "oez": 2, "oesz": 3, "eest": 3, "msk": 3, "jst": 9, "kst": 9,
}  # fmt: skip

_WORD = r"([^\W\d_]{3,20})"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_NAMED = (
    (re.compile(rf"\b{_DAY}[. ]{{0,3}}(?:de |d')?{_WORD}[., ]{{0,3}}(?:de )?(\d{{4}})"), "dmy"),
    (re.compile(rf"{_WORD}[. ]{{1,3}}{_DAY}[., ]{{1,3}}(\d{{4}})"), "mdy"),
    (re.compile(rf"(\d{{4}})[. ]{{1,3}}{_WORD}[. ]{{1,3}}(\d{{1,2}})\b"), "ymd"),
)
_YEAR_FIRST = re.compile(
    r"(\d{4})(?:[-/.] ?|[年년] ?)(\d{1,2})(?:[-/.] ?|[月월] ?)(\d{1,2})(?!\d)日?"
)
_DOTTED = re.compile(r"(?<!\d)(\d{1,2})\. ?(\d{1,2})\. ?(\d{4}|\d{2}(?=[ ,]))")
_SLASHED = re.compile(r"(?<!\d)(\d{1,2})([/-])(\d{1,2})\2(\d{4}|\d{2}(?=[ ,]))")
_TIME = re.compile(r"(?<!\d)(\d{1,2})[:.h时時](\d{2})(?:[:.分](\d{2}))?(?!\d)")
_AFTERNOON = re.compile(r"\d ?p\.? ?m\b|下午|午後|오후")
_MORNING = re.compile(r"\d ?a\.? ?m\b|上午|午前|오전")
_OFFSET = re.compile(r"(?:gmt|utc|\s|\()([+-])(\d{1,2}):?(\d{2})?(?!\d)")
_NAME = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,4}(?![^\W\d_])")


def read(value: str, english: bool) -> datetime | None:
    """`value` in UTC; None where it cannot be read or may mean two days.

    A time without a zone is taken for UTC. `english`: whether the word before it was, for
    02/10/2023 is the tenth of February there where clocks have a.m. and p.m.
    """
    text = one_line(value[: 2 * _LONGEST])[:_LONGEST].casefold()
    found = _day(text, english and bool(_AFTERNOON.search(text) or _MORNING.search(text)))
    if found is None:
        return None
    year, month, day, rest = found
    hour, minute, second = _time(rest)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=_zone(rest))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(text: str, american: bool) -> tuple[int, int, int, str] | None:
    """Year, month, day, and the text without them."""
    named = _named_day(text)
    if named is not None:
        return named
    if match := _YEAR_FIRST.search(text):
        return int(match[1]), int(match[2]), int(match[3]), _without(text, match)
    if match := _DOTTED.search(text):
        return _year(match[3]), int(match[2]), int(match[1]), _without(text, match)
    if match := _SLASHED.search(text):
        first, second = int(match[1]), int(match[3])
        if american or second > 12:
            first, second = second, first
        elif first <= 12:
            return None
        return _year(match[4]), second, first, _without(text, match)
    return None


def _named_day(text: str) -> tuple[int, int, int, str] | None:
    """The same, where the month has a name."""
    for pattern, order in _NAMED:
        if match := pattern.search(text):
            parts = dict(zip(order, match.groups(), strict=True))
            month = _month(parts["m"])
            if month:
                return int(parts["y"]), month, int(parts["d"]), _without(text, match)
    return None


def _without(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]} {text[match.end() :]}"


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _month(word: str) -> int:
    return next((number for start, number in _BEGINNINGS if word.startswith(start)), 0)


def _time(text: str) -> tuple[int, int, int]:
    match = _TIME.search(text)
    if match is None:
        return 0, 0, 0
    hour = int(match[1])
    if _AFTERNOON.search(text) and hour < 12:
        hour += 12
    elif _MORNING.search(text) and hour == 12:
        hour = 0
    return hour, int(match[2]), int(match[3] or 0)


def _zone(text: str) -> tzinfo:
    match = _OFFSET.search(text)
    if match:
        shift = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(-shift if match[1] == "-" else shift)
    names = (_ZONES.get(word) for word in _NAME.findall(text))
    return timezone(timedelta(hours=next((hours for hours in names if hours is not None), 0)))
