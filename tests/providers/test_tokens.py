import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from crm.model import Tokens
from providers.client import Reconnect, Retry
from providers.tokens import StoredTokens

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class World:
    """A clock, stored tokens, and an authority that rotates the refresh token each time."""

    now: datetime = START
    version: int = 1
    refreshed: int = 0
    valid: str = "refresh-0"  # the only refresh token that still works, "" for any
    error: Exception | None = None
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.made(0)

    def made(self, number: int) -> Tokens:
        return Tokens(f"access-{number}", f"refresh-{number}", self.now + timedelta(hours=1))

    def load(self) -> tuple[Tokens, int]:
        return self.tokens, self.version

    def save(self, tokens: Tokens, version: int) -> bool:
        if version != self.version:
            return False
        self.tokens, self.version = tokens, version + 1
        return True

    def refresh(self, old: Tokens) -> Tokens:
        if self.error:
            raise self.error
        if self.valid and old.refresh_token != self.valid:
            raise Reconnect("revoked")
        self.refreshed += 1
        new = self.made(self.refreshed)
        self.valid = self.valid and new.refresh_token
        return new

    def source(self, **other) -> StoredTokens:
        given = {"load": self.load, "save": self.save, "refresh": self.refresh} | other
        return StoredTokens(**given, clock=lambda: self.now)


def test_a_good_token_is_kept_without_looking_again():
    world = World()
    source = world.source()
    assert source.token() == "access-0"
    world.tokens = world.made(9)
    assert source.token() == "access-0"
    assert world.refreshed == 0


def test_a_token_in_its_last_five_minutes_is_renewed_and_stored():
    world = World()
    source = world.source()
    source.token()
    world.now += timedelta(minutes=54)
    assert source.token() == "access-0"
    world.now += timedelta(minutes=2)
    assert source.token() == "access-1"
    assert world.tokens.refresh_token == "refresh-1"
    assert world.version == 2


def test_what_another_process_stored_is_used_before_renewing():
    world = World()
    source = world.source()
    source.token()
    world.now += timedelta(minutes=58)
    world.tokens, world.version = world.made(7), 2
    assert source.token() == "access-7"
    assert world.refreshed == 0


def test_a_refused_token_is_renewed():
    world = World()
    source = world.source()
    source.token()
    assert source.token(fresh=True) == "access-1"
    assert source.token() == "access-1"


def test_a_refused_token_that_another_process_has_renewed_is_taken_from_there():
    world = World()
    source = world.source()
    source.token()
    world.tokens, world.version = world.made(7), 2
    assert source.token(fresh=True) == "access-7"
    assert world.refreshed == 0


def test_a_fresh_token_is_made_even_when_none_was_handed_out():
    world = World()
    assert world.source().token(fresh=True) == "access-1"


def test_when_two_renew_at_once_the_stored_one_wins_for_both():
    world = World(valid="")
    theirs = world.made(50)

    def overtaken(old: Tokens) -> Tokens:
        mine = world.refresh(old)
        world.tokens, world.version = theirs, 2
        return mine

    world.now += timedelta(hours=2)
    theirs = Tokens("access-50", "refresh-50", world.now + timedelta(hours=1))
    assert world.source(refresh=overtaken).token() == "access-50"
    assert world.tokens.refresh_token == "refresh-50"


def test_a_refusal_is_not_believed_when_another_process_rotated_the_token():
    world = World(valid="refresh-50")

    def overtaken(old: Tokens) -> Tokens:
        world.tokens = Tokens("access-50", "refresh-50", world.now + timedelta(hours=1))
        world.version = 2
        return world.refresh(old)

    world.now += timedelta(hours=2)
    assert world.source(refresh=overtaken).token() == "access-50"


def test_the_rotated_token_is_renewed_itself_when_it_is_old_too():
    world = World(valid="refresh-50")
    stale = Tokens("access-50", "refresh-50", START)

    def overtaken(old: Tokens) -> Tokens:
        if old.refresh_token == "refresh-0":
            world.tokens, world.version = stale, 2
        return world.refresh(old)

    world.now += timedelta(hours=2)
    assert world.source(refresh=overtaken).token() == "access-1"
    assert world.tokens.refresh_token == "refresh-1"


def test_a_refusal_says_of_which_tokens_it_is():
    world = World(error=Reconnect("revoked"), version=7)
    world.now += timedelta(hours=2)
    with pytest.raises(Reconnect) as caught:
        world.source(pause=lambda _: None).token()
    assert caught.value.tokens_version == 7


@pytest.mark.parametrize("error", [Reconnect("revoked"), Retry(5)])
def test_what_the_authority_says_is_passed_on(error):
    world = World(error=error)
    world.now += timedelta(hours=2)
    with pytest.raises(type(error)):
        world.source().token()
    world.error = None
    assert world.source().token() == "access-1"


def test_threads_that_ask_at_once_renew_once():
    world = World()
    world.now += timedelta(hours=2)
    source, got = world.source(), []
    threads = [threading.Thread(target=lambda: got.append(source.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(got) == {"access-1"}
    assert world.refreshed == 1
