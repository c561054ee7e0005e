"""What the tests of the pretend Google share: a client that holds every answer to the discovery
documents inside google-api-python-client, and an endpoint for pushes."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import googleapiclient
import httpx
import jsonschema

from tests.sandbox_process import Sandbox
from tests.waiting import patience

ANA = "ana@acme.test"
MARIA = "maria@globex.test"
ROOT = "https://www.googleapis.com/auth/gmail."
READ = ("openid", "email", f"{ROOT}readonly")
ALL = ("openid", "email", "https://mail.google.com/")
TOPIC = "projects/sandbox/topics/gmail"
DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"


@cache
def discovery(name: str) -> dict[str, Any]:
    """A discovery document, its schemas turned into closed JSON Schema."""
    document: dict[str, Any] = json.loads((DOCUMENTS / name).read_text(encoding="utf-8"))
    schemas = {name: _closed(schema) for name, schema in document["schemas"].items()}
    return {"$defs": schemas}


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: _closed(v) for k, v in schema.items() if k not in ("id", "format", "required")}
    if isinstance(schema.get("$ref"), str):
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    if "properties" in schema:
        kept["properties"] = {k: _closed(v) for k, v in schema["properties"].items()}
        kept["additionalProperties"] = False
    kept.pop("enumDescriptions", None)
    if kept.get("type") == "any":
        del kept["type"]
    if schema.get("format") in ("uint64", "int64"):
        kept["pattern"] = "^[0-9]+$"
    return kept


def check(answer: object, schema: str, document: str = "gmail.v1.json") -> None:
    """Raises when `answer` is not of that schema of the discovery document."""
    whole = {**discovery(document), "$ref": f"#/$defs/{schema}"}
    jsonschema.Draft202012Validator(whole).validate(answer)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def mime(**headers: str) -> bytes:
    """A small message; the key `text` is its body."""
    text = headers.pop("text", "Hello")
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, "", text]) + "\r\n").encode()


@dataclass
class Gmail:
    """A mailbox through the API."""

    sandbox: Sandbox
    address: str = ANA
    scopes: tuple[str, ...] = READ
    token: str = ""

    def __post_init__(self) -> None:
        granted = self.sandbox.post(
            "/control/google/token", address=self.address, scopes=list(self.scopes)
        )
        self.token = granted["access_token"]

    def ask(self, verb: str, path: str, body: object = None, **params: Any) -> httpx.Response:
        return self.sandbox.http.request(
            verb,
            f"/gmail/v1/users/me/{path}",
            json=body,
            params=params,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def get(self, path: str, schema: str, **params: Any) -> Any:
        answer = self.ask("GET", path, **params)
        assert answer.status_code == 200, answer.text
        check(answer.json(), schema)
        return answer.json()

    def post(self, path: str, schema: str, body: object = None) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 204:
            return None
        check(answer.json(), schema)
        return answer.json()

    def refused(self, verb: str, path: str, body: object = None, **params: Any) -> tuple[int, str]:
        """Status and reason of a refusal."""
        answer = self.ask(verb, path, body, **params)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        assert error["status"]
        return answer.status_code, error["errors"][0]["reason"]

    def cursor(self) -> str:
        found: str = self.get("profile", "Profile")["historyId"]
        return found

    def history(self, start: str, **params: Any) -> list[dict[str, Any]]:
        found = self.get("history", "ListHistoryResponse", startHistoryId=start, **params)
        records: list[dict[str, Any]] = found.get("history", [])
        return records

    def arrive(self, **mail: Any) -> str:
        """Mail from Maria (or `from_`); the id of Ana's copy."""
        given = {"from": mail.pop("from_", MARIA), "to": self.address, "subject": "Offer 12"}
        answer = self.sandbox.post("/control/mail", **{**given, "text": "Hello", **mail})
        found: str = answer["ids"][self.address]
        return found


@dataclass
class Push:
    body: dict[str, Any]
    token: str
    at: float

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(base64.b64decode(self.body["message"]["data"]))
        return found


@dataclass
class Endpoint:
    """Where pushes go; `status` answers them."""

    url: str = ""
    status: int = 204
    slow: float = 0.0
    pushes: list[Push] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def wait(self, count: int, seconds: float = 5.0) -> list[Push]:
        until(lambda: len(self.pushes) >= count, seconds)
        return self.pushes


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until `true()`; raises AssertionError when it takes too long."""
    end = time.monotonic() + patience(seconds)
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """A running endpoint."""
    kept = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            kept.texts.append(content.decode())
            if content.startswith(b"{"):
                kept.pushes.append(Push(json.loads(content), token, time.time()))
            time.sleep(kept.slow)
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    kept.url = f"http://127.0.0.1:{server.server_port}/webhooks/gmail"
    yield kept
    server.shutdown()
    server.server_close()
