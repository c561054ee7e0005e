"""POST /webhooks/google/risc: who may tell of a Google account, and what becomes of it."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey

from infra.marks import by_subject, of_token
from infra.settings import Settings
from tests.webhooks.conftest import Signer
from workers.queue import Queue

Tell = Callable[..., int]
KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs"
KINDS = "https://schemas.openid.net/secevent/"
REVOKED = KINDS + "oauth/event-type/tokens-revoked"
ANA = {"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": "1077"}
REFRESH = "1//0gAbCdEfGhIjKlMnOpQrStUvWxYz"
TWICE = base64.b64encode(hashlib.sha512(hashlib.sha512(REFRESH.encode()).digest()).digest())


@pytest.fixture
def queue(redis: Any) -> Queue:
    queue = Queue(redis)
    queue.remember_google_account(by_subject("1077"), [7])
    for mark in of_token(REFRESH):
        queue.remember_google_account(mark, [8])
    return queue


@pytest.fixture
def keys(signer: Signer) -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(KEYS_URL, json={signer.kid: signer.certificate()})
        yield mock


def claims(**changes: Any) -> dict[str, Any]:
    """Of a security event token about Ana; None takes a claim away."""
    events = {changes.pop("kind", REVOKED): {"subject": changes.pop("subject", ANA)}}
    made = {"iss": "https://accounts.google.com/", "aud": "client", "iat": int(time.time())}
    made |= {"jti": "event-1", "events": events, "exp": None, "email": None}
    return made | {"email_verified": None} | changes


@pytest.fixture
def tell(client: FlaskClient, signer: Signer, keys: object, queue: Queue) -> Tell:
    """Sends a security event token and gives the status code."""

    def send(token: str = "", **changes: Any) -> int:
        data = token or signer.token(**claims(**changes))
        kind = "application/secevent+jwt"
        return client.post("/webhooks/google/risc", data=data, content_type=kind).status_code

    return send


KNOWN = {
    "tokens-revoked": (REVOKED, {}),
    "sessions-revoked": (KINDS + "risc/event-type/sessions-revoked", {}),
    "account-disabled": (KINDS + "risc/event-type/account-disabled", {"reason": "bulk-account"}),
    "account-disabled:hijacking": (
        KINDS + "risc/event-type/account-disabled",
        {"reason": "hijacking"},
    ),
    "account-enabled": (KINDS + "risc/event-type/account-enabled", {}),
    "account-purged": (KINDS + "risc/event-type/account-purged", {}),
    "account-credential-change-required": (
        KINDS + "risc/event-type/account-credential-change-required",
        {},
    ),
    "something-new": (KINDS + "risc/event-type/something-new", {}),
}


@pytest.mark.parametrize(("what", "event"), KNOWN.items(), ids=KNOWN)
def test_an_authentic_event_rings_the_mailbox_of_the_account(tell, queue, what, event):
    kind, more = event
    assert tell(events={kind: {"subject": ANA} | more}) == 202
    assert (queue.claim(), queue.take_check(7), queue.take_check(7)) == (7, what, "")


@pytest.mark.parametrize(
    ("how", "token"),
    [
        ("prefix", REFRESH[:16]),
        ("hash_base64_sha512_sha512", TWICE.decode()),
        ("hash_base64_sha512_sha512", TWICE.decode().replace("+", "-").replace("/", "_").rstrip("=")),
    ],
    ids=["its beginning", "its hash", "its hash in the other alphabet"],
)  # fmt: skip
def test_one_revoked_token_is_known_by(tell, queue, how, token):
    subject = {"subject_type": "oauth_token", "token_type": "refresh_token", "token": token}
    assert tell(subject=subject | {"token_identifier_alg": how}) == 202
    assert (queue.claim(), queue.take_check(8)) == (8, "tokens-revoked")


def test_an_account_that_nobody_connected_is_taken_and_rings_nobody(tell, queue):
    assert tell(subject=ANA | {"sub": "1"}) == 202
    assert tell(subject=ANA | {"sub": "1"}, jti="event-2") == 202
    assert queue.awake() == 0


def test_a_test_of_the_stream_is_taken(tell, queue):
    kind = KINDS + "risc/event-type/verification"
    assert tell(events={kind: {"state": "hello"}}) == 202
    assert queue.awake() == 0


def test_the_same_event_rings_once(tell, queue):
    assert [tell(), tell()] == [202, 202]
    assert queue.claim() == 7
    queue.done(7)
    queue.take_check(7)
    assert tell() == 202
    assert (queue.awake(), queue.take_check(7)) == (0, "")
    assert tell(jti="event-2") == 202
    assert queue.awake() == 1


def test_an_event_without_an_end_is_good_for_a_week(tell, queue):
    assert tell(iat=int(time.time()) - 8 * 86_400) == 202
    assert queue.awake() == 0
    assert tell(iat=int(time.time()) - 6 * 86_400) == 202
    assert queue.awake() == 1


WRONG = {
    "for another app": {"aud": "other"},
    "for no app": {"aud": None},
    "of another issuer": {"iss": "https://evil.example/"},
    "without an id": {"jti": None},
    "without a time": {"iat": None},
    "whose time is a word": {"iat": "now"},
    "from the future": {"iat": int(time.time()) + 86_400},
    "without events": {"events": None},
    "with no events": {"events": {}},
    "whose events are a list": {"events": [1]},
    "whose event is a word": {"events": {REVOKED: "x"}},
    "about nobody": {"subject": None},
    "about an account of another issuer": {"subject": ANA | {"iss": "https://evil.example/"}},
    "about an account without a number": {"subject": ANA | {"sub": ""}},
    "about a token named in an odd way": {"subject": {"token": "x", "token_identifier_alg": "md5"}},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_an_event_is_refused_that_is(tell, queue, changes):
    assert tell(**changes) == 400
    assert queue.awake() == 0


def test_an_event_for_several_apps_is_taken_where_ours_is_among_them(tell, queue):
    assert tell(aud=["other", "client"]) == 202


def test_an_event_that_google_did_not_sign_is_refused(tell, signer, other_signer, queue):
    made = claims()
    assert tell(Signer(signer.kid, other_signer.key).token(**made)) == 400
    assert tell(other_signer.token(**made)) == 400
    told = {name: value for name, value in made.items() if value is not None}
    key = OctKey.import_key("k" * 32)
    assert tell(jwt.encode({"alg": "HS256", "kid": signer.kid}, told, key)) == 400
    for odd in ("a.b.c", "x", "é" * 10, "x" * 70_000, '{"events": {}}'):
        assert tell(odd) == 400
    assert queue.awake() == 0


def test_without_googles_keys_nobody_can_say_so_it_is_to_be_repeated(client, signer, redis):
    with responses.RequestsMock() as mock:
        mock.get(KEYS_URL, status=503)
        token = signer.token(**claims())
        assert client.post("/webhooks/google/risc", data=token).status_code == 503


def test_an_event_that_cannot_be_queued_is_to_be_repeated(keys, signer, sqlite_url):
    from webhooks.app import create_app

    settings = Settings(
        redis_url="unix:///nowhere/redis.sock",
        database_url=sqlite_url,
        google_client_id="client",
        google_client_secret="secret",
    )
    answer = (
        create_app(settings)
        .test_client()
        .post("/webhooks/google/risc", data=signer.token(**claims()))
    )
    assert answer.status_code == 503


def test_an_installation_without_gmail_believes_nobody(
    keys, signer, redis_server, redis, sqlite_url
):
    from webhooks.app import create_app

    settings = Settings(redis_url=redis_server.url, database_url=sqlite_url)
    client = create_app(settings).test_client()
    for aud in ("", "client"):
        token = signer.token(**claims(aud=aud))
        assert client.post("/webhooks/google/risc", data=token).status_code == 400
