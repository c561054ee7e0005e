"""What the values of settings must look like. Each check returns the value to use, or raises a
ValueError whose text says what is expected; empty means "not set" wherever that is allowed.
"""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from pydantic import SecretStr

_PASSWORD = re.compile(r"(?<=://)([^/@]*):[^@]*@")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


class Several(ValueError):
    """What is wrong with settings that depend on each other, by name."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in wrong.items()))
        self.wrong = wrong


def without_password(url: str) -> str:
    """`url` with `***` for the password, to be shown to people."""
    return _PASSWORD.sub(r"\1:***@", url)


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str, expected: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        ok = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket too many
        ok = False
        parts = urlsplit("")
    if not ok or re.search(r"\s", url):
        raise ValueError(f"expected {expected}")
    return parts


def _http(url: str, example: str) -> SplitResult:
    expected = f"an http or https URL such as {example}"
    parts = _split(url, expected)
    if (
        parts.scheme not in {"http", "https"}
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError(f"expected {expected}")
    return parts


def public_url(url: str) -> str:
    parts = _http(url, "https://crm.example.com")
    if parts.path.strip("/"):
        raise ValueError("expected a URL without a path, such as https://crm.example.com")
    if parts.scheme != "https" and not is_loopback(url):
        raise ValueError("expected https for a host that is not this machine")
    return url.rstrip("/")


def provider_url(url: str) -> str:
    parts = _http(url, "https://api.example.com")
    if parts.scheme != "https" and not is_loopback(url):
        raise ValueError("expected https: tokens and mail pass there (http only on this machine)")
    return url.rstrip("/")


def endpoint(url: str) -> str:
    if url and _http(url, "https://s3.example.com").path.strip("/"):
        raise ValueError("expected a URL without a path, such as https://s3.example.com")
    return url.rstrip("/")


def files_url(url: str) -> str:
    expected = "expected s3://bucket, s3://bucket/prefix or file:///folder"
    if not url or re.fullmatch(r"file:///[^?#]+", url):
        return url
    if not re.fullmatch(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[A-Za-z0-9!_.*'()/-]*)?", url):
        raise ValueError(expected)
    return url.rstrip("/")


def switch(value: object) -> object:
    """`true` or `false` as one writes it in the environment; other values pass."""
    if isinstance(value, str):
        if value.strip().lower() not in {"true", "false"}:
            raise ValueError("expected true or false")
        return value.strip().lower() == "true"
    return value


def graph_url(url: str) -> str:
    return url if urlsplit(url).path else f"{url}/v1.0"


def database_url(url: str) -> str:
    if not url or re.fullmatch(r"sqlite:///.+", url):
        return url
    if not url.startswith("postgresql+psycopg://") or re.search(r"\s", url):
        raise ValueError("expected postgresql+psycopg://user:password@host/name or sqlite:///file")
    return url


def redis_url(url: str) -> str:
    expected = "redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/redis.sock"
    if not url or re.match(r"unix://([^/@]*@)?/.", url):
        return url
    if _split(url, expected).scheme not in {"redis", "rediss"}:
        raise ValueError(f"expected {expected}")
    return url


def comma_separated(text: object) -> object:
    """A list as one writes it in the environment; other values pass."""
    if isinstance(text, str):
        return tuple(part for part in re.split(r"[,\s]+", text) if part)
    return text


def fernet_keys(given: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for number, key in enumerate(given, 1):
        try:
            Fernet(key.get_secret_value())
        except ValueError:
            expected = "expected Fernet keys (32 bytes in URL-safe base64), comma separated"
            raise ValueError(f"{expected}; number {number} is none") from None
    return given


def topic(name: str) -> str:
    return _resource(name, "topics")


def subscription(name: str) -> str:
    return _resource(name, "subscriptions")


def _resource(name: str, kind: str) -> str:
    if name and not re.fullmatch(rf"projects/[^/\s]+/{kind}/[^/\s]+", name):
        raise ValueError(f"expected projects/PROJECT/{kind}/NAME")
    return name


def smtp_url(url: str) -> str:
    expected = "smtp://user:password@host:587 or smtps://user:password@host"
    if not url:
        return url
    parts = _split(url, expected)
    if parts.scheme not in {"smtp", "smtps"} or parts.path.strip("/") or parts.query:
        raise ValueError(f"expected {expected}")
    return url.rstrip("/")


def sender(text: str) -> str:
    """An address, or a name with an address behind it."""
    found = re.fullmatch(r"(?:[^<>@\r\n]*<([^<>]+)>|([^<>]+))", text.strip())
    if text and not (found and _ADDRESS.fullmatch(found[1] or found[2])):
        raise ValueError("expected an e-mail address, or Name <address>")
    return text.strip()


def mail_address(text: str) -> str:
    if text and not _ADDRESS.fullmatch(text):
        raise ValueError("expected an e-mail address")
    return text


def tenant(name: str) -> str:
    if not _TENANT.fullmatch(name):
        raise ValueError("expected organizations, a tenant id or a tenant's domain")
    return name


def host_and_port(text: str) -> str:
    expected = "host:port such as 127.0.0.1:53"
    if text and not (_split(f"dns://{text}", expected).port and text.count("/") == 0):
        raise ValueError(f"expected {expected}")
    return text
