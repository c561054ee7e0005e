"""What only Gmail has; the rest is in the contract."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crm.model import Place, Ref
from providers import causes
from providers.client import CursorExpired, Gone, Limited, Operator, Reconnect, Retry
from providers.gmail import transport
from providers.gmail.client import PAGE_SIZE
from tests.providers import mail
from tests.providers.contract import drain, ids, list_since
from tests.providers.gmail_rig import READ, GmailRig, counts, fresh, settings_for
from tests.sandbox_process import Sandbox


@pytest.fixture
def rig(sandbox: Sandbox) -> Iterator[GmailRig]:
    made = GmailRig(sandbox, settings_for(sandbox))
    yield made
    made.close()


# -- what it costs


def test_one_answer_of_many_changes_makes_pages_that_no_quota_forbids(rig):
    rig.page_size = PAGE_SIZE
    rig.client = rig.open()
    cursor = rig.client.baseline()
    sent = [rig.deliver(mail.numbered(n)) for n in range(60)]
    pages = list(rig.client.changes(cursor))
    assert max(len(page.items) for page in pages) <= 25
    assert [item.ref.id for page in pages for item in page.items] == sent
    assert counts(rig)["history.list"] == 1
    (rest,) = [page.items for page in rig.client.changes(pages[1].cursor) if page.items]
    assert [item.ref.id for item in rest] == sent[50:], "a run that ended there goes on there"


@pytest.mark.parametrize(
    ("kind", "shape", "after", "everyone"),
    [
        ("retry-after", "user", 40.0, False),
        ("concurrent", "concurrency", None, False),
        ("exhausted", "user", None, False),
        ("403-rate", "minute", 60.0, False),
        ("403-user", "minute", 60.0, False),
        ("403-project", "project", 60.0, True),
    ],
)
@pytest.mark.parametrize("call", ["listing", "batch"])
def test_each_shape_of_a_limit_is_known_wherever_it_is_met(rig, kind, shape, after, everyone, call):
    ref = Ref(rig.deliver(mail.PLAIN))
    cursor = rig.client.baseline()
    rig.sandbox.post("/control/google/limit", address=rig.address, kind=kind, seconds=40)
    with pytest.raises(Limited) as caught:
        list(rig.client.changes(cursor)) if call == "listing" else rig.client.headers([ref])
    found = caught.value
    assert (found.shape, found.everyone) == (shape, everyone)
    assert found.after == pytest.approx(after, abs=10) if after else found.after is None


def test_a_cursor_from_a_mailbox_that_was_made_anew_is_expired(rig):
    rig.deliver(mail.PLAIN)
    with pytest.raises(CursorExpired):
        list(rig.client.changes(json.dumps([10**12])))


def test_headers_of_ten_messages_are_one_http_request(rig):
    refs = [Ref(rig.deliver(mail.numbered(n))) for n in range(23)]
    fresh(rig)
    assert len(rig.client.headers(refs)) == 23
    assert counts(rig) == {"batch": 3, "messages.get": 23}


def test_a_whole_message_is_one_request_and_its_files_are_left_alone(rig):
    ref = Ref(rig.deliver(mail.FILES))
    fresh(rig)
    assert len(rig.client.message(ref).attachments) == 3
    assert counts(rig) == {"messages.get": 1}


def test_a_listing_is_one_request_and_tells_places(rig):
    cursor = rig.client.baseline()
    rig.deliver(mail.PLAIN, Place.JUNK)
    fresh(rig)
    page = next(iter(rig.client.changes(cursor)))
    assert [item.place for item in page.items] == [Place.JUNK]
    assert counts(rig) == {"history.list": 1}


def test_names_of_labels_are_read_once_and_again_for_a_new_label(rig):
    one, other = rig.deliver(mail.numbered(1)), rig.deliver(mail.numbered(2))
    rig.label(one, "Log to CRM")
    fresh(rig)
    rig.client.headers([Ref(one)])
    assert rig.client.message(Ref(one)).headers.labels == {"Log to CRM"}
    rig.client.message(Ref(other))
    assert counts(rig)["labels.list"] == 1
    rig.label(other, "Größe/Neu")
    assert rig.client.message(Ref(other)).headers.labels == {"Größe/Neu"}
    assert counts(rig)["labels.list"] == 2


def test_a_renamed_label_is_known_by_its_new_name_after_an_hour(rig):
    now = datetime.now(UTC)
    client = rig.open(clock=lambda: now)
    ref = rig.deliver(mail.PLAIN)
    rig.label(ref, "Old")
    assert client.message(Ref(ref)).headers.labels == {"Old"}
    fresh(rig)
    now += timedelta(minutes=61)
    client.message(Ref(ref))
    assert counts(rig)["labels.list"] == 1


# -- cursors


def test_the_cursor_follows_the_records_not_the_mailbox(rig):
    start = datetime.now(UTC)
    now = start
    client = rig.open(clock=lambda: now)
    cursor = client.baseline()
    ref = rig.deliver(mail.PLAIN)
    (page,) = client.changes(cursor)
    record = json.loads(page.cursor)[0]
    rig.delete(ref)  # moves the mailbox's id, and is not listed
    (quiet,) = client.changes(page.cursor)
    assert quiet.items == ()
    assert json.loads(quiet.cursor)[0] == record
    now = start + timedelta(minutes=11)
    (moved,) = client.changes(quiet.cursor)
    assert json.loads(moved.cursor)[0] > record


def test_records_that_come_late_are_not_lost(rig):
    rig.sandbox.post("/control/switches", **{"gmail.history_lag": 3600.0})
    cursor = rig.client.baseline()
    ref = rig.deliver(mail.PLAIN)
    items, cursor = drain(rig, cursor)
    assert items == []
    rig.sandbox.post("/control/switches", **{"gmail.history_lag": 0.0})
    assert ids(drain(rig, cursor)[0]) == [ref]


def test_without_labels_in_the_history_the_headers_tell_the_place(rig):
    rig.sandbox.post("/control/switches", **{"gmail.history_labels": False})
    cursor = rig.client.baseline()
    rig.deliver(mail.PLAIN, Place.JUNK)
    items, _ = drain(rig, cursor)
    assert [item.place for item in items] == [None]
    read = rig.client.headers([items[0].ref])[0]
    assert read is not None
    assert read.place is Place.JUNK


def test_an_archived_message_is_followed_and_a_message_to_oneself_is_sent(rig):
    ref = rig.deliver(mail.PLAIN)
    rig.call("POST", f"/messages/{ref}/modify", removeLabelIds=["INBOX"])
    assert rig.client.message(Ref(ref)).headers.place is Place.FOLLOWED
    own = mail.PLAIN.replace(b"ana@acme.test", rig.address.encode())
    assert rig.client.message(Ref(rig.send(own))).headers.place is Place.SENT


def test_a_draft_that_is_sent_is_another_message(rig):
    cursor = rig.client.baseline()
    text = base64.urlsafe_b64encode(mail.PLAIN).decode()
    draft = rig.call("POST", "/drafts", message={"raw": text})
    sent = rig.call("POST", "/drafts/send", id=draft["id"])["id"]
    places = {item.ref.id: item.place for item in drain(rig, cursor)[0]}
    assert places == {draft["message"]["id"]: Place.DRAFT, sent: Place.SENT}
    with pytest.raises(Gone):
        rig.client.message(Ref(draft["message"]["id"]))


def test_since_finds_junk_and_trash_too(rig):
    junk = rig.deliver(mail.numbered(1), Place.JUNK)
    trash = rig.move(rig.deliver(mail.numbered(2)), Place.TRASH)
    found, _ = list_since(rig, datetime.now(UTC) - timedelta(minutes=5))
    assert set(ids(found)) == {junk, trash}


def test_a_sent_message_shows_its_hidden_recipients(rig):
    ref = rig.send(b"Bcc: log@crm.test\r\n" + mail.PLAIN)
    read = rig.client.headers([Ref(ref)])[0]
    assert read is not None
    assert [one.address for one in read.bcc] == ["log@crm.test"]


# -- messages


def test_text_that_gmail_keeps_apart_is_asked_for(rig):
    rig.sandbox.post("/control/switches", **{"gmail.inline_limit": 5})
    ref = Ref(rig.deliver(mail.ALTERNATIVE))
    fresh(rig)
    message = rig.client.message(ref)
    assert "Rich – with a dash" in message.html
    assert counts(rig) == {"messages.get": 1, "attachments.get": 2}


@pytest.mark.parametrize("decoded", [True, False])
@pytest.mark.parametrize("name", ["encoded headers", "strange"])
def test_headers_are_the_same_whether_gmail_decodes_them_or_not(rig, decoded, name):
    rig.sandbox.post("/control/switches", **{"gmail.decoded_headers": decoded})
    read = rig.client.headers([Ref(rig.deliver(mail.SAMPLES[name]))])[0]
    assert read is not None
    if name == "encoded headers":
        assert read.subject == "Antwort: Grüße"
        assert read.sender.name == "Jürgen Müller"


def test_an_id_that_is_none_is_gone(rig):
    with pytest.raises(Gone):
        rig.client.message(Ref("no-such-id-at-all-in-here"))
    assert rig.client.headers([Ref("../labels?x=1"), Ref("1f")]) == [None, None]


def test_a_message_that_cannot_be_read_yet_is_gone_for_now(rig):
    ref = Ref(rig.deliver(mail.PLAIN))
    rig.sandbox.post("/control/switches", **{"gmail.get_lag": 60.0})
    with pytest.raises(Gone):
        rig.client.message(ref)


# -- limits


def test_a_limit_inside_a_batch_stops_the_whole_call(rig):
    refs = [Ref(rig.deliver(mail.numbered(n))) for n in range(3)]
    rig.sandbox.post("/control/google/limit", address=rig.address, kind="retry-after", seconds=900)
    with pytest.raises(Retry) as caught:
        rig.client.headers(refs)
    assert caught.value.after is not None
    assert 880 < caught.value.after <= 900


@pytest.mark.parametrize(
    ("kind", "error", "cause"),
    [
        ("concurrent", Retry, None),
        ("exhausted", Retry, None),
        ("403-rate", Retry, None),
        ("403-user", Retry, None),
        ("403-daily", Operator, causes.PROJECT_QUOTA),
        ("403-domain", Reconnect, causes.ADMIN_BLOCKED),
        ("mail-off", Reconnect, causes.MAILBOX_UNAVAILABLE),
        ("precondition", Reconnect, causes.MAILBOX_UNAVAILABLE),
    ],
)
def test_limits_and_switched_off_mailboxes(rig, kind, error, cause):
    rig.sandbox.post("/control/google/limit", address=rig.address, kind=kind)
    with pytest.raises(error) as caught:
        rig.client.baseline()
    assert getattr(caught.value, "cause", None) == cause


@pytest.mark.parametrize("kind", ["truncate", "bad_json"])
@pytest.mark.parametrize("call", ["baseline", "message", "headers"])
def test_half_an_answer_is_asked_for_again(rig, kind, call):
    ref = Ref(rig.deliver(mail.PLAIN))
    rig.fault(kind=kind, times=1)
    calls = {
        "baseline": rig.client.baseline,
        "message": lambda: rig.client.message(ref),
        "headers": lambda: rig.client.headers([ref]),
    }
    with pytest.raises(Retry):
        calls[call]()
    assert calls[call]()


@pytest.mark.parametrize("call", ["baseline", "changes", "since", "message"])
def test_json_of_another_shape_is_no_answer_and_no_empty_page(rig, call):
    ref, cursor = Ref(rig.deliver(mail.PLAIN)), rig.client.baseline()
    rig.fault(kind="bad_json", times=2, body='{"odd": [1]}')
    calls = {
        "baseline": rig.client.baseline,
        "changes": lambda: list(rig.client.changes(cursor)),
        "since": lambda: list(rig.client.since(datetime.now(UTC) - timedelta(days=1))),
        "message": lambda: rig.client.message(ref),
    }
    with pytest.raises(Retry):
        calls[call]()


# -- tokens


def test_a_token_that_ran_out_is_renewed_once_and_the_call_made_again(rig):
    ref = Ref(rig.deliver(mail.PLAIN))
    rig.client.baseline()
    first = rig.stored.tokens.access_token
    rig.sandbox.post("/control/expire-tokens", address=rig.address)
    assert rig.client.message(ref).headers.ref.id == ref.id
    assert rig.stored.tokens.access_token != first
    rig.sandbox.post("/control/expire-tokens", address=rig.address)
    assert rig.client.headers([ref])[0] is not None


def test_a_token_without_the_permission_is_named(rig):
    given = rig.token("openid", "email")
    rig.stored.tokens = type(rig.stored.tokens)(
        given["access_token"], given["refresh_token"], rig.stored.tokens.expires_at
    )
    with pytest.raises(Reconnect) as caught:
        rig.open().baseline()
    assert caught.value.cause == causes.SCOPE_MISSING
    assert READ not in rig.stored.tokens.scopes


def test_a_changed_password_ends_the_consent(rig):
    rig.sandbox.post("/control/password", address=rig.address)
    with pytest.raises(Reconnect) as caught:
        rig.client.baseline()
    assert caught.value.cause == causes.REVOKED


# -- connections


def test_mailboxes_of_a_thread_share_connections(sandbox):
    rigs = [GmailRig(sandbox, settings_for(sandbox)) for _ in range(2)]
    for rig in rigs:
        rig.client.baseline()
    kept = transport._connections()
    assert len([key for key in kept.connections if sandbox.url.removeprefix("http://") in key]) == 1
    for rig in rigs:
        rig.client.close()
        rig.client.close()
        rig.client.baseline()
        rig.close()


def test_a_connection_that_the_server_closed_while_idle_is_no_failure(rig):
    refs = [Ref(rig.deliver(mail.numbered(n))) for n in range(3)]
    rig.client.baseline()
    for connection in transport._connections().connections.values():
        connection.sock.shutdown(2)
    assert all(rig.client.headers(refs))
    for connection in transport._connections().connections.values():
        connection.sock.shutdown(2)
    assert rig.client.baseline()


def test_tls_connections_share_one_context():
    one, other = (transport.KeptTls("localhost", 443, timeout=1) for _ in range(2))
    assert one._context is other._context
    assert one._context.check_hostname
