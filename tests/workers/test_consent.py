"""What happens to a mailbox whose Google account something happened to: from the event to the banner."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from crm.database import Database
from crm.history import What, sentence
from crm.model import MailboxStatus
from crm.store import gaps, history, mailboxes
from crm.tables import OutboxEvent
from providers import causes, tokens
from tests.providers.gmail_rig import READ
from tests.workers.live import LiveOffice, settings_for
from web.connecting import new_mailbox
from webhooks.app import create_app
from workers.queue import Queue
from workers.runtime import Runtime, token_source

ANA = "ana@acme.test"


class RealOffice(LiveOffice):
    """An office that renews tokens at the sandbox when it is asked to."""

    settings: Any

    @property
    def runtime(self) -> Runtime:
        source = token_source(self.database, self.secrets, self.settings)
        return replace(super().runtime, renew=lambda mailbox: source(mailbox).token(fresh=True))


@pytest.fixture
def office(sqlite_url, redis, secrets, sandbox, monkeypatch) -> Iterator[RealOffice]:
    monkeypatch.setattr(tokens, "LOOK_SECONDS", 0.001)
    database = Database(sqlite_url)
    made = RealOffice(database, Queue(redis), secrets, datetime.now(UTC), sandbox)
    made.settings = settings_for(sandbox)
    yield made
    database.close()


@pytest.fixture
def ana(office, sandbox) -> tuple[int, str]:
    """Ana's mailbox, connected as a person does it, and her refresh token."""
    from providers import oauth

    scopes = ["openid", "email", READ]
    given = sandbox.post("/control/google/token", address=ANA, scopes=scopes)
    grant = oauth.adopt("gmail", office.settings, given["refresh_token"])
    assert grant.subject
    new = new_mailbox("gmail", grant, office.user(ANA), office.settings)
    with office.database.begin() as conn:
        made = mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)
    office.sync(made)
    return made, given["refresh_token"]


@pytest.fixture
def door(office, redis_server, sandbox) -> Iterator[str]:
    """Where the pretend Google tells of accounts."""
    settings = office.settings.model_copy(
        update={
            "redis_url": redis_server.url,
            "database_url": str(office.database.engine.url),
            "google_risc_certs_url": f"{sandbox.url}/oauth2/v3/certs",
        }
    )
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/webhooks/google/risc"
    server.shutdown()
    thread.join()
    server.server_close()


def google_tells(sandbox, **body) -> int:
    """The status of a security event, which Google repeats where a busy machine answers 503."""
    for _ in range(5):
        status: int = sandbox.post("/control/google/risc", **body)["status"]
        if status != 503:
            break
    return status


EVENTS = [
    ("oauth/event-type/tokens-revoked", "", causes.REVOKED),
    ("risc/event-type/sessions-revoked", "", causes.PASSWORD_CHANGED),
    ("risc/event-type/account-credential-change-required", "", causes.PASSWORD_CHANGED),
    ("risc/event-type/account-disabled", "hijacking", causes.ACCOUNT_LOCKED),
    ("risc/event-type/account-disabled", "bulk-account", causes.ACCOUNT_DISABLED),
    ("risc/event-type/account-purged", "", causes.MAILBOX_GONE),
]


@pytest.mark.parametrize(
    ("event", "reason", "cause"), EVENTS, ids=[f"{e[0]} {e[1]}" for e in EVENTS]
)
def test_an_event_and_a_refused_grant_give_one_cause(
    office, ana, door, sandbox, event, reason, cause
):
    mailbox_id, _ = ana
    sandbox.post(
        "/control/switches", **{"google.refresh_words": "Token has been expired or revoked."}
    )
    status = google_tells(sandbox, endpoint=door, address=ANA, event=event, reason=reason)
    assert status == 202
    assert office.queue.claim() == mailbox_id
    office.sync(mailbox_id)
    row = office.row(mailbox_id)
    assert (row.status, row.cause) == (MailboxStatus.RECONNECT, cause)


@pytest.mark.parametrize("by", ["prefix", "hash_base64_sha512_sha512"])
def test_one_revoked_token_stops_its_mailbox(office, ana, door, sandbox, by):
    mailbox_id, token = ana
    sandbox.post("/control/switches", **{"google.refresh_words": "Bad Request"})
    event = "oauth/event-type/token-revoked"
    body = {"endpoint": door, "address": ANA, "event": event, "token": token, "by": by}
    assert google_tells(sandbox, **body) == 202
    office.sync(mailbox_id)
    assert office.row(mailbox_id).cause == causes.REVOKED


def test_an_event_that_comes_after_the_stop_words_its_cause_better(office, ana, door, sandbox):
    mailbox_id, _ = ana
    with office.database.begin() as conn:
        which = (conn, office.account_id, mailbox_id)
        mailboxes.need_reconnect(*which, causes.REVOKED, office.clock)
    for event in ("account-disabled", "sessions-revoked"):
        body = {"address": ANA, "event": f"risc/event-type/{event}", "reason": "hijacking"}
        google_tells(sandbox, endpoint=door, jti=event, **body)
        office.sync(mailbox_id)
    row = office.row(mailbox_id)
    assert (row.status, row.cause) == (MailboxStatus.RECONNECT, causes.ACCOUNT_LOCKED)


@pytest.fixture
def disabled(office, ana, door, sandbox):
    """Google has disabled Ana's account; the mailbox stopped an hour ago."""
    mailbox_id, _ = ana
    sandbox.post("/control/switches", **{"google.refresh_words": "Account has been disabled"})
    google_tells(sandbox, endpoint=door, address=ANA, event="risc/event-type/account-disabled")
    office.sync(mailbox_id)
    assert office.row(mailbox_id).cause == causes.ACCOUNT_DISABLED
    office.clock += timedelta(hours=1, seconds=1)
    return mailbox_id


def enabled_again(office, sandbox, door, mailbox_id):
    office.queue.done(mailbox_id)
    google_tells(sandbox, endpoint=door, address=ANA, event="risc/event-type/account-enabled")
    office.sync(mailbox_id)


def test_an_account_that_is_enabled_again_brings_its_mailbox_back_where_google_agrees(
    office, disabled, door, sandbox
):
    sandbox.post("/control/switches", **{"google.refresh_words": ""})
    enabled_again(office, sandbox, door, disabled)
    row = office.row(disabled)
    assert (row.status, row.cause, row.stopped_at) == (MailboxStatus.CONNECTED, "", None)
    assert office.queue.awake() == 1
    with office.database.read() as conn:
        (gap,) = gaps.undecided(conn, office.account_id, [disabled])
        facts = history.facts_of(conn, office.account_id, disabled, What.RECONNECTED)
    assert gap.until - gap.since > timedelta(minutes=59)
    assert sentence(What.RECONNECTED, facts[0]) == (
        "The provider lets us in again after 1 hour: the mailbox goes on by itself."
    )
    topics = select(OutboxEvent.topic).where(OutboxEvent.account_id == office.account_id)
    told = [topic for (topic,) in office.rows(topics)]
    assert (told.count("mailbox.connected"), told.count("mailbox.reconnect")) == (2, 1)
    office.sync(disabled)
    assert office.row(disabled).status is MailboxStatus.CONNECTED


@pytest.mark.parametrize("words", ["Account has been disabled", "503"])
def test_it_stays_stopped_where_google_does_not_agree_or_does_not_answer(
    office, disabled, door, sandbox, words
):
    if words == "503":
        sandbox.post("/control/faults", match="POST /token", kind="status", status=503)
    enabled_again(office, sandbox, door, disabled)
    assert office.row(disabled).status is MailboxStatus.RECONNECT
    kept = office.queue.take_check(disabled)
    assert kept == ("account-enabled" if words == "503" else "")


@pytest.mark.parametrize("event", ["sessions-revoked", "account-enabled", "account-disabled"])
def test_an_event_alone_stops_nothing_where_google_still_agrees(office, ana, door, sandbox, event):
    mailbox_id, _ = ana
    event = f"risc/event-type/{event}"
    google_tells(sandbox, endpoint=door, address=ANA, event=event)
    office.sync(mailbox_id)
    assert office.row(mailbox_id).status is MailboxStatus.CONNECTED
    assert office.queue.take_check(mailbox_id) == ""


def test_an_event_is_asked_about_again_when_google_does_not_answer(office, ana, door, sandbox):
    mailbox_id, _ = ana
    event = "risc/event-type/sessions-revoked"
    google_tells(sandbox, endpoint=door, address=ANA, event=event)
    sandbox.post("/control/faults", match="POST /token", kind="status", status=503)
    office.sync(mailbox_id)
    assert office.row(mailbox_id).status is MailboxStatus.CONNECTED
    assert office.queue.take_check(mailbox_id) == "sessions-revoked"


@pytest.mark.parametrize(
    ("more", "status"),
    [({"forged": True}, 400), ({"audience": "another"}, 400), ({"issuer": "https://x.test/"}, 400),
     ({"address": "cleo@acme.test"}, 202), ({"event": "risc/event-type/verification"}, 202)],
    ids=["a forged one", "one for another app", "one of another issuer", "one about a stranger", "a test"],
)  # fmt: skip
def test_an_event_that_is_not_ours_rings_nobody(office, ana, door, sandbox, more, status):
    body = {"endpoint": door, "address": ANA} | more
    office.queue.done(ana[0])
    assert google_tells(sandbox, **body) == status
    assert office.queue.awake() == 0


def test_new_tokens_that_somebody_stored_outweigh_the_refusal_of_old_ones(sqlite_office):
    from crm.model import Tokens
    from providers.client import Reconnect

    office = sqlite_office
    mailbox_id = office.mailbox(ANA)
    refused = Reconnect(causes.REVOKED)
    refused.tokens_version = 1
    office.boxes[mailbox_id].refuse(refused)
    fresh = Tokens("new", "new", office.clock)
    with office.database.begin() as conn:
        which = (conn, office.account_id, mailbox_id)
        assert mailboxes.save_tokens(*which, fresh, 1, office.secrets)
    office.sync(mailbox_id)
    row = office.row(mailbox_id)
    assert row.status is MailboxStatus.CONNECTED
    assert row.wake_at > office.clock

    refused.tokens_version = 2
    office.boxes[mailbox_id].refuse(refused)
    office.sync(mailbox_id)
    assert office.row(mailbox_id).status is MailboxStatus.RECONNECT
