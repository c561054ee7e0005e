"""What holds for every message and every account, whatever they hold."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crm.addresses import listed
from crm.model import (
    Address,
    AutomaticSigns,
    Context,
    Headers,
    MailboxKind,
    NeverLog,
    Period,
    Place,
    Ref,
    Root,
    Switches,
)
from crm.rules.decide import decide, explain
from crm.rules.registry import BY_ID

DAY = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 72).map(lambda hours: DAY + timedelta(hours=hours))
PEOPLE = st.sampled_from(
    [
        "",
        "ana@acme.test",
        "ben@acme.test",
        "cleo@globex.test",
        "dora@sub.globex.test",
        "log@in.test",
        "forward@in.test",
    ]
)
ADDRESSES = st.builds(Address, PEOPLE)
LISTS = st.lists(ADDRESSES, max_size=4).map(tuple)
IDS = st.lists(st.sampled_from(["a@x", "b@x", "c@x", ""]), max_size=3).map(tuple)
SUBJECTS = st.sampled_from(["", "Offer", "Re: Offer", "Fwd: Lunch"]) | st.text(max_size=20)
HEADERS = st.builds(
    Headers,
    ref=st.just(Ref("m")),
    place=st.sampled_from(Place),
    received_at=TIMES,
    message_id=st.sampled_from(["", "m@x"]),
    sender=ADDRESSES,
    in_reply_to=IDS,
    references=IDS,
    subject=SUBJECTS,
    to=LISTS,
    cc=LISTS,
    bcc=LISTS,
    authentication=st.sampled_from(
        [(), ("mx.acme.test; dmarc=pass header.from=acme.test",), ("mx.acme.test; dmarc=fail",)]
    ),
    labels=st.frozensets(st.sampled_from(["Log to CRM", "log to crm", "x", ""])),
    signs=st.builds(AutomaticSigns, auto_submitted=st.sampled_from(["", "no", "auto-replied"])),
)
ROOTS = st.builds(
    Root,
    thread_id=st.integers(1, 3),
    owner_id=st.none() | st.integers(1, 2),
    team=st.booleans(),
    base_subject=st.sampled_from(["offer", ""]),
    contact_recipients=st.frozensets(PEOPLE.filter(bool), max_size=3),
)
ENTRIES = st.sampled_from(
    ["globex.test", "*.globex.test", "*@acme.test", "cleo@globex.test", "", "*"]
)
CONTEXTS = st.builds(
    Context,
    user_id=st.none() | st.integers(1, 2),
    mailbox_kind=st.sampled_from(MailboxKind),
    own_addresses=st.frozensets(PEOPLE, max_size=2),
    connected=st.lists(st.builds(Period, TIMES, st.none() | TIMES), max_size=2).map(tuple),
    account_domains=st.frozensets(st.sampled_from(["acme.test", "in.test"])),
    switches=st.builds(Switches, *[st.booleans()] * 8),
    bcc_address=st.sampled_from(["", "log@in.test"]),
    forwarding_address=st.sampled_from(["", "forward@in.test"]),
    users=st.just({"ana@acme.test": 1}),
    trusted_authserv_ids=st.just(frozenset({"mx.acme.test"})),
    team_deny=st.builds(NeverLog, st.frozensets(ENTRIES)),
    log_label=st.sampled_from(["", "Log to CRM"]),
    roots=st.dictionaries(st.sampled_from(["a@x", "b@x"]), ROOTS),
    contacts=st.dictionaries(PEOPLE.filter(bool), st.integers(1, 9)),
    answered=st.dictionaries(st.just("m@x"), st.frozensets(st.sampled_from(["offer", ""]))),
    never_log=st.builds(NeverLog, st.frozensets(ENTRIES)),
)


@given(HEADERS, CONTEXTS)
def test_only_contacts_get_a_message_and_none_that_is_listed(headers, context):
    verdict = decide(headers, context)

    known = {*context.contacts, *(one.address for one in verdict.create)}
    if verdict.root:
        known |= verdict.root.contact_recipients
    assert set(verdict.contacts) <= known
    arrived = context.mailbox_kind is MailboxKind.TEAM and headers.place is not Place.SENT
    allowed = {headers.sender.address} if arrived else set()  # a team has a list of its own
    listed_ones = {each for each in verdict.contacts if listed(each, context.never_log)}
    assert listed_ones <= allowed
    assert len(set(verdict.contacts)) == len(verdict.contacts)


@given(HEADERS, CONTEXTS)
def test_a_refused_message_is_on_no_timeline(headers, context):
    verdict = decide(headers, context)

    assert verdict.rule in BY_ID
    if not verdict.logged:
        assert (verdict.root, verdict.contacts, verdict.create) == (None, (), ())


@given(HEADERS, CONTEXTS)
def test_the_same_values_give_the_same_verdict(headers, context):
    assert decide(headers, context) == decide(headers, context)


@given(HEADERS, CONTEXTS)
def test_only_the_bcc_address_and_teams_create_contacts_and_never_of_colleagues_they_write_to(
    headers, context
):
    verdict = decide(headers, context)

    assert not verdict.create or verdict.rule in {"sent-bcc", "team"}
    others = [one for one in verdict.create if one.address != headers.sender.address]
    assert not any(one.domain in context.account_domains for one in others)
    assert all(one.address for one in verdict.create)


@given(HEADERS, CONTEXTS)
def test_every_decision_can_be_explained(headers, context):
    verdict = decide(headers, context)
    passed = {rule: ok for rule, ok, _ in explain(headers, context)}

    if verdict.rule == "reply":
        assert all(passed.values())
    else:
        assert passed[verdict.rule] is verdict.logged
