"""A visitor without a browser: follows links and fills in forms, for the story that plays itself."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = 20.0  # seconds


class Lost(Exception):
    """The page is not what the story expects; the text says which page and what it showed."""


@dataclass
class Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)  # text, name, value


class _Page(HTMLParser):
    """Collects a page's forms, links and visible words."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []  # text, address
        self.words: list[str] = []
        self._link: str | None = None
        self._button: tuple[str, str] | None = None
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in {"script", "style", "template"}:
            self._hidden += 1
        elif tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "a":
            self._link = given.get("href")
        elif tag == "button":
            self._button = (given.get("name", ""), given.get("value", ""))
        elif tag in {"input", "textarea"} and self.forms:
            self._input(given, "checked" in given)

    def _input(self, given: dict[str, str], checked: bool) -> None:
        kind, name = given.get("type", "text"), given.get("name", "")
        if kind == "submit":
            self.forms[-1].buttons.append((given.get("value", ""), name, given.get("value", "")))
        elif name and (kind not in {"checkbox", "radio"} or checked):
            self.forms[-1].fields.append((name, given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "template"}:
            self._hidden -= 1
        elif tag == "a":
            self._link = None
        elif tag == "button":
            self._button = None

    def handle_data(self, data: str) -> None:
        if self._hidden or not data.strip():
            return
        self.words.append(data.strip())
        if self._link is not None:
            self.links.append((data.strip(), self._link))
        if self._button and self.forms:
            name, value = self._button
            self.forms[-1].buttons.append((data.strip(), name, value))


class Walker:
    """One visitor with cookies. Every step raises Lost when the page refuses it."""

    def __init__(self, base: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # everything is on this machine, whatever proxy is set
        self._session.headers["Accept"] = "text/html"
        self.url = base
        self.text = ""
        self._page = _Page()

    def go(self, path: str) -> "Walker":
        """Open a page, relative to the one we are on."""
        return self._take(self._session.get(urljoin(self.url, path), timeout=TIMEOUT))

    def press(self, button: str, **filled: str) -> "Walker":
        """Press the button whose text contains `button`, with `filled` put into its form."""
        for form in self._page.forms:
            for text, name, value in form.buttons:
                if button.lower() in text.lower():
                    return self._submit(form, (name, value), filled)
        raise self._lost(f"no button {button!r}")

    def follow(self, link: str) -> "Walker":
        """Follow the link whose text contains `link`."""
        for text, address in self._page.links:
            if link.lower() in text.lower():
                return self.go(address)
        raise self._lost(f"no link {link!r}")

    def _submit(self, form: Form, pressed: tuple[str, str], filled: dict[str, str]) -> "Walker":
        fields = [(name, value) for name, value in form.fields if name not in filled]
        fields += list(filled.items())
        if pressed[0]:
            fields.append(pressed)
        target = urljoin(self.url, form.action or self.url)
        headers = {"Referer": self.url}
        if form.method == "post":
            answer = self._session.post(target, data=fields, headers=headers, timeout=TIMEOUT)
        else:
            answer = self._session.get(target, params=fields, headers=headers, timeout=TIMEOUT)
        return self._take(answer)

    def _take(self, answer: requests.Response) -> "Walker":
        self._page = _Page()
        self._page.feed(answer.text)
        self.url, self.text = answer.url, " ".join(self._page.words)
        if answer.status_code >= 400:
            raise self._lost(f"status {answer.status_code}")
        return self

    def _lost(self, what: str) -> Lost:
        return Lost(f"{what} at {self.url.partition('?')[0]}: {self.text[:300]}")
