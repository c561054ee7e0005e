"""A small S3: one bucket in memory over real HTTP, path style, every request's signature checked.

It knows what we use: put, upload in parts, get with ranges, head, delete, list with pages.
"""

import hashlib
import hmac
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET, KEY_ID, SECRET, REGION = "mail-files", "AKIATEST", "very-secret", "eu-test-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/((\d{8})/([\w-]+)/s3/aws4_request), "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)
PAGE = 3  # names in one answer of a listing, so that there are several


@dataclass
class Stored:
    content: bytes
    at: datetime


@dataclass
class S3:
    """The bucket. `refuse` more requests are answered with 503; `asked` notes all."""

    url: str = ""
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    unsigned: int = 0
    refuse: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, content: bytes) -> None:
        with self.lock:
            self.objects[key] = Stored(content, datetime.now(UTC).replace(microsecond=0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3

    def log_message(self, format: str, *args: object) -> None:
        """No line a request."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.s3.asked.append(f"{self.command} {parts.path}")
        if self.s3.refuse > 0:
            self.s3.refuse -= 1
            return self._answer(503, _error("SlowDown"))
        if not self._signed(parts.path, parts.query, body):
            self.s3.unsigned += 1
            return self._answer(403, _error("SignatureDoesNotMatch"))
        _, bucket, key = (unquote(parts.path) + "/").split("/", 2)
        if bucket != BUCKET:
            return self._answer(404, _error("NoSuchBucket"))
        return getattr(self, f"_{self.command.lower()}")(key.rstrip("/"), query, body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815 - the library's names

    def _signed(self, path: str, query: str, body: bytes) -> bool:
        found = _AUTHORIZATION.fullmatch(self.headers.get("Authorization", ""))
        if not found or found[1] != KEY_ID or found[4] != REGION:
            return False
        names = found[5].split(";")
        pairs = sorted(parse_qsl(query, keep_blank_values=True))
        told = self.headers["x-amz-content-sha256"]
        if told not in {"UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()}:
            return False
        canonical = "\n".join(
            [
                self.command,
                path,
                "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs),
                *(f"{name}:{' '.join(self.headers[name].split())}" for name in names),
                "",
                found[5],
                told,
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{found[2]}\n{digest}"
        key = f"AWS4{SECRET}".encode()
        for step in (found[3], REGION, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), found[6])

    def _put(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.s3.uploads[query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.s3.put(key, body)
        self._answer(200, ETag=_etag(body))

    def _post(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            upload = uuid.uuid4().hex
            self.s3.uploads[upload] = {}
            return self._answer(200, _xml("InitiateMultipartUploadResult", UploadId=upload))
        if "delete" in query:
            names = re.findall(r"<Key>([^<]+)</Key>", body.decode())
            for name in names:
                self.s3.objects.pop(name, None)
            gone = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())
        parts = self.s3.uploads.pop(query["uploadId"])
        named = [int(each) for each in re.findall(r"<PartNumber>(\d+)<", body.decode())]
        if named != sorted(parts) or any(len(parts[n]) < 5 << 20 for n in named[:-1]):
            return self._answer(400, _error("EntityTooSmall"))
        whole = b"".join(parts[number] for number in named)
        self.s3.put(key, whole)
        return self._answer(
            200, _xml("CompleteMultipartUploadResult", Key=key, ETag=escape(_etag(whole)))
        )

    def _get(self, key: str, query: dict[str, str], body: bytes) -> None:
        if not key:
            return self._list(query)
        stored = self.s3.objects.get(key)
        if stored is None:
            return self._answer(404, _error("NoSuchKey"))
        head = {"ETag": _etag(stored.content), "Last-Modified": format_datetime(stored.at, True)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            return self._answer(200, stored.content, **head)
        start, end = int(wanted[1]), min(int(wanted[2]), len(stored.content) - 1)
        head["Content-Range"] = f"bytes {start}-{end}/{len(stored.content)}"
        return self._answer(206, stored.content[start : end + 1], **head)

    _head = _get

    def _delete(self, key: str, query: dict[str, str], body: bytes) -> None:
        self.s3.uploads.pop(query.get("uploadId", ""), None)
        if "uploadId" not in query:
            self.s3.objects.pop(key, None)
        self._answer(204)

    def _list(self, query: dict[str, str]) -> None:
        after = query.get("continuation-token", "")
        names = sorted(
            name
            for name in self.s3.objects
            if name.startswith(query.get("prefix", "")) and name > after
        )
        shown = [
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.s3.objects[name].content)}</Size>"
            f"<LastModified>{self.s3.objects[name].at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
            for name in names[:PAGE]
        ]
        more = len(names) > PAGE
        token = f"<NextContinuationToken>{names[PAGE - 1]}</NextContinuationToken>" if more else ""
        flag = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        text = f"<ListBucketResult>{flag}{token}{''.join(shown)}</ListBucketResult>"
        self._answer(200, text.encode())

    def _answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def _xml(name: str, **fields: str) -> bytes:
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'.encode()


def _error(code: str) -> bytes:
    return _xml("Error", Code=code, Message=code)


@contextmanager
def serving() -> Iterator[S3]:
    """A server on a free port of this machine."""
    s3 = S3()
    handler = type("Handler", (_Handler,), {"s3": s3})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    s3.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
