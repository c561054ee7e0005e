"""A scripted Graph: a real HTTP server that answers as a test says and remembers what was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


@dataclass
class Asked:
    method: str
    path: str  # with the query, decoded
    headers: dict[str, str]  # names in lower case
    body: Any

    @property
    def prefer(self) -> set[str]:
        return {part.strip() for part in self.headers.get("prefer", "").split(",")}


@dataclass
class Reply:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # close the connection in place of an answer


Script = Callable[[Asked], Reply]


@dataclass
class Stub:
    url: str = ""
    script: Script = lambda asked: Reply(500)
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        try:
            if asked.path.endswith("/$batch"):
                return self._batch(asked)
            return self.script(asked)
        finally:
            with self._lock:
                self._running -= 1

    def _batch(self, asked: Asked) -> Reply:
        members = []
        for one in asked.body["requests"]:
            headers = {name.lower(): value for name, value in one.get("headers", {}).items()}
            member = Asked(one["method"], "/v1.0" + unquote(one["url"]), headers, None)
            with self._lock:
                self.asked.append(member)
            reply = self.script(member)
            members.append(
                {
                    "id": one["id"],
                    "status": reply.status,
                    "headers": reply.headers,
                    "body": reply.body,
                }
            )
        return Reply(200, {"responses": members[::-1]})


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(data) if data else None
            reply = stub.answer(Asked(self.command, unquote(self.path), headers, body))
            if reply.cut:
                self.close_connection = True
                return
            payload = reply.body if isinstance(reply.body, bytes) else b""
            if reply.body is not None and not payload:
                payload = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = do_DELETE = do_any  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1.0"
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
