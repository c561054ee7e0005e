"""Posting to URLs that people outside wrote down: to the address that was checked, within a time.

The name is looked up once, the address is checked, and that address is connected to
(requests-hardened): a name that changes in between, or a redirect, leads nowhere else. Of the
answer only its head is read.
"""

import logging
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress, filter_host
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
SECONDS = 15.0  # for all of it, however slowly the answer drips
LONGEST_URL = 2000
AGENT = "replylog-webhooks/1"

logging.getLogger("requests_hardened").setLevel(logging.ERROR)  # it would log host and address
_now = threading.local()  # the `_Line` of the post that this thread makes


class WrongUrl(ValueError):
    """Nothing is posted there; the text says why."""


class NotPosted(Exception):
    """No answer came. `error` is a class of failures: never a text from outside."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said. `after`: the seconds that it asks to be let be, 0 for none."""

    status: int
    after: float = 0.0


def check(url: str, anywhere: bool = False) -> str:
    """`url` as it is stored. Raises WrongUrl; what a name leads to is only seen when posting."""
    url = url.strip()
    parts = _parts(url)
    if parts.scheme not in ("https", "http"):
        raise WrongUrl("Write the whole address, beginning with https://.")
    if parts.scheme != "https" and not anywhere:
        raise WrongUrl("Only https:// is posted to: events tell about people.")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise WrongUrl("Write it as https://host/path, without a user or a password.")
    if parts.fragment or len(url) > LONGEST_URL:
        raise WrongUrl(f"Leave out what follows #, and use at most {LONGEST_URL} characters.")
    if not anywhere and _is_number(parts.hostname):
        try:
            filter_host(parts.hostname, parts.port or 443, allow_loopback=False)
        except requests.RequestException:
            raise WrongUrl("This address is not on the public internet.") from None
    return url


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise WrongUrl("This is no address that can be posted to.") from None
    if any(each.isspace() or not each.isprintable() for each in url):
        raise WrongUrl("An address has no spaces in it.")
    return parts


def _is_number(host: str) -> bool:
    """Whether the host is an address and no name, in any of the ways that resolvers take."""
    with suppress(OSError):
        socket.inet_pton(socket.AF_INET6, host)
        return True
    with suppress(OSError):
        socket.inet_aton(host)
        return True
    return False


def post(url: str, headers: Mapping[str, str], body: bytes, anywhere: bool = False) -> Answer:
    """Post, and give the status of the answer, whatever it is. Raises NotPosted: also for a URL that
    was written down when more was allowed."""
    line = _now.line = _Line()
    timer = threading.Timer(SECONDS, line.cut)
    timer.daemon = True
    try:
        check(url, anywhere)
        timer.start()
        with (
            _session(anywhere) as session,
            session.post(
                url,
                data=body,
                headers={**headers, "User-Agent": AGENT},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            after = _seconds(response.headers.get("Retry-After", ""))
            if not line.was_cut:  # else its head may be half there
                return Answer(response.status_code, after)
            raise NotPosted("Timeout")
    except requests.RequestException as error:
        raise NotPosted("Timeout" if line.was_cut else _class_of(error)) from None
    except (OSError, ValueError) as error:
        raise NotPosted("Timeout" if line.was_cut else type(error).__name__) from None
    finally:
        timer.cancel()
        line.close()


def _session(anywhere: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy or .netrc of the machine
    for scheme in ("https", "http"):
        is_https = scheme == "https"
        session.mount(f"{scheme}://", _Plain() if anywhere else _Checked(is_https))
    return session


def _class_of(error: requests.RequestException) -> str:
    classes: tuple[tuple[type[Exception], str], ...] = (
        (InvalidIPAddress, "ForbiddenAddress"),
        (requests.Timeout, "Timeout"),
        (requests.exceptions.SSLError, "TLSError"),
        (requests.ConnectionError, "ConnectionError"),
    )
    return next((name for kind, name in classes if isinstance(error, kind)), type(error).__name__)


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


class _Line:
    """The connection of one post, which another thread cuts when its time is up."""

    def __init__(self) -> None:
        self.was_cut = False
        self._ends: list[socket.socket] = []

    def hold(self, end: socket.socket) -> None:
        self._ends.append(end.dup())  # TLS takes the socket over: this one stays ours
        if self.was_cut:
            self.cut()

    def cut(self) -> None:
        self.was_cut = True
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in self._ends:
            end.close()


class _Held:
    """A connection that tells its line of its socket."""

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc] # of urllib3's
        _now.line.hold(made)
        return made


class _Http(_Held, HTTPConnection):
    pass


class _Https(_Held, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Plain(HTTPAdapter):
    """Connections that can be cut."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class _Checked(_Plain, IPFilterAdapter):  # type: ignore[misc] # ships no types
    """To public addresses alone."""
