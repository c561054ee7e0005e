"""HTML as plain text: nh3 makes it well formed, html2text writes it down.

Both have input on which their time grows with the square of its length; that is turned away first.
"""

import re
from collections import Counter
from html import unescape

import nh3
from html2text import HTML2Text

from crm.text import clean

LONGEST = 400_000  # characters of HTML that are looked at,
_LONGEST_CLEANED = 100_000  # and of what is left without styles, attributes and unknown elements
DEEPEST = 300  # elements within each other
_MOST_ROOTS = 20  # nh3 compares the attributes of each with all before
_MOST_ESCAPES = 30_000_000_000  # times characters: nh3 moves the rest of a text for each
_CUT = "\n\n[…]"

_DROPPED_WHOLE = {
    "script",
    "style",
    "head",
    "title",
    "template",
    "noscript",
    "svg",
    "math",
    "select",
}
_KEPT = "p br div blockquote pre ul ol li table tr td th h1 h2 h3 h4 h5 h6 hr dl dt dd"
_CLEANER = nh3.Cleaner(tags=set(_KEPT.split(" ")), attributes={}, clean_content_tags=_DROPPED_WHOLE)

_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*+)")
_ANY_TAG = re.compile(r"<[^<>]*+>?")
_LEFT_OPEN = {"area", "br", "col", "hr", "img", "input", "link", "meta", "p", "li", "wbr"}
_EMPTY_LINES = re.compile(r"\n{3,}")


def plain_text(html: str) -> str:
    """`html` as plain text: blocks on lines of their own, quotations behind '> '.

    What is too long ends in '[…]'; what no mail program writes only loses its tags.
    """
    source = clean(html[:LONGEST])
    if hostile(source, DEEPEST):
        text, cut = unescape(_ANY_TAG.sub(" ", source)), False
    else:
        cleaned = _CLEANER.clean(source)
        cut = len(cleaned) > _LONGEST_CLEANED
        text = _Writer().handle(cleaned[:_LONGEST_CLEANED].rpartition("<")[0] if cut else cleaned)
    lines = (line.rstrip() for line in clean(text).replace("\xa0", " ").split("\n"))
    text = _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
    return text + _CUT if cut or len(html) > LONGEST else text


def hostile(html: str, deepest: int) -> bool:
    """Whether nh3 would take long: elements too deep within each other, seen from the tags alone,
    or too much to escape."""
    if (html.count("&") + html.count("\xa0")) * len(html) > _MOST_ESCAPES:
        return True
    html = html.lower()
    if html.count("<html") + html.count("<body") > _MOST_ROOTS:
        return True
    depth = 0
    opened: Counter[str] = Counter()
    for end, tag in _TAG.findall(html):
        if not end and tag not in _LEFT_OPEN:
            opened[tag] += 1
            depth += 1
        elif opened[tag]:  # an end of what is not open closes nothing
            opened[tag] -= 1
            depth -= 1
        if depth > deepest:
            return True
    return False


class _Writer(HTML2Text):
    """Text for people, where html2text would write Markdown."""

    def __init__(self) -> None:
        super().__init__(bodywidth=0)
        self.ignore_links = self.ignore_images = self.ignore_emphasis = True
        self.ignore_tables = self.unicode_snob = True
        self.ul_item_mark = "-"

    def handle_data(self, data: str, entity_char: bool = False) -> None:  # noqa: ARG002
        """Text, of which no character is escaped."""
        super().handle_data(data, entity_char=True)

    def handle_tag(self, tag: str, attrs: dict[str, str | None], start: bool) -> None:
        """No empty lines between the elements that mail programs make of lines; cells apart."""
        if tag == "div":
            self.pbr()
        elif tag not in {"td", "th"}:
            super().handle_tag(tag, attrs, start)
        elif not start:
            self.o(" ")
