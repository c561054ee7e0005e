"""What the tests of the pretend Graph share: a client that holds every answer to Microsoft's own
description, and a webhook that can be slow or refuse."""

import gzip
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jsonschema

from tests.sandbox_process import Sandbox
from tests.waiting import patience

BEN = "ben@acme365.test"
SCOPES = [
    "openid",
    "profile",
    "offline_access",
    "User.Read",
    "Mail.Read",
    "Mail.ReadWrite",
    "Mail.Send",
    "MailboxSettings.Read",
    "MailboxSettings.ReadWrite",
]
DESCRIPTION = Path(__file__).parents[2] / "sandbox" / "schemas" / "graph-mail-openapi.json.gz"


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The description, with objects closed: no property it does not know, but annotations."""
    whole: dict[str, Any] = json.loads(gzip.decompress(DESCRIPTION.read_bytes()))
    schemas = whole["components"]["schemas"]
    known = {}
    for name, schema in schemas.items():
        derived = [
            part["$ref"].rpartition("/")[2] for part in schema.get("anyOf", []) if "$ref" in part
        ]
        own = schema.get("properties", {})
        known[name] = {
            k: v for d in derived for k, v in schemas[d].get("properties", {}).items()
        } | own
    for name, schema in schemas.items():
        if "properties" in schema and name != "error":
            schema.pop("anyOf", None)
            schema["properties"] = known[name]
            schema["patternProperties"] = {"@": {}}
            schema["additionalProperties"] = False
    return whole


def _template(path: str) -> dict[str, Any] | None:
    plain = re.sub(r"\('([^']*)'\)", r"/\1", path)
    parts = ["me" if p == "me-token-to-replace" else p for p in plain.strip("/").split("/")]
    for template, operations in description()["paths"].items():
        steps = template.strip("/").replace("delta()", "delta").split("/")
        pairs = zip(steps, parts, strict=False)
        if len(steps) == len(parts) and all(
            s.startswith("{") or s.lower() == p.lower() for s, p in pairs
        ):
            found: dict[str, Any] = operations
            return found
    return None


def check(method: str, path: str, status: int, body: Any) -> None:
    """Fail unless the answer is one that Microsoft's description allows."""
    operations = _template(path)
    assert operations is not None, f"not described: {path}"
    operation = operations.get(method.lower())
    if operation is None:
        assert status >= 400, f"not described: {method} {path}"
        return
    family = f"{status // 100}XX" if status >= 400 else str(status)
    answers = operation["responses"]
    good = next((a for code, a in answers.items() if code.startswith("2")), {})
    answer = answers.get(family, good)
    if status >= 400:
        answer = description()["components"]["responses"]["error"]
    content = answer.get("content", {}).get("application/json")
    if content is None or not isinstance(body, dict):
        return
    schema = {**content["schema"], "components": description()["components"]}
    if "properties" in content["schema"] and status < 400:
        schema |= {"patternProperties": {"@": {}}, "additionalProperties": False}
    jsonschema.Draft202012Validator(schema).validate(body)


@dataclass
class Client:
    """One person's access. Every answer is checked."""

    sandbox: Sandbox
    address: str = BEN
    token: str = ""
    prefer: str = ""
    scopes: list[str] = field(default_factory=lambda: list(SCOPES))

    def __post_init__(self) -> None:
        if not self.token:
            found = self.control("token", scopes=self.scopes)
            self.token = found["access_token"]

    def control(self, name: str, /, **body: Any) -> Any:
        body.setdefault("address", self.address)
        return self.sandbox.post(f"/control/microsoft/{name}", **body)

    def switch(self, name: str, value: Any) -> None:
        self.control("switch", name=name, value=value)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request below /v1.0 (or an absolute URL of a link)."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if self.prefer and "Prefer" not in headers:
            headers["Prefer"] = self.prefer
        url = path if path.startswith("http") else f"/v1.0{path}"
        answer = self.sandbox.http.request(method, url, headers=headers, **options)
        kind = answer.headers.get("Content-Type", "")
        body = answer.json() if kind.startswith("application/json") else None
        inner = urlsplit(url).path.removeprefix("/v1.0")
        check(method, inner, answer.status_code, body)
        return answer

    def get(self, path: str, /, **params: Any) -> Any:
        """JSON of a GET that must succeed; parameters get their dollar."""
        query = {f"${name}": value for name, value in params.items()}
        answer = self.call("GET", path, **({"params": query} if query else {}))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, /, **body: Any) -> httpx.Response:
        return self.call("POST", path, json=body)

    def folder(self, name: str) -> str:
        found: str = self.get(f"/me/mailFolders/{name}", select="id")["id"]
        return found

    def inbox(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/me/mailFolders/inbox/messages", top=100)["value"]
        return found

    def deliver(self, **mail: Any) -> str:
        """Mail from Maria to the person, unless told otherwise; the immutable id."""
        body = {
            "from": "maria@globex.test",
            "to": [self.address],
            "subject": "Hello",
            "text": "Hi Ben",
        }
        found = self.sandbox.post("/control/mail", **{**body, **mail})
        key: str = found["ids"].get(self.address, "")
        return key

    def round(self, url: str, **params: Any) -> tuple[list[dict[str, Any]], str]:
        """Delta pages until the deltaLink: all items and the link."""
        items: list[dict[str, Any]] = []
        page = self.get(url, **params)
        while True:
            items += page["value"]
            if "@odata.deltaLink" in page:
                return items, page["@odata.deltaLink"]
            page = self.get(page["@odata.nextLink"])


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


def until(test: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Wait until `test` gives something true."""
    end = time.monotonic() + patience(seconds)
    while time.monotonic() < end:
        found = test()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


class Webhook:
    """An endpoint for notifications. `statuses` are used up first, then 202; `slow`: seconds per
    answer; `echo` makes the answer to a validation token."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.validations: list[str] = []
        self.statuses: list[int] = []
        self.slow = 0.0
        self.echo: Callable[[str], tuple[int, str, str]] = lambda token: (200, "text/plain", token)
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                token = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0]
                if token:
                    hook.validations.append(token)
                    self.answer(*hook.echo(token))
                    return
                hook.bodies.append(json.loads(raw))
                time.sleep(hook.slow)
                self.answer(hook.statuses.pop(0) if hook.statuses else 202, "text/plain", "")

            def answer(self, status: int, kind: str, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> "Webhook":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for body in list(self.bodies) for item in body["value"]]
