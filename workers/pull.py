"""The role `pull`: fetches what Gmail announces from Pub/Sub, where no public URL can be pushed to.

A long poll for messages, one ring for all of them, and only then the acknowledgement: what could
not be rung comes again. REST, because the gRPC client costs 47 MB and does not survive a fork.
"""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import google.auth
import requests
import structlog
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from requests.auth import AuthBase

from crm.database import Database, OperationalError
from crm.model import WHOLE_MAILBOX
from crm.store import mailboxes
from infra.metrics import counter
from infra.pubsub import NotAnAnnouncement, parse
from infra.redis_client import web_client
from infra.settings import Settings
from workers.queue import Queue, QueueDown

log = structlog.get_logger(__name__)

PULLED = counter(
    "replylog_gmail_pulled_total", "Pub/Sub messages pulled by what became of them", ["outcome"]
)

SCOPES = ["https://www.googleapis.com/auth/pubsub"]
MOST = 500  # messages a pull
POLL_TIMEOUT = (10.0, 100.0)  # connect, read; Pub/Sub keeps a poll open for some 90 seconds
ACK_TIMEOUT = (5.0, 10.0)
SHORTEST_ROUND = 1.0  # seconds; an empty answer that comes at once is not asked for in a loop
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
END_SECONDS = 0.3  # a round under way may end, and comes again if not; a poll is left where it is
BAD_REQUEST, SERVER_ERROR = 400, 500
LATER = frozenset({408, 409, 429})
REMEDIES = {
    401: "the service account's key is not accepted: make a new one",
    403: "give the service account the role roles/pubsub.subscriber on the subscription",
    404: "there is no such subscription: check REPLYLOG_GOOGLE_PUBSUB_SUBSCRIPTION",
}
NO_POLL = "the subscription cannot be pulled from: it must have neither push nor export"
NO_CREDENTIALS = "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"


class NotNow(Exception):
    """Pub/Sub, Redis or the database does not answer: again after a pause."""


class SetUp(Exception):
    """Nothing will work before a person mends the set-up; the text says what to do."""


class Pull:
    """One subscription. Not thread-safe. `sign_in` makes a session that carries our credentials."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        database: Database,
        sign_in: "Callable[[], requests.Session] | None" = None,
    ) -> None:
        self._url = f"{settings.pubsub_api_url}/v1/{settings.google_pubsub_subscription}"
        self._queue = queue
        self._database = database
        self._sign_in = sign_in or _sign_in
        self._session: requests.Session | None = None

    def round(self) -> int:
        """Wait for messages, ring their mailboxes, acknowledge; how many there were. Raises NotNow
        or SetUp; messages that were pulled by then come again."""
        try:
            received = self._call("pull", {"maxMessages": MOST}, POLL_TIMEOUT)
            messages = received.get("receivedMessages", ())
            if messages:
                self._ring(self._addresses(messages))
                ids = [each["ackId"] for each in messages]
                self._call("acknowledge", {"ackIds": ids}, ACK_TIMEOUT)
        except SetUp:  # a key that is put in place by then is read
            self.close()
            raise
        return len(messages)

    def close(self) -> None:
        """Close the session; the next round signs in anew."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _addresses(self, received: Sequence[dict[str, Any]]) -> set[str]:
        found: set[str] = set()
        for each in received:
            try:
                found.add(parse(each.get("message")).address)
            except NotAnAnnouncement as error:  # acknowledged: it would come back for ever
                PULLED.labels("not-an-announcement").inc()
                log.warning("a message is none of Gmail's", part=str(error))
        return found

    def _ring(self, addresses: set[str]) -> None:
        ids: set[int] = set()
        try:
            with self._database.read() as conn:
                for address in addresses:
                    known = [each for _, each in mailboxes.by_address(conn, address)]
                    PULLED.labels("woken" if known else "unknown-mailbox").inc()
                    ids.update(known)
            if ids:
                self._queue.announce([(each, WHOLE_MAILBOX) for each in sorted(ids)])
        except (QueueDown, OperationalError) as error:
            raise NotNow(type(error).__name__) from error

    def _call(self, verb: str, body: dict[str, Any], timeout: tuple[float, float]) -> Any:
        try:
            self._session = self._session or self._sign_in()
            answer = self._session.post(f"{self._url}:{verb}", json=body, timeout=timeout)
            _check(answer.status_code)
            return answer.json()
        except requests.ReadTimeout:
            if verb == "pull":
                return {}
            raise NotNow("ReadTimeout") from None
        except DefaultCredentialsError:
            raise SetUp(NO_CREDENTIALS) from None
        except (TransportError, requests.RequestException, ValueError) as error:
            raise NotNow(type(error).__name__) from error
        except GoogleAuthError as error:
            if getattr(error, "retryable", False):
                raise NotNow(type(error).__name__) from error
            raise SetUp(REMEDIES[401]) from error


def _sign_in() -> requests.Session:
    session = requests.Session()
    session.auth = _Bearer()
    return session


class _Bearer(AuthBase):
    """The service account's token. google-auth's own session would also ask another host of
    Google's where the account may work, which no setting of ours can lead elsewhere."""

    def __init__(self) -> None:
        self._credentials, _ = google.auth.default(scopes=SCOPES)
        self._request = Request()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._credentials.valid:
            self._credentials.refresh(self._request)  # type: ignore[no-untyped-call]
        request.headers["Authorization"] = f"Bearer {self._credentials.token}"
        return request


def _check(status: int) -> None:
    if status in LATER or status >= SERVER_ERROR:
        raise NotNow(f"Pub/Sub answered {status}")
    if status >= BAD_REQUEST:
        raise SetUp(f"Pub/Sub answered {status}: {REMEDIES.get(status, NO_POLL)}")


def follow(
    once: Callable[[], int], stopping: threading.Event, clock: Callable[[], float] = time.monotonic
) -> None:
    """Rounds until `stopping`, with growing pauses after failures; what a person must mend is said
    once, and again when it changes."""
    pause, said = FIRST_PAUSE, ""
    while not stopping.is_set():
        began = clock()
        try:
            rest = 0.0 if once() else SHORTEST_ROUND - (clock() - began)
            if said:
                log.info("pulling works again")
            pause, said = FIRST_PAUSE, ""
        except (NotNow, SetUp) as error:
            if str(error) != said:
                (log.error if isinstance(error, SetUp) else log.warning)(
                    "announcements cannot be pulled, trying again", reason=str(error)
                )
            said, rest = str(error), pause
            pause = min(2 * pause, LONGEST_PAUSE)
        if rest > 0:
            stopping.wait(rest)


def run(settings: Settings) -> None:
    """The role, until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    database = Database(settings.resolved_database_url, pool_size=1)
    with web_client(settings) as redis:
        pull = Pull(settings, Queue(redis), database)
        # A poll cannot be called off: the thread that waits in it is left behind at the end.
        poller = threading.Thread(target=follow, args=(pull.round, stopping), daemon=True)
        poller.start()
        while poller.is_alive() and not stopping.wait(1):
            pass
        ended_by_itself = not stopping.is_set()
        stopping.set()
        poller.join(END_SECONDS)
    if ended_by_itself:
        raise RuntimeError("pulling ended")
