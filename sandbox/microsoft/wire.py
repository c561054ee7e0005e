"""A request to the pretend Graph and the answer to it, the same for HTTP and for members of $batch."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

_FRACTION = re.compile(r"\.\d+")

Json: TypeAlias = dict[str, Any]


@dataclass
class Answer:
    """Status, a body (JSON value, bytes or None) and headers."""

    status: int
    body: Json | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


class GraphError(Exception):
    """Graph's way to say no; `code` is what a client may look at."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def answer(self, client_request_id: str = "") -> Answer:
        request_id = str(uuid.uuid4())
        inner = {
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": request_id,
            "client-request-id": client_request_id or request_id,
        }
        body = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        return Answer(self.status, body, {"request-id": request_id, **self.headers})


def not_found() -> GraphError:
    text = "The specified object was not found in the store."
    return GraphError(404, "ErrorItemNotFound", text)


def bad_request(message: str, code: str = "BadRequest") -> GraphError:
    return GraphError(400, code, message)


@dataclass
class Call:
    """One request. `root` is the Graph base the client used, without a trailing slash."""

    method: str
    path: str  # below /v1.0, decoded, without a leading slash
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    data: bytes = b""
    root: str = ""

    def __post_init__(self) -> None:
        pairs = parse_qsl(self.query, keep_blank_values=True)
        self.options = {name.lower(): value for name, value in pairs}

    def option(self, name: str) -> str:
        """A query option, with or without the dollar ("$select", "select"); "" when not given."""
        return self.options.get(f"${name}", self.options.get(name, ""))

    def number(self, name: str, default: int, most: int = 1000) -> int:
        """A whole number of the query, `most` at most; raises GraphError 400."""
        text = self.option(name)
        if not text:
            return default
        if not text.isdigit():
            text = f"Invalid value '{text}' for ${name} query option found."
            raise bad_request(text, "RequestBroker--ParseUri")
        return min(int(text), most)

    def preferences(self) -> dict[str, str]:
        """The Prefer header as a mapping in lower case, values without quotes."""
        found = {}
        for part in self.headers.get("prefer", "").split(","):
            name, _, value = part.strip().partition("=")
            if name:
                found[name.strip().lower()] = value.strip().strip('"')
        return found

    @property
    def immutable(self) -> bool:
        return self.preferences().get("idtype", "").lower() == "immutableid"

    def json(self) -> Json:
        """The body as a JSON object, {} when empty; raises GraphError 400."""
        if not self.data.strip():
            return {}
        try:
            value = json.loads(self.data)
        except ValueError:
            text = "Unable to read JSON request payload. Please ensure Content-Type header is set."
            raise bad_request(text) from None
        if not isinstance(value, dict):
            raise bad_request("Unable to read JSON request payload.")
        return value


def stamp(when: datetime) -> str:
    """A time as Graph writes it: UTC, whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> datetime:
    """An ISO 8601 time, UTC when it has no zone; raises ValueError."""
    # Seven digits of a second, which Graph writes and accepts, are more than datetime reads.
    text = _FRACTION.sub(lambda found: found.group()[:7], text)
    when = datetime.fromisoformat(text.strip())
    return when if when.tzinfo else when.replace(tzinfo=UTC)
