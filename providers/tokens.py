"""Access tokens of one mailbox, refreshed when needed, the newest refresh token never lost."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, TypeAlias

from crm.model import Tokens
from providers.client import Reconnect

MARGIN = timedelta(minutes=5)  # an access token is not used in its last minutes
LOOKS, LOOK_SECONDS = 15, 0.1  # how long a refused refresh waits for another worker's result

Load: TypeAlias = Callable[[], tuple[Tokens, int]]  # stored tokens and their version
Save: TypeAlias = Callable[[Tokens, int], bool]  # False: somebody stored newer ones than `version`


class Refresh(Protocol):
    """Exchanges tokens for new ones. Raises Retry, Reconnect or Operator."""

    def __call__(self, tokens: Tokens, /, *, claims: str = "") -> Tokens: ...


class TokenSource(Protocol):
    """Where an adapter gets the token of its calls."""

    def token(self, fresh: bool = False, claims: str = "") -> str:
        """An access token that is good for some minutes. `fresh`: the last one was refused, so get
        a new one; `claims`: because it must prove these (Entra). Raises Retry, Reconnect or
        Operator."""
        ...


class StoredTokens:
    """A `TokenSource` over stored tokens that several processes share and any of them may renew."""

    def __init__(
        self,
        load: Load,
        save: Save,
        refresh: Refresh,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._load = load
        self._save = save
        self._refresh = refresh
        self._clock = clock
        self._pause = pause
        self._held: Tokens | None = None
        self._lock = threading.Lock()

    def token(self, fresh: bool = False, claims: str = "") -> str:
        with self._lock:
            refused = self._held.access_token if fresh and self._held else None
            if not self._good(self._held, refused):
                self._held = self._newest(refused, fresh, claims)
            assert self._held is not None
            return self._held.access_token

    def _good(self, tokens: Tokens | None, refused: str | None) -> bool:
        if tokens is None or not tokens.access_token or tokens.access_token == refused:
            return False
        return self._clock() + MARGIN < tokens.expires_at

    def _newest(self, refused: str | None, fresh: bool, claims: str) -> Tokens:
        stored, version = self._load()
        must_renew = fresh and refused is None  # asked for a fresh one before any was handed out
        if not must_renew and self._good(stored, refused):
            return stored
        return self._renew(stored, version, claims)

    def _renew(self, stored: Tokens, version: int, claims: str) -> Tokens:
        """New tokens, stored; or those that another worker stored meanwhile."""
        refresh = partial(self._refresh, claims=claims) if claims else self._refresh
        while True:
            try:
                renewed = refresh(stored)
            except Reconnect as error:
                newer = self._newer_than(version)
                if newer is None:
                    error.tokens_version = version
                    raise
                theirs, version = newer
                if self._good(theirs, stored.access_token):
                    return theirs
                stored = theirs
                continue
            if self._save(renewed, version):
                return renewed
            theirs, _ = self._load()
            return theirs if self._good(theirs, stored.access_token) else renewed

    def _newer_than(self, version: int) -> tuple[Tokens, int] | None:
        """What another worker stored since `version`. A refused refresh token may be one that
        somebody else has just exchanged and is about to replace: that is no lost consent. Whoever
        renews holds the mailbox's lease, mostly: a run that lost it, and a page, do not. The wait is
        for the one case in which a refusal would else be believed, and stop the mailbox, wrongly."""
        for _ in range(LOOKS):
            stored = self._load()
            if stored[1] != version:
                return stored
            self._pause(LOOK_SECONDS)
        return None
