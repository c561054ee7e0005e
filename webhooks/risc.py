"""Google's Cross-Account Protection (RISC): security event tokens about accounts whose mailboxes are
connected. An event is a hint, as a push is: it rings the mailbox, and the worker asks Google itself.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from infra.marks import by_hash, by_prefix, by_subject
from infra.metrics import counter
from webhooks.bodies import NotUnderstood
from webhooks.directory import Directory
from webhooks.oidc import Certificates, CertificatesDown, Unauthorized
from workers.queue import EVENT_SECONDS, Queue

ISSUERS = frozenset({"https://accounts.google.com/", "https://accounts.google.com"})
MAX_BODY = 64 * 1024
MAX_EVENTS = 20
SKEW_SECONDS = 600
TOKEN_MARKS = {"prefix": by_prefix, "hash_base64_sha512_sha512": by_hash}

EVENTS = counter(
    "replylog_google_security_events_total",
    "Security events of Google by what became of them",
    ["outcome"],
)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened (the last part of the event type's address, with its reason where that
    matters), and the marks of the account or token it happened to: none for a test."""

    what: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A verified security event token."""

    id: str
    issued_at: float
    events: tuple[Event, ...]


class SecurityEvents:
    def __init__(
        self,
        certificates: Certificates,
        client_id: str,
        directory: Directory,
        queue: Queue,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._certificates = certificates
        self._client_id = client_id
        self._directory = directory
        self._queue = queue
        self._clock = clock

    def receive(self) -> Response:
        """202 taken (also where it is about nobody we know, was told before, or is old), 400 not
        authentic or not an event, 503 not queued or certificates out of reach."""
        try:
            token = parse(self._claims(_body()))
            if token.issued_at > self._clock() + SKEW_SECONDS:
                raise NotUnderstood("iat")
        except CertificatesDown:
            return _answer(503, "certificates-down")
        except Unauthorized:
            return _answer(400, "not-authentic")
        except NotUnderstood:
            return _answer(400, "not-an-event")
        # The id of an event is remembered for as long as its token is taken at all.
        if token.issued_at < self._clock() - EVENT_SECONDS:
            return _answer(202, "old")
        if self._queue.event_was_seen(token.id):
            return _answer(202, "repeated")
        outcomes = [self._ring(event) for event in token.events]
        self._queue.remember_event(token.id)
        return _answer(202, max(outcomes, key=_ORDER.index))

    def _ring(self, event: Event) -> str:
        if not event.marks:
            return "verification"
        found = {id for mark in event.marks for id in self._directory.google_account(mark)}
        for mailbox_id in sorted(found):
            self._queue.check_consent(mailbox_id, event.what)
        return "woken" if found else "unknown-account"

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that Google signed for our OAuth client. It has no expiry."""
        try:
            kid = extract_compact(token.encode()).headers().get("kid")
            if not isinstance(kid, str):
                raise Unauthorized("no key id")
            claims = jwt.decode(token, self._certificates.key(kid), algorithms=["RS256"]).claims
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise Unauthorized(type(error).__name__) from error
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") not in ISSUERS:
            raise Unauthorized("issuer")
        if not self._client_id or self._client_id not in audiences:
            raise Unauthorized("audience")
        return dict(claims)


_ORDER = ("verification", "unknown-account", "woken")


def parse(claims: dict[str, Any]) -> Token:
    """The events in verified claims. Raises NotUnderstood."""
    id, issued, events = claims.get("jti"), claims.get("iat"), claims.get("events")
    if not isinstance(id, str) or not id:
        raise NotUnderstood("jti")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        raise NotUnderstood("iat")
    if not isinstance(events, dict) or not 0 < len(events) <= MAX_EVENTS:
        raise NotUnderstood("events")
    found = tuple(_event(kind, about) for kind, about in events.items())
    return Token(hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest(), issued, found)


def _event(kind: str, about: object) -> Event:
    what = kind.rstrip("/").rpartition("/")[2]
    if not isinstance(about, dict):
        raise NotUnderstood("event")
    if what == "verification":
        return Event(what, ())
    marks = tuple(_marks(about.get("subject")))
    if not marks:
        raise NotUnderstood("subject")
    reason = about.get("reason")
    return Event(f"{what}:{reason}" if reason == "hijacking" else what, marks)


def _marks(subject: object) -> Iterator[str]:
    if not isinstance(subject, dict):
        return
    sub, token = subject.get("sub"), subject.get("token")
    if isinstance(sub, str) and sub and subject.get("iss") in ISSUERS:
        yield by_subject(sub)
    mark = TOKEN_MARKS.get(str(subject.get("token_identifier_alg")))
    if mark and isinstance(token, str) and token:
        yield mark(token)


def _body() -> str:
    """The request's body, a token: whatever it says of its type, for its signature counts."""
    length = request.content_length
    if length is None or not 0 < length <= MAX_BODY:
        raise NotUnderstood("size")
    try:
        return request.get_data(cache=False).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise NotUnderstood("token") from error


def _answer(status: int, outcome: str) -> Response:
    EVENTS.labels(outcome).inc()
    return Response(status=status)
