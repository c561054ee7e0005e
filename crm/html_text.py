"""HTML as plain text, in one pass over its tags.

Parsers that build a tree take minutes for some hostile mail of a few hundred kilobytes.
"""

import html as entities
import re

from crm.text import clean

LONGEST = 2_000_000  # characters of HTML that are looked at
_DEEPEST = 8  # levels of quotation that are shown

_TOKEN = re.compile(
    r"<!--(?:.*?--!?>|.*)"
    r"|<(?P<close>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9:]*+)(?:[^<>\"']|\"[^\"<>]*+\"?|'[^'<>]*+'?)*+>?"
    r"|<[!?][^>]*+>?"
    r"|(?P<text>[^<]++|<)",
    re.DOTALL,
)
_HIDDEN = frozenset({"script", "style", "head", "title", "template", "noscript", "svg", "select"})
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "center",
        "dd",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "section",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_PARAGRAPHS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6", "p", "pre"])
_CELLS = frozenset({"td", "th"})
_SPACE = re.compile(r"[ \t\r\n\f\xa0\u200b\u200c\ufeff]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


def plain_text(html: str) -> str:
    """`html` as plain text: blocks on lines of their own, quotations behind '> '."""
    source = clean(html[:LONGEST])
    page, position = _Page(), 0
    while match := _TOKEN.match(source, position):
        position = match.end()
        tag = (match["tag"] or "").lower()
        if match["text"]:
            page.text(match["text"])
        elif tag in _HIDDEN and not match["close"]:
            position = _after(source, f"</{tag}", position)
        elif tag:
            page.tag(tag, bool(match["close"]))
    return page.finish()


def _after(source: str, closing: str, position: int) -> int:
    found = re.compile(re.escape(closing), re.IGNORECASE).search(source, position)
    return found.start() if found else len(source)


class _Page:
    """Lines of text as they are written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.words: list[str] = []
        self.depth = 0
        self.preformatted = False

    def text(self, text: str) -> None:
        text = entities.unescape(text) if "&" in text else text
        if not self.preformatted:
            self.words.append(_SPACE.sub(" ", text))
            return
        for index, line in enumerate(text.split("\n")):
            if index:
                self.end_line()
            self.words.append(line.rstrip("\r"))

    def tag(self, tag: str, closing: bool) -> None:
        if tag == "br":
            self.end_line()
        elif tag == "blockquote":
            self.block()
            self.depth = max(self.depth + (-1 if closing else 1), 0)
        elif tag in _CELLS:
            self.words.append(" ")
        elif tag == "li":
            self.block()
            self.words.append("" if closing else "- ")
        elif tag in _BLOCKS or tag in _PARAGRAPHS:
            self.block()
            if tag in _PARAGRAPHS and closing:
                self.end_line()
            if tag == "pre":
                self.preformatted = not closing

    def block(self) -> None:
        if "".join(self.words).strip():
            self.end_line()
        self.words = []

    def end_line(self) -> None:
        line = "".join(self.words)
        line = line.rstrip() if self.preformatted else _SPACE.sub(" ", line).strip()
        self.lines.append("> " * min(self.depth, _DEEPEST) + line if line else "")
        self.words = []

    def finish(self) -> str:
        self.block()
        return clean(_EMPTY_LINES.sub("\n\n", "\n".join(self.lines)).strip())
