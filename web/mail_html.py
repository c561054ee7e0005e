"""The HTML of a mail as a page of its own that can do nothing.

Two walls: nh3 keeps only harmless elements, and the page is shown in a sandboxed frame whose policy
forbids scripts, forms, plug-ins and, until somebody asks, every picture from elsewhere. A frame is
safer than a part of our own page: whatever passes the first wall still has no cookies to read,
cannot cover our buttons, and its styles end at its border.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape

import nh3

from crm.html_text import hostile, plain_text
from crm.text import clean as storable
from web.mail_quotes import fold

LONGEST = 400_000  # characters; what is longer is cut before it is cleaned
LONGEST_ENTIRE = 2_000_000  # and is only its text, where somebody wants to see all of it
DEEPEST = 1000  # elements within each other; nh3's time grows with their square


_TAG = re.compile(r"<[^<>]*>")


def _words(text: str) -> set[str]:
    return set(text.split())


_SIZES = {"width", "height", "align", "valign", "bgcolor"}
_TAGS = _words(
    "a abbr b bdi bdo big blockquote br caption center cite code col colgroup dd del div dl dt em"
    " font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span"
    " strike strong sub sup table tbody td tfoot th thead tr tt u ul var wbr"
)
_ATTRIBUTES = {
    "*": {"dir", "lang", "title", "style", "class", "id"},  # fold() needs class and id, drops them
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "font": {"color", "size", "face"},
    "table": _SIZES | {"border", "cellpadding", "cellspacing"},
    "td": _SIZES | {"colspan", "rowspan", "nowrap"},
    "th": _SIZES | {"colspan", "rowspan", "nowrap"},
    "tr": _SIZES,
    "col": {"span", "width"},
    "ol": {"start", "type"},
    "li": {"value"},
    "blockquote": {"type"},
    "div": {"align"},
    "p": {"align"},
}
_STYLES = _words(
    "background-color border border-bottom border-collapse border-left border-right border-spacing"
    " border-top color direction font font-family font-size font-style font-weight height"
    " letter-spacing line-height margin margin-bottom margin-left margin-right margin-top max-width"
    " padding padding-bottom padding-left padding-right padding-top text-align text-decoration"
    " text-indent text-transform vertical-align white-space width word-break"
)
_DROPPED_WHOLE = {"script", "style", "title", "head", "template", "noscript", "svg", "math"}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    clean_content_tags=_DROPPED_WHOLE,
    filter_style_properties=_STYLES,
    url_schemes={"http", "https", "mailto", "tel", "data", "cid"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    attribute_filter=lambda _tag, name, value: _attribute(name, value),
    strip_comments=True,
)

FRAME_FLAGS = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
_STYLE = """
:root { color-scheme: light; }
:root.plain { color-scheme: light dark; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; overflow-x: auto; }
img { max-width: 100%; height: auto; }
blockquote { margin: .5rem 0 .5rem .25rem; padding-left: .75rem; border-left: 3px solid #8888; }
pre { white-space: pre-wrap; }
body > :first-child { margin-top: 0; }
summary { cursor: pointer; padding: .6rem 0; color: #0b6b5d; }
@media (prefers-color-scheme: dark) { .plain :is(summary, a) { color: #6fd3c1; } }
summary:focus-visible { outline: 2px solid currentColor; }
.picture { border: 1px dashed #888; border-radius: 4px; padding: 0 .4rem; font-size: .875rem; }
"""


@dataclass(frozen=True, slots=True)
class Body:
    """A mail's HTML made harmless. `remote` counts the pictures that lie on other servers."""

    html: str
    remote: int
    plain: bool  # it brings no colours of its own, so that it may follow the reader's
    drawn: frozenset[str] = frozenset()  # Content-IDs of the mail's own pictures in it


def clean(html: str, pictures: bool = False, own: Mapping[str, str] | None = None) -> Body:
    """`html` without anything that acts, quotations folded. `own` tells where the pictures are that
    came with it, by Content-ID. With `pictures`, those on other servers are asked for when it is
    shown; else each is a word in a frame. What no mail program writes, but an attacker may, becomes
    plain text. Never raises on any input."""
    html = storable(html[:LONGEST])
    if hostile(html, DEEPEST):
        return text_page(plain_text(html))
    return _cleaned(html, pictures, own or {})


def entire(html: str, own: Mapping[str, str]) -> Body:
    """All of `html` (rule `view-entire`); as its bare text where it is too much to be cleaned in
    reasonable time, or hostile."""
    html = storable(html)
    if len(html) > LONGEST_ENTIRE or hostile(html, DEEPEST):
        return text_page(unescape(_TAG.sub("", html)))
    return _cleaned(html, False, own)


def _cleaned(html: str, pictures: bool, own: Mapping[str, str]) -> Body:
    safe = _CLEANER.clean(html)
    folded = fold(safe, pictures, own)
    plain = "color" not in safe.lower()
    return Body(folded.html, folded.remote, plain, folded.drawn)


def page(body: Body) -> str:
    """The document that a frame shows."""
    kind = ' class="plain"' if body.plain else ""
    return (
        f'<!doctype html><html lang="und"{kind}><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>Message</title>'
        f"<style>{_STYLE}</style></head><body>{body.html}</body></html>"
    )


def policy(pictures: bool) -> str:
    """The Content-Security-Policy of `page`."""
    images = "'self' data: https: http:" if pictures else "'self' data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {images}; script-src 'none'; "
        f"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox {FRAME_FLAGS}"
    )


def text_page(text: str) -> Body:
    """Plain text in the same shape."""
    return Body(f"<pre>{escape(text)}</pre>", 0, plain=True)


def _attribute(name: str, value: str) -> str | None:
    """Which values of an attribute stay: `data:` and `cid:` are for pictures alone."""
    if name == "href":
        return value if value.lower().startswith(("http:", "https:", "mailto:", "tel:")) else None
    if name == "src":
        wanted = ("http:", "https:", "cid:", "data:image/png", "data:image/jpeg", "data:image/gif")
        return value if value.lower().startswith(wanted) else None
    if name == "style" and any(word in value.lower() for word in ("url(", "expression", "\\", "@")):
        return None
    return value
