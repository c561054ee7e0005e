"""POST /webhooks/gmail: who may ring, what is a push, and what becomes of it."""

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient

from crm.model import WHOLE_MAILBOX
from tests.webhooks.conftest import AUDIENCE, CERTS_URL, Signer, envelope
from workers.queue import Queue

Push = Callable[..., int]
pytestmark = pytest.mark.usefixtures("certificates")


@pytest.fixture
def queue(redis: Any) -> Queue:
    queue = Queue(redis)
    queue.remember_gmail("ana@acme.test", [7])
    return queue


def test_an_authentic_push_wakes_the_mailbox(push: Push, queue: Queue) -> None:
    assert push() == 204
    assert queue.claim() == 7


def test_a_push_leaves_its_time_and_no_other_ring_does(push: Push, queue: Queue) -> None:
    queue.wake(7)
    assert queue.pushed(7, [WHOLE_MAILBOX]) == {}
    push()
    assert set(queue.pushed(7, [WHOLE_MAILBOX])) == {WHOLE_MAILBOX}


def test_the_letter_case_of_the_address_does_not_matter(push: Push, queue: Queue) -> None:
    assert push(address="Ana@ACME.test") == 204
    assert queue.awake() == 1


def test_a_push_for_a_mailbox_of_two_accounts_wakes_both(push: Push, queue: Queue) -> None:
    queue.remember_gmail("ana@acme.test", [7, 8])
    push()
    assert queue.awake() == 2


def test_an_unknown_mailbox_is_taken_and_wakes_nobody(push: Push, queue: Queue) -> None:
    assert push(address="nobody@acme.test") == 204
    assert queue.awake() == 0


def test_the_history_id_may_be_a_number_or_a_string(push: Push, queue: Queue) -> None:
    for history_id in (99, "99"):
        body = envelope({"emailAddress": "ana@acme.test", "historyId": history_id})
        assert push(body) == 204


def test_both_base64_alphabets_are_read(push: Push, queue: Queue) -> None:
    raw = b'{"emailAddress": "ana@acme.test", "x": "\xc3\xbf\xc3\xbf\xc3\xbe?>"}'
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert push({"message": {"data": encode(raw).decode().rstrip("=")}}) == 204


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "a token for another audience": ({"aud": "https://elsewhere.example"}, 403),
    "a token without an audience": ({"aud": None}, 403),
    "a token of another service account": ({"email": "other@project.example"}, 403),
    "a token whose address is not verified": ({"email_verified": False}, 403),
    "a token whose verification is a word": ({"email_verified": "true"}, 403),
    "a token of another issuer": ({"iss": "https://evil.example"}, 401),
    "a token that has expired": ({"exp": int(time.time()) - 11}, 401),
    "a token without an end": ({"exp": None}, 401),
    "a token whose end is a word": ({"exp": "never"}, 401),
    "a token from the future": ({"iat": int(time.time()) + 86_400}, 401),
}


@pytest.mark.parametrize(("claims", "status"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(
    claims: dict[str, Any], status: int, push: Push, signer: Signer, queue: Queue
) -> None:
    assert push(authorization=f"Bearer {signer.token(**claims)}") == status
    assert queue.awake() == 0


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer", "Bearer ", "Basic eDp5", "Bearer a.b.c", "Bearer " + "a" * 9000, "Bearer é"],
)
def test_it_refuses_what_is_no_token(authorization: str | None, push: Push, queue: Queue) -> None:
    assert push(authorization=authorization) == 401
    assert queue.awake() == 0


def test_a_clock_ten_seconds_off_is_forgiven(push: Push, signer: Signer, queue: Queue) -> None:
    now = int(time.time())
    assert push(authorization=f"Bearer {signer.token(iat=now + 5, exp=now + 3600)}") == 204
    assert push(authorization=f"Bearer {signer.token(exp=int(time.time()) - 3)}") == 204


def test_an_old_token_is_good_until_it_expires(push: Push, signer: Signer, queue: Queue) -> None:
    now = int(time.time())
    assert push(authorization=f"Bearer {signer.token(iat=now - 3500, exp=now + 100)}") == 204


def test_a_token_signed_by_another_key_of_the_same_name_is_refused(
    push: Push, signer: Signer, other_signer: Signer, queue: Queue
) -> None:
    forged = Signer(signer.kid, other_signer.key).token()
    assert push(authorization=f"Bearer {forged}") == 401


def test_an_unsigned_token_is_refused(push: Push, queue: Queue) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"key-1"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(b'{"aud":"' + AUDIENCE.encode() + b'"}').decode().rstrip("=")
    assert push(authorization=f"Bearer {header}.{body}.") == 401


def test_certificates_are_fetched_once_for_many_pushes(
    push: Push, signer: Signer, queue: Queue, certificates: responses.RequestsMock
) -> None:
    for second in range(20):
        assert push(authorization=f"Bearer {signer.token(jti=str(second))}") == 204
    assert len(certificates.calls) == 1


def test_an_unknown_key_is_asked_for_at_most_once_a_minute(
    push: Push, other_signer: Signer, queue: Queue, certificates: responses.RequestsMock
) -> None:
    assert push() == 204
    for _ in range(5):
        assert push(authorization=f"Bearer {other_signer.token()}") == 401
    assert len(certificates.calls) == 1, "within a minute of the first fetch"


def test_it_answers_503_while_the_certificate_host_is_down(
    push: Push, queue: Queue, certificates: responses.RequestsMock
) -> None:
    certificates.replace("GET", CERTS_URL, status=500)
    assert push() == 503
    assert push() == 503
    assert len(certificates.calls) == 1, "a host that is down is not asked for every push"
    assert queue.awake() == 0


NOT_PUSHES: dict[str, Any] = {
    "no message": {"subscription": "x"},
    "a message that is a list": {"message": []},
    "no data": {"message": {}},
    "data that is a number": {"message": {"data": 5}},
    "data that is no base64": {"message": {"data": "!!!"}},
    "data that is no JSON": {"message": {"data": base64.b64encode(b"hello").decode()}},
    "data that is a JSON list": envelope([1]),
    "no address": envelope({"historyId": 1}),
    "an address that is a number": envelope({"emailAddress": 5}),
    "an address without a host": envelope({"emailAddress": "ana"}),
    "an endless address": envelope({"emailAddress": "a" * 400 + "@acme.test"}),
    "a list": [1, 2],
}


@pytest.mark.parametrize("body", NOT_PUSHES.values(), ids=NOT_PUSHES)
def test_it_answers_400_to(body: Any, push: Push, queue: Queue) -> None:
    assert push(body) == 400
    assert queue.awake() == 0


def test_it_answers_400_to_a_body_that_is_too_large_or_of_another_type(
    push: Push, queue: Queue
) -> None:
    large = b'{"message": {"data": "' + b"a" * 70_000 + b'"}}'
    assert push(data=large, content_type="application/json") == 400
    assert push(data=b"{}", content_type="text/plain") == 400
    assert push(data=b"{", content_type="application/json") == 400


def test_it_verifies_before_it_parses(push: Push, queue: Queue) -> None:
    assert push({"nonsense": True}, authorization="Bearer x.y.z") == 401


def test_only_post_is_allowed(client: FlaskClient) -> None:
    assert client.get("/webhooks/gmail").status_code == 405
