"""Plain text out of the HTML that Exchange wraps around mail written as plain text.

Exchange gives such a body as HTML: each line escaped and ended by `<br>`, all of it in one
`<div class="PlainText">`. Asking for text instead would cost a second request, for it would lose
the HTML of the others. A quoted older message may have such a part too, but not at the start.
"""

import re
from html.parser import HTMLParser

_OPENING = re.compile(
    r"""\s*(<html[^>]*>)?\s*(<head[^>]*>.*?</head>)?\s*(<body[^>]*>)?\s*"""
    r"""(<font[^>]*>)?\s*(<span[^>]*>)?\s*<div class=["']PlainText["']>""",
    re.DOTALL | re.IGNORECASE,
)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag == "br":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("\r", "").replace("\n", "").replace("\xa0", " "))


def written_text(html: str) -> str | None:
    """The text that was written, or None where `html` is not such a body."""
    opening = _OPENING.match(html)
    if opening is None:
        return None
    reader = _Text()
    reader.feed(html[opening.end() :])
    reader.close()
    return "".join(reader.parts)
