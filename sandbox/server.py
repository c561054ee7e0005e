"""A lean HTTP/1.1 server for WSGI: a thread per kept connection, one segment per small answer.

The development servers at hand take most of a millisecond per request; tests of speed need less.
"""

import contextlib
import io
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

IDLE = 120.0  # seconds a kept connection may say nothing
MAX_HEAD = 65_536
MAX_BODY = 64 * 1024 * 1024


class _Reader:
    """Buffered reading from a socket."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._buffer = b""

    def until(self, mark: bytes) -> bytes | None:
        """Up to and without `mark`; None when the other side is done."""
        start = 0
        while (found := self._buffer.find(mark, start)) < 0:
            start = max(0, len(self._buffer) - len(mark))
            more = self._client.recv(65_536)
            if not more or len(self._buffer) > MAX_HEAD:
                return None
            self._buffer += more
        taken, self._buffer = self._buffer[:found], self._buffer[found + len(mark) :]
        return taken

    def exactly(self, size: int) -> bytes | None:
        pieces, have = [self._buffer], len(self._buffer)
        while have < size:
            more = self._client.recv(min(size - have, 1 << 20))
            if not more:
                return None
            pieces.append(more)
            have += len(more)
        whole = b"".join(pieces)
        self._buffer = whole[size:]
        return whole[:size]

    def chunked(self) -> bytes | None:
        pieces: list[bytes] = []
        while True:
            line = self.until(b"\r\n")
            if line is None:
                return None
            size = int(line.split(b";")[0], 16)
            piece = self.exactly(size + 2)
            if piece is None:
                return None
            if not size:
                return b"".join(pieces)
            pieces.append(piece[:-2])


class Server:
    """Listens at once; answers after `start`."""

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port), backlog=512)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, application: WSGIApplication) -> None:
        threading.Thread(target=self._accept, args=(application,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients = list(self._open)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self, application: WSGIApplication) -> None:
        while not self._closed:
            try:
                client, address = self._listener.accept()
            except OSError:  # it is closed; or whoever came has gone, or files are scarce
                time.sleep(0.05)
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(IDLE)
            with self._lock:
                self._open.add(client)
            threading.Thread(
                target=self._serve, args=(application, client, address[0]), daemon=True
            ).start()

    def _serve(self, application: WSGIApplication, client: socket.socket, peer: str) -> None:
        reader = _Reader(client)
        try:
            with contextlib.suppress(OSError, ValueError):
                while not self._closed and self._one(application, client, reader, peer):
                    pass
        finally:
            with self._lock:
                self._open.discard(client)
            client.close()

    def _one(
        self, application: WSGIApplication, client: socket.socket, reader: _Reader, peer: str
    ) -> bool:
        """Answer one request; False = the connection is over."""
        head = reader.until(b"\r\n\r\n")
        if head is None:
            return False
        environ = self._environ(head.decode("latin-1"), peer)
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if environ.pop("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            content = reader.chunked()
        else:
            size = int(environ.get("CONTENT_LENGTH") or 0)
            content = reader.exactly(size) if 0 <= size <= MAX_BODY else None
        if content is None:
            return False
        environ["CONTENT_LENGTH"] = str(len(content))
        environ["wsgi.input"] = io.BytesIO(content)
        environ["sandbox.socket"] = client
        return _answer(application, client, environ)

    def _environ(self, head: str, peer: str) -> dict[str, Any]:
        line, *lines = head.split("\r\n")
        verb, target, version = line.split(" ")
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": verb,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "RAW_URI": target,
            "REQUEST_URI": target,
            "QUERY_STRING": query,
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": version,
            "REMOTE_ADDR": peer,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for one in lines:
            name, _, value = one.partition(":")
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            value = value.strip()
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ


def _answer(application: WSGIApplication, client: socket.socket, environ: dict[str, Any]) -> bool:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _problem: object = None, /
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return lambda _data: None

    answer = application(environ, start_response)
    try:
        content = b"".join(answer)
    finally:
        end = getattr(answer, "close", None)
        if end:
            end()
    if client.fileno() < 0:  # reset on purpose
        return False
    status, headers = started[-1]
    names = {name.lower(): value for name, value in headers}
    keep: bool = names.get("connection", environ.get("HTTP_CONNECTION", "")).lower() != "close"
    keep = keep and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in headers)]
    if "content-length" not in names and not status.startswith(("204", "304", "1")):
        lines.append(f"Content-Length: {len(content)}")
    lines += [f"Date: {formatdate(usegmt=True)}", "Server: sandbox"]
    if not keep and "connection" not in names:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    client.sendall(head + (b"" if environ["REQUEST_METHOD"] == "HEAD" else content))
    return keep


def reset(client: socket.socket) -> None:
    """End a connection with RST, without an answer."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
