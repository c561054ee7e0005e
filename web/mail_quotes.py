"""Quotations in the cleaned HTML of a mail folded into <details>, pictures from elsewhere held back.

One pass over tags that nh3 has written, so every element is well formed and closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from urllib.parse import unquote

_VOID = frozenset({"br", "hr", "wbr", "col"})
_QUOTES = frozenset({"gmail_quote", "yahoo_quoted", "protonmail_quote", "zmail_extra"})  # classes
_BORDERS = frozenset({"appendonsend", "divrplyfwdmsg"})  # ids; what follows is quotation
_OPEN = "<details><summary>Show the quoted messages</summary>"
_CLOSE = "</details>"
_TINY = frozenset({"0", "1"})  # the size of a picture that only tells that somebody reads

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Folded:
    """The HTML, how many pictures lie on other servers, and which of the mail's own are in it."""

    html: str
    remote: int
    drawn: frozenset[str]


def fold(safe: str, pictures: bool, own: Mapping[str, str]) -> Folded:
    """`safe` with each outermost quotation folded. Pictures that came with the mail (`cid:`) are
    asked for where `own` says.

    Where nothing would be left to see, nothing is folded.
    """
    writer = _written(safe, _Writer(pictures, own, folding=True))
    if writer.folded and not writer.shown:
        writer = _written(safe, _Writer(pictures, own, folding=False))
    return Folded("".join(writer.out), writer.remote, frozenset(writer.drawn))


def _written(safe: str, writer: "_Writer") -> "_Writer":
    writer.feed(safe)
    writer.close()
    if writer.border is not None:
        writer.out.append(_CLOSE)
    return writer


class _Writer(HTMLParser):
    def __init__(self, pictures: bool, own: Mapping[str, str], folding: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.remote = 0
        self.shown = False  # something is to be seen outside quotations
        self.folded = False
        self.border: int | None = None  # depth whose element ends a quotation that has no own one
        self._element: int | None = None  # depth of the element that is the quotation
        self._depth = 0
        self.drawn: set[str] = set()
        self._pictures = pictures
        self._own = own
        self._folding = folding

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "img":
            self._picture(given)
            return
        if self._folding and not self._inside:
            self._maybe_begin(tag, given)
        self.out.append(f"<{tag}{_attributes(given)}>")
        if tag not in _VOID:
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self.border is not None and self._depth == self.border:
            self.border = None
            self.out.append(_CLOSE)
        self._depth -= 1
        self.out.append(f"</{tag}>")
        if self._element is not None and self._depth == self._element:
            self._element = None
            self.out.append(_CLOSE)

    def handle_data(self, data: str) -> None:
        self.shown = self.shown or (not self._inside and bool(data.strip()))
        self.out.append(escape(data, quote=False))

    @property
    def _inside(self) -> bool:
        return self.border is not None or self._element is not None

    def _maybe_begin(self, tag: str, given: Attributes) -> None:
        classes = {name.lower() for name in given.get("class", "").split()}
        cited = tag == "blockquote" and given.get("type", "").lower() == "cite"
        if given.get("id", "").lower() in _BORDERS:
            self.border = self._depth
        elif cited or classes & _QUOTES:
            self._element = self._depth
        if self._inside:
            self.folded = True
            self.out.append(_OPEN)

    def _picture(self, given: Attributes) -> None:
        source = given.get("src", "").lower()
        if source.startswith("cid:"):
            name = unquote(given["src"][4:])
            source = self._own.get(name, "")
            given = {**given, "src": source}
            self.drawn |= {name} if source else set()
        if not source or {given.get("width"), given.get("height")} & _TINY:
            return
        elsewhere = source.startswith(("http:", "https:"))
        self.remote += elsewhere
        self.shown = self.shown or not self._inside
        if elsewhere and not self._pictures:
            label = escape(given.get("alt", "").strip() or "picture", quote=False)
            self.out.append(f'<span class="picture">{label}</span>')
        else:
            self.out.append(f"<img{_attributes(given)}>")


def _attributes(given: Attributes) -> str:
    kept = {name: value for name, value in given.items() if name not in {"class", "id"}}
    return "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
