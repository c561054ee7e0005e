"""The bytes of an attachment out of Gmail's answer, which is JSON with the file as one text in it.

An answer of 30 MB as one value would cost several times that in memory. So the text is taken out of
the JSON as it comes, and decoded piece by piece.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import httplib2
import requests
from google.auth.transport.requests import AuthorizedSession
from googleapiclient.errors import HttpError

from providers.client import CHUNK
from providers.gmail.errors import About, translated
from providers.gmail.transport import TIMEOUT, MailboxCredentials
from providers.tokens import TokenSource

_ON_THE_WIRE = CHUNK // 3 * 4  # bytes of base64 in one piece
_OPENING = re.compile(rb'\s*\{\s*"(?:data|raw)"\s*:\s*"')
_NOTHING = re.compile(rb"\s*\{\s*\}\s*")
_LONGEST_OPENING = 200
_CLOSING = re.compile(rb'["\\]')  # a backslash begins the padding, written as \u003d
_PADDING = re.compile(rb'(\\u003[dD]){0,2}"\s*\}\s*')
_MOST_REFUSAL = 100_000  # bytes of a refusal that are looked at


class Streams:
    """Answers of one mailbox that are read as they come, by the adapter's tokens and error table."""

    def __init__(self, access: TokenSource, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._session: AuthorizedSession | None = None
        self._access = access

    def text(self, url: str) -> Iterator[bytes]:
        """The decoded `data` or `raw`, the one field that `url` asks for."""
        with translated(About.MESSAGE, self._clock), self._ask(url) as answer:
            if answer.status_code != requests.codes.ok:
                raise HttpError(_httplib2(answer), _start(answer))
            yield from unwrapped(answer.iter_content(_ON_THE_WIRE))

    def close(self) -> None:
        if self._session is not None:
            self._session.close()  # type: ignore[no-untyped-call]

    def _ask(self, url: str) -> requests.Response:
        if self._session is None:
            self._session = AuthorizedSession(  # type: ignore[no-untyped-call]
                MailboxCredentials(self._access), max_refresh_attempts=1
            )
        answer: requests.Response = self._session.get(
            url,
            headers={"Accept-Encoding": "identity"},  # what is packed could unpack to any size
            stream=True,
            allow_redirects=False,
            timeout=TIMEOUT,
            hooks={"response": _let_go},
        )
        return answer


def _let_go(answer: requests.Response, **_: object) -> None:
    """Close what AuthorizedSession may keep to itself: it asks for a new token then, and where none is
    to be had nobody else would close the connection."""
    if answer.status_code == requests.codes.unauthorized:
        answer.close()


def unwrapped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes behind the base64url text that is the one field of a JSON object, in pieces not
    longer than what came. Raises ValueError where the answer is none or was cut short."""
    source = iter(chunks)
    held = _opened(source)
    if held is None:
        return
    while (closing := _CLOSING.search(held)) is None:
        whole = len(held) - len(held) % 4
        if whole:
            yield _plain(held[:whole])
        more = next(source, None)
        if more is None:
            raise ValueError("the answer ends within the file")
        held = held[whole:] + more
    rest = held[closing.start() :] + b"".join(source)
    if not _PADDING.fullmatch(rest):
        raise ValueError("the file is not the end of the answer")
    if closing.start():
        yield _plain(held[: closing.start()])


def _opened(source: Iterator[bytes]) -> bytes | None:
    """What follows the opening quotation mark; None for an object without a field."""
    held = b""
    for chunk in source:
        held += chunk
        if found := _OPENING.match(held):
            return held[found.end() :]
        if len(held) > _LONGEST_OPENING:
            break
    if _NOTHING.fullmatch(held):
        return None
    raise ValueError("the answer has no file")


def _plain(text: bytes) -> bytes:
    text = text.rstrip(b"=")
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _httplib2(answer: requests.Response) -> Any:
    """The answer's head as the error table has it."""
    head = {name.lower(): value for name, value in answer.headers.items()}
    return httplib2.Response({**head, "status": str(answer.status_code)})


def _start(answer: requests.Response) -> bytes:
    with suppress(requests.RequestException):
        return next(answer.iter_content(_MOST_REFUSAL), b"")
    return b""


def pieces(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of at most CHUNK."""
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]
