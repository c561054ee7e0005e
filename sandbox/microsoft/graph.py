"""The pretend Graph: who asks, is it allowed, is it too much, and which handler answers."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from sandbox.microsoft.service import Access, Service
from sandbox.microsoft.wire import Answer, Call, GraphError

if TYPE_CHECKING:
    from sandbox.microsoft.people import Mailbox

BASIC = frozenset({"Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"})
READ = frozenset({"Mail.Read", "Mail.ReadWrite"})
WRITE = frozenset({"Mail.ReadWrite"})
SEND = frozenset({"Mail.Send"})
NOTIFY = frozenset({"Mail.ReadBasic", "Mail.Read"})  # a write scope does not do instead
RULES = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
RULES_WRITE = frozenset({"MailboxSettings.ReadWrite"})
USER = frozenset({"User.Read", "User.ReadWrite", "User.ReadBasic.All"})

_QUOTED = re.compile(r"\('([^']*)'\)")
_ME = {"me", "me-token-to-replace"}
_CHALLENGE = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"'
_CLAIMS = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ=="


@dataclass
class Context:
    """An admitted request: whose mailbox, by which token."""

    call: Call
    mailbox: "Mailbox"
    access: Access
    service: Service
    user: str  # the user part of the path as the client wrote it: "me" or "users('…')"

    @property
    def basic(self) -> bool:
        """Only Mail.ReadBasic: no bodies, attachments, extended properties."""
        return not self.access.scopes & READ

    def refuse_basic(self) -> None:
        if self.basic:
            raise denied()

    def count(self, operation: str) -> None:
        self.service.world.count(operation)

    def url(self, rest: str) -> str:
        return f"{self.call.root}/{self.user}/{rest}"

    def note(self, rest: str) -> str:
        """An @odata.context annotation."""
        return f"{self.call.root}/$metadata#users('{self.mailbox.oid}')/{rest}"


Handler: TypeAlias = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """`pattern` below the user, "*" for an id; `scopes`: any of them will do."""

    method: str
    pattern: str
    scopes: frozenset[str]
    count: str
    handler: Handler
    locked: bool = True  # False: the handler takes the world's lock itself, where it needs it

    def match(self, method: str, segments: list[str]) -> list[str] | None:
        steps = self.pattern.split("/") if self.pattern else []
        if method != self.method or len(steps) != len(segments):
            return None
        pairs = list(zip(steps, segments, strict=True))
        if any(step not in ("*", found.lower()) for step, found in pairs):
            return None
        return [found for step, found in pairs if step == "*"]


def denied() -> GraphError:
    text = "Access is denied. Check credentials and try again."
    return GraphError(403, "ErrorAccessDenied", text)


def segments_of(path: str) -> list[str]:
    """A path in its parts; `mailFolders('x')` and `mailFolders/x` are the same."""
    plain = _QUOTED.sub(lambda found: "/" + found.group(1), path)
    plain = plain.replace("delta()", "delta").replace("microsoft.graph.", "")
    return [part for part in plain.split("/") if part]


def _short(segments: list[str]) -> list[str]:
    """Without the folders above: mailFolders/a/childFolders/b/… is mailFolders/b/…"""
    low = [part.lower() for part in segments]
    while len(low) > 3 and low[0] == "mailfolders" and low[2] == "childfolders":
        segments = ["mailFolders", *segments[3:]]
        low = [part.lower() for part in segments]
    return segments


class Graph:
    """Answers calls of one world."""

    def __init__(self, service: Service, routes: list[Route]) -> None:
        self.service = service
        self.world = service.world
        self.routes = routes

    def answer(self, call: Call) -> Answer:
        """Never raises: what goes wrong is an answer too."""
        try:
            return self._answer(call)
        except GraphError as error:
            return error.answer(call.headers.get("client-request-id", ""))

    def _answer(self, call: Call) -> Answer:
        segments = segments_of(call.path)
        access = self._admit(call)
        if segments and segments[0].lower() == "subscriptions":
            return self._mailbox_call(call, access, "me", segments)
        user, rest = self._user(segments)
        key = access.grant.address if user in _ME else user
        mailbox = self.service.mailbox(key)
        if mailbox is None:
            text = f"The requested user '{user}' is invalid."
            raise GraphError(404, "ErrorInvalidUser", text)
        if mailbox.address != access.grant.address:
            raise denied()
        shown = "me" if user == "me" else f"users('{user}')"
        return self._mailbox_call(call, access, shown, rest)

    def _user(self, segments: list[str]) -> tuple[str, list[str]]:
        if segments and segments[0].lower() == "me":
            return "me", segments[1:]
        if len(segments) > 1 and segments[0].lower() == "users":
            return segments[1], segments[2:]
        text = f"Resource not found for the segment '{segments[0] if segments else ''}'."
        raise GraphError(400, "BadRequest", text)

    def _admit(self, call: Call) -> Access:
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        headers = {"WWW-Authenticate": _CHALLENGE}
        code = "InvalidAuthenticationToken"
        if kind.lower() != "bearer" or not token.strip():
            raise GraphError(401, code, "Access token is empty.", headers)
        with self.world.lock:
            access = self.service.access.get(token.strip())
            if access is None:
                text = "IDX14100: JWT is not well formed, there are no dots (.)."
                raise GraphError(401, code, text, headers)
            if access.expires <= self.world.now():
                text = "Lifetime validation failed, the token is expired."
                raise GraphError(401, code, text, headers)
            self._challenge(access)
            return access

    def _challenge(self, access: Access) -> None:
        mailbox = self.service.mailbox(access.grant.address)
        wanted = mailbox is not None and mailbox.switches.on("graph.claims_challenge")
        due = access.grant.revoked or (wanted and not access.with_claims)
        if access.capable and due:  # who cannot answer a challenge is let be until the token ends
            more = f'{_CHALLENGE}, error="insufficient_claims", claims="{_CLAIMS}"'
            text = "Continuous access evaluation resulted in challenge with result: InteractionRequired."
            raise GraphError(401, "InvalidAuthenticationToken", text, {"WWW-Authenticate": more})

    def _mailbox_call(self, call: Call, access: Access, user: str, rest: list[str]) -> Answer:
        mailbox = self.service.mailbox(access.grant.address)
        if mailbox is None:
            raise GraphError(404, "ErrorInvalidUser", "The requested user is invalid.")
        context = Context(call, mailbox, access, self.service, user)
        rest = self._within_folder(context, _short(rest))
        route, keys = self._find(call, rest)
        if route.count == "graph.me" or rest[:1] == ["subscriptions"]:
            return self._run(context, route, keys)
        with self._room(context):
            if mailbox.switches.on("graph.mailbox_disabled"):
                text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
                raise GraphError(404, "MailboxNotEnabledForRESTAPI", text)
            code = mailbox.switches.text("graph.mailbox_error")
            if code:
                status = int(mailbox.switches.number("graph.mailbox_status"))
                raise GraphError(status, code, "The request cannot be served.")
            return self._run(context, route, keys)

    def _run(self, context: Context, route: Route, keys: list[str]) -> Answer:
        context.count(route.count)
        if not context.access.scopes & route.scopes:
            raise denied()
        if not route.locked:
            return route.handler(context, *keys)
        with self.world.lock:
            return route.handler(context, *keys)

    def _within_folder(self, context: Context, rest: list[str]) -> list[str]:
        """mailFolders/f/messages/m/… is messages/m/… when m lies in f."""
        low = [part.lower() for part in rest]
        nested = len(low) > 3 and low[0] == "mailfolders" and low[2] == "messages"
        if not nested or low[3] == "delta":
            return rest
        with self.world.lock:
            store = context.mailbox.store
            if store.message(rest[3]).folder != store.folder(rest[1]).id:
                raise GraphError(
                    404, "ErrorItemNotFound", "The specified object was not found in the store."
                )
        return rest[2:]

    def _find(self, call: Call, rest: list[str]) -> tuple[Route, list[str]]:
        for route in self.routes:
            keys = route.match(call.method, rest)
            if keys is not None:
                return route, keys
        text = f"Resource not found for the segment '{rest[-1] if rest else ''}'."
        raise GraphError(400, "BadRequest", text)

    @contextmanager
    def _room(self, context: Context) -> Iterator[None]:
        """A place among the concurrent requests of a mailbox; raises GraphError 429."""
        mailbox = context.mailbox
        with self.world.lock:
            self._within_limits(mailbox)
            mailbox.running += 1
        try:
            latency = mailbox.switches.number("graph.latency")
            if latency > 0:
                time.sleep(latency)
            yield
        finally:
            with self.world.lock:
                mailbox.running -= 1

    def _within_limits(self, mailbox: "Mailbox") -> None:
        now, recent = self.world.now(), mailbox.recent
        while recent and recent[0] < now - timedelta(minutes=10):
            recent.popleft()
        if mailbox.running >= mailbox.switches.number("graph.concurrency"):
            self.world.count("graph.throttled")
            raise too_many(mailbox, "MailboxConcurrency", 1)
        if len(recent) >= mailbox.switches.number("graph.requests_per_10_minutes"):
            self.world.count("graph.throttled")
            wait = (recent[0] + timedelta(minutes=10) - now).total_seconds()
            raise too_many(mailbox, "request", max(1, int(wait) + 1))
        recent.append(now)


def too_many(mailbox: "Mailbox", limit: str, seconds: int) -> GraphError:
    """429; Retry-After as the switch says."""
    how = mailbox.switches.text("graph.retry_after")
    headers = {"seconds": {"Retry-After": str(seconds)}, "zero": {"Retry-After": "0"}}
    text = f"Application is over its {limit} limit."
    return GraphError(429, "ApplicationThrottled", text, headers.get(how, {}))
