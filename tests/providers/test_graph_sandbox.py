"""What only Microsoft does, against the pretend one; each doubtful fact with both answers."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.model import Place, Ref
from providers.client import CursorExpired, Gone, Operator, Reconnect, Retry
from tests.providers import mail
from tests.providers.contract import drain, ids
from tests.providers.graph_rig import GraphRig, rig_on
from tests.sandbox_process import Sandbox
from tests.waiting import within


@pytest.fixture
def rig(sandbox: Sandbox) -> Iterator[GraphRig]:
    with rig_on(sandbox) as made:
        yield made


@pytest.fixture
def wide(sandbox: Sandbox) -> Iterator[GraphRig]:
    with rig_on(sandbox, page_size=50) as made:
        yield made


def switch(rig: GraphRig, name: str, value: object) -> None:
    rig.control("microsoft/switch", name=name, value=value)


def rule(rig: GraphRig, folder: str = "Customers", **more: object) -> None:
    body = {"name": f"to {folder}", "from_contains": "globex", "target_folder": folder, **more}
    rig.control("rule", **body)


def counts(rig: GraphRig) -> dict[str, int]:
    found: dict[str, int] = rig.sandbox.get("/control/counts")
    return found


# -- folders


@pytest.mark.parametrize("alias", [True, False])
@pytest.mark.parametrize("copy", [True, False])
def test_mail_that_a_rule_files_away_is_seen(rig, copy, alias):
    rig.sandbox.post("/control/switches", **{"graph.rule_folder_alias": alias})
    rule(rig, copy=copy)
    assert [f.name for f in rig.client.folders() if f.reason == "rule"] == ["Customers"]
    cursor = rig.client.baseline()
    rig.deliver(mail.PLAIN)
    items, _ = drain(rig, cursor)
    assert {item.place for item in items} == {Place.FOLLOWED}
    assert len(items) == 1 + copy


def test_mail_that_lies_in_the_inbox_before_its_rule_moves_it_is_seen_where_it_went(rig):
    rule(rig)
    switch(rig, "graph.rule_inbox_first", 2)
    cursor = rig.client.baseline()
    ref = rig.deliver(mail.PLAIN)
    items, cursor = drain(rig, cursor)
    assert ids(items) == [ref]
    here = items[0].headers.folder
    assert within(3, lambda: rig.client.message(Ref(ref)).headers.folder != here)
    items, _ = drain(rig, cursor)
    assert ids(items) == [ref]
    assert rig.client.message(Ref(ref)).headers.folder == items[0].headers.folder


def test_a_new_rule_is_followed_from_a_time_on(rig):
    client = rig.client
    before = client.folders()
    cursor = client.baseline()
    rule(rig)
    missed = rig.deliver(mail.PLAIN)
    assert drain(rig, cursor)[0] == []
    after = client.folders()
    assert len(after) == len(before) + 1
    head = client.headers([Ref(missed)])[0]
    cursor = client.follow(after, cursor, head.received_at - timedelta(minutes=1))
    items, cursor = drain(rig, cursor)
    assert ids(items) == [missed]
    assert drain(rig, client.follow(before, cursor, head.received_at))[0] == []


def test_mail_in_a_folder_that_is_followed_by_hand_is_seen(rig):
    rule(rig, enabled=False)  # the folder is there, and nothing fills it
    client = rig.client
    folders = client.folders(("customers",))
    assert [f.name for f in folders if f.reason == "hand"] == ["Customers"]
    cursor = client.baseline()
    moved = rig.control("move", id=rig.deliver(mail.PLAIN), to="Customers")["id"]
    items, cursor = drain(rig, cursor)
    assert (moved, Place.FOLLOWED) in {(item.ref.id, item.place) for item in items}
    cursor = client.follow(client.folders(), cursor, client.headers([Ref(moved)])[0].received_at)
    unseen = rig.control("move", id=rig.deliver(mail.LATIN), to="Customers")["id"]
    assert unseen not in ids(drain(rig, cursor)[0])


def test_a_disabled_or_read_only_rule_is_not_followed(rig):
    rule(rig, "Off", enabled=False)
    rig.control("microsoft/read-only-rule", name="ro", from_contains="x", target_folder="Secret")
    assert [f for f in rig.client.folders() if f.reason == "rule"] == []


def test_a_rule_to_junk_or_trash_is_not_followed(rig):
    rule(rig, "junk")
    rule(rig, "trash")
    assert [f for f in rig.client.folders() if f.reason == "rule"] == []


def test_a_folder_that_was_deleted_lies_in_the_trash_and_is_followed_no_more(rig):
    rule(rig)
    client = rig.client
    assert len(client.folders()) == 4
    ref = rig.deliver(mail.PLAIN)
    rig.control("microsoft/delete-folder", name="Customers")
    assert len(client.folders()) == 3
    assert client.headers([Ref(ref)])[0].place is Place.TRASH


def test_a_folder_that_is_gone_for_good_makes_the_cursor_expire_and_the_next_one_works(rig):
    rule(rig)
    cursor = rig.client.baseline()
    for _ in range(2):
        rig.control("microsoft/delete-folder", name="Customers")
    with pytest.raises(CursorExpired):
        drain(rig, cursor)
    assert drain(rig, rig.client.baseline())[0] == []


# -- listings


@pytest.mark.parametrize("code", ["syncStateNotFound", "resyncRequired", "SyncStateNotFound"])
@pytest.mark.parametrize("status", [410, 400, 404])
def test_every_way_to_say_that_a_cursor_is_too_old_is_known(rig, status, code):
    switch(rig, "graph.delta_expired_code", code)
    switch(rig, "graph.delta_expired_status", status)
    cursor = rig.client.baseline()
    rig.expire()
    with pytest.raises(CursorExpired):
        drain(rig, cursor)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("graph.delta_empty_page", True),
        ("graph.delta_replays", True),
        ("graph.delta_headers", False),
        ("graph.created_updated", False),
        ("graph.conversation_by_subject", False),
        ("graph.delta_filter_hides_moved", False),
    ],
)
def test_a_doubtful_fact_either_way_loses_no_message(rig, name, value):
    switch(rig, name, value)
    cursor = rig.client.baseline()
    for start in (0, 5):
        sent = [rig.deliver(mail.numbered(start + n)) for n in range(5)]
        items, cursor = drain(rig, cursor)
        assert set(sent) <= set(ids(items))
        heads = rig.client.headers([item.ref for item in items if item.headers is None])
        assert None not in heads


def test_without_header_fields_in_listings_headers_are_fetched_in_batches(wide):
    switch(wide, "graph.delta_headers", False)
    cursor = wide.client.baseline()
    for n in range(45):
        wide.deliver(mail.numbered(n))
    items, _ = drain(wide, cursor)
    assert all(item.headers is None for item in items)
    before = counts(wide).get("graph.batch", 0)
    heads = wide.client.headers([item.ref for item in items])
    assert [head.message_id for head in heads] == [f"number-{n}@globex.test" for n in range(45)]
    assert counts(wide)["graph.batch"] - before == 3


def test_a_moved_message_keeps_its_id(rig):
    ref = rig.deliver(mail.PLAIN)
    assert rig.move(ref, Place.JUNK) == ref
    assert rig.client.headers([Ref(ref)])[0].place is Place.JUNK


def test_junk_is_listed_as_such_and_shows_again_when_rescued(rig):
    cursor = rig.client.baseline()
    ref = rig.deliver(mail.PLAIN, Place.JUNK)
    items, cursor = drain(rig, cursor)
    assert [(item.ref.id, item.place) for item in items] == [(ref, Place.JUNK)]
    rig.move(ref, Place.FOLLOWED)
    items, _ = drain(rig, cursor)
    assert [(item.ref.id, item.place) for item in items] == [(ref, Place.FOLLOWED)]


def test_after_recovery_a_message_of_that_time_shows_when_rescued_later(rig):
    ref = rig.deliver(mail.PLAIN, Place.JUNK)
    when = rig.client.headers([Ref(ref)])[0].received_at
    cursor = list(rig.client.since(when))[-1].cursor
    _, cursor = drain(rig, cursor)
    rig.move(ref, Place.FOLLOWED)
    items, _ = drain(rig, cursor)
    assert [(item.ref.id, item.place) for item in items] == [(ref, Place.FOLLOWED)]


def test_a_message_lost_between_two_listings_is_found_by_a_bounded_one(rig):
    cursor = rig.client.baseline()
    ref = rig.deliver(mail.PLAIN)
    _, cursor = drain(rig, cursor)
    rig.move(ref, Place.JUNK)
    rig.move(ref, Place.FOLLOWED)
    assert drain(rig, cursor)[0] == []  # what Graph is known to lose
    when = rig.client.headers([Ref(ref)])[0].received_at
    items = [item for page in rig.client.since(when) for item in page.items]
    assert (ref, Place.FOLLOWED) in {(item.ref.id, item.place) for item in items}


@pytest.mark.parametrize("through_outbox", [True, False])
def test_own_mail_shows_once_with_its_recipients_and_label(rig, through_outbox):
    switch(rig, "graph.send_through_outbox", through_outbox)
    cursor = rig.client.baseline()
    raw = mail.PLAIN.replace(b"Cc: Boss", b"Bcc: log@crm.test\r\nCc: Boss")
    ref = rig.send(raw)
    rig.label(ref, "Log to CRM")
    items, _ = drain(rig, cursor)
    assert [(item.ref.id, item.place) for item in items] == [(ref, Place.SENT)]
    head = items[0].headers
    assert head.sender.address == rig.address
    assert {one.address for one in head.recipients} >= {"log@crm.test", "boss@globex.test"}
    assert head.labels == {"Log to CRM"}
    assert (head.in_reply_to, head.references) == ((), ())


def test_threading_of_own_mail_is_known_when_it_is_asked_for(rig):
    ref = rig.send(mail.PLAIN)
    [head] = rig.client.headers([Ref(ref)])
    assert head.in_reply_to == ("offer-1@acme.test",)
    assert head.references == ("older-1@acme.test", "offer-1@acme.test")
    assert rig.client.message(Ref(ref)).headers == head


# -- cost


def test_a_burst_costs_one_request_a_page_and_one_for_each_body(wide):
    client = wide.client
    cursor = client.baseline()
    refs = [wide.deliver(mail.numbered(n)) for n in range(20)]
    wide.sandbox.post("/control/counts/reset")
    items, _ = drain(wide, cursor)
    assert all(item.headers is not None for item in items)
    for ref in refs[:5]:
        client.message(Ref(ref))
    spent = {name: n for name, n in counts(wide).items() if name.startswith("graph.")}
    assert spent.pop("graph.delta") == 3  # Inbox, Sent Items, Junk Email
    assert spent.pop("graph.messages.get") == spent.pop("graph.messages.get.body") == 5
    assert not any(spent.values()), spent


# -- failures


def ask_thrice(rig: GraphRig) -> None:
    for _ in range(3):
        rig.client.folders()


def test_a_full_rate_limit_is_waited_for(rig):
    switch(rig, "graph.requests_per_10_minutes", 1)
    with pytest.raises(Retry):
        ask_thrice(rig)


@pytest.mark.parametrize("said", ["seconds", "zero", "missing"])
def test_a_refusal_says_how_long_or_nothing(rig, said):
    switch(rig, "graph.requests_per_10_minutes", 1)
    rig.sandbox.post("/control/switches", **{"graph.retry_after": said})
    with pytest.raises(Retry) as caught:
        ask_thrice(rig)
    assert (caught.value.after is not None) == (said == "seconds")


def test_a_mailbox_that_graph_cannot_open_is_told(rig):
    cursor = rig.client.baseline()
    switch(rig, "graph.mailbox_disabled", True)
    with pytest.raises(Reconnect) as caught:
        drain(rig, cursor)
    assert caught.value.cause == "mailbox-unavailable"


def test_an_expired_access_token_is_renewed_without_notice(rig):
    cursor = rig.client.baseline()
    ref = rig.deliver(mail.PLAIN)
    rig.control("expire-tokens")
    assert ids(drain(rig, cursor)[0]) == [ref]


def test_a_claims_challenge_is_met_with_a_token_that_proves_the_claims(rig):
    cursor = ours(rig)
    switch(rig, "graph.claims_challenge", True)
    before = rig.sandbox.get("/control/counts").get("entra.token", 0)
    assert drain(rig, cursor)
    assert rig.sandbox.get("/control/counts")["entra.token"] == before + 1


def test_a_sign_in_that_was_ended_is_known_at_once_though_its_token_would_live_for_a_day(rig):
    cursor = ours(rig)
    rig.control("microsoft/revoke-sessions")
    with pytest.raises(Reconnect) as caught:
        drain(rig, cursor)
    assert caught.value.cause == "revoked"


def ours(rig):
    """A cursor, asked for with a token that we got ourselves and not by the control API."""
    rig.control("expire-tokens")
    return rig.client.baseline()


def test_a_claims_challenge_that_needs_a_person_says_what_to_prove(rig):
    cursor = ours(rig)
    switch(rig, "graph.claims_challenge", True)
    switch(rig, "entra.second_factor", True)
    with pytest.raises(Reconnect) as caught:
        drain(rig, cursor)
    assert (caught.value.cause, "capolids" in caught.value.claims) == ("mfa", True)


@pytest.mark.parametrize(
    "spoilt", [{"kind": "truncate"}, {"kind": "bad_json"}, {"kind": "bad_json", "body": "[1]"}]
)
def test_a_spoilt_answer_is_a_retry(rig, spoilt):
    cursor = rig.client.baseline()
    rig.sandbox.post("/control/faults", match="delta", times=1, **spoilt)
    with pytest.raises(Retry):
        drain(rig, cursor)


def test_a_malformed_id_is_a_message_that_is_gone(rig):
    assert rig.client.headers([Ref("nonsense")]) == [None]
    with pytest.raises(Gone):
        rig.client.message(Ref("nonsense"))


# -- subscriptions


def test_a_subscription_rings_with_its_secret(rig):
    states = {state.resource: state for state in rig.client.watch(())}
    rig.deliver(mail.PLAIN)
    assert within(5, lambda: rig_notifications(rig))
    [first, *_] = rig_notifications(rig)
    inbox = states[rig.client.folders()[0].id]
    assert first["subscriptionId"] == inbox.provider_id
    assert first["clientState"] == inbox.secret


def rig_notifications(rig: GraphRig) -> list[dict]:
    posts = [one.body for one in rig.hooks.asked if one.body and "value" in one.body]
    return [item for body in posts for item in body["value"]]


def test_both_addresses_are_proven_while_a_subscription_is_made(rig):
    rig.client.watch(())
    proofs = [one for one in rig.hooks.asked if "validationToken" in one.path]
    assert {one.path.partition("?")[0] for one in proofs} == {"/webhooks/graph"}


def test_an_address_that_does_not_answer_is_the_operators(rig):
    rig.hooks.script = lambda asked: type(rig.hooks).script(asked)
    with pytest.raises(Operator) as caught:
        rig.client.watch(())
    assert caught.value.cause == "public-url"


def test_a_full_quota_is_the_operators(rig):
    switch(rig, "graph.subscription_quota", 0)
    with pytest.raises(Operator) as caught:
        rig.client.watch(())
    assert caught.value.cause == "subscription-quota"


def test_subscriptions_that_we_forgot_are_replaced(rig):
    first = rig.client.watch(())
    again = rig.client.watch(())
    live = {one["id"] for one in rig.sandbox.get("/control/microsoft/subscriptions")}
    assert live == {state.provider_id for state in again}
    assert not live & {state.provider_id for state in first}


def test_subscriptions_that_a_changed_password_removed_are_made_again(rig):
    first = rig.client.watch(())
    rig.control("password")
    again = rig.client.watch(first)
    assert not {s.provider_id for s in first} & {s.provider_id for s in again}
    assert all(state.secret for state in again)
